/**
 * When a goal is met, missed, or cannot be judged; and that a missed one is printed as missed.
 */
import { describe, expect, test } from 'vitest'
import type { JudgedAnswer } from '../../bench/answer.ts'
import { formatNumber, judge } from '../../bench/goals.ts'
import type { Verdict } from '../../bench/goals.ts'
import type { Goal, Question } from '../../bench/question.ts'
import { documentOf, textOf } from '../../bench/report.ts'
import { summarise } from '../../bench/statistics.ts'
import type { Result } from '../../bench/statistics.ts'

describe('a goal', () => {
  test.each<[Goal, Verdict]>([
    [{ kind: 'atLeast', result: 'a', value: 100 }, 'met'],
    [{ kind: 'atLeast', result: 'a', value: 101 }, 'missed'],
    [{ kind: 'atLeast', result: 'none', value: 1 }, 'unknown'],
    [{ kind: 'atMost', result: 'a', value: 100 }, 'met'],
    [{ kind: 'atMost', result: 'a', value: 99 }, 'missed'],
    [{ kind: 'ratio', result: 'a', over: 'b', value: 1.25 }, 'met'],
    [{ kind: 'ratio', result: 'a', over: 'b', value: 1.26 }, 'missed'],
    [{ kind: 'ratio', result: 'a', over: 'none', value: 1 }, 'unknown'],
    [{ kind: 'ratioAtMost', result: 'a', over: 'b', value: 1.25 }, 'met'],
    [{ kind: 'ratioAtMost', result: 'a', over: 'b', value: 1.24 }, 'missed'],
    [{ kind: 'flat', percent: 20 }, 'met'],
    [{ kind: 'flat', percent: 19 }, 'missed'],
  ])('%j is %s for a = 100 and b = 80', (goal, verdict) => {
    expect(judge(goal, [resultOf('a', 100), resultOf('b', 80)]).verdict).toBe(verdict)
  })

  test('about a curve is not judged by one point', () => {
    expect(judge({ kind: 'flat', percent: 20 }, [resultOf('a', 100)]).verdict).toBe('unknown')
  })
})

describe('a report', () => {
  const answers: JudgedAnswer[] = [judgedAnswer(100)]

  test('prints a missed goal as missed', () => {
    expect(textOf(judgedAnswer(100))).toContain('goal speed ≥ 1,000 records/s: missed (100)')
    expect(textOf(judgedAnswer(1000))).toContain('goal speed ≥ 1,000 records/s: met (1,000)')
    expect(documentOf(answers, [])).toContain('| sample | speed ≥ 1,000 records/s | 100 | **missed** |')
  })

  test('prints its conditions, and what was not answered', () => {
    const document = documentOf(answers, ['other: it broke'])
    expect(document).toContain('cpu a good one')
    expect(document).toContain('acks leader')
    expect(document).toContain('**Not answered:** other: it broke')
  })

  test.each([
    [0.1234, '0.123'],
    [12.345, '12.3'],
    [999.9, '1,000'],
    [4_321_987.6, '4,321,988'],
  ])('prints %f for people', (value, text) => expect(formatNumber(value)).toBe(text))
})

function resultOf(name: string, value: number): Result {
  return summarise({ name, unit: 'records/s', samples: [value] })
}

function judgedAnswer(found: number): JudgedAnswer {
  const goal: Goal = { kind: 'atLeast', result: 'speed', value: 1000 }
  const asked: Question = {
    name: 'sample',
    question: 'How fast?',
    results: ['speed'],
    goals: [goal],
    conditions: () => ({ acks: 'leader' }),
    run: () => Promise.resolve([]),
  }
  const results = [resultOf('speed', found)]
  return {
    asked,
    answer: { question: 'sample', conditions: { cpu: 'a good one', acks: 'leader' }, results },
    judgements: [judge(goal, results)],
  }
}
