/**
 * Whether a goal is met by some results, and how both are said in a line.
 */
import type { Goal } from './question.ts'
import type { Result } from './statistics.ts'

/** What became of a goal: `unknown` if its result was not measured (for example under `--quick`). */
export type Verdict = 'met' | 'missed' | 'unknown'

/** A goal, the figure that decides, and the verdict. */
export interface Judgement {
  readonly goal: string
  readonly found: string
  readonly verdict: Verdict
}

/** Judges a goal by the medians. */
export function judge(goal: Goal, results: readonly Result[]): Judgement {
  switch (goal.kind) {
    case 'atLeast':
      return judgeValue(goal, results, '≥', (found) => found >= goal.value)
    case 'atMost':
      return judgeValue(goal, results, '≤', (found) => found <= goal.value)
    case 'ratio':
      return judgeRatio(goal, results, '≥', (found) => found >= goal.value)
    case 'ratioAtMost':
      return judgeRatio(goal, results, '≤', (found) => found <= goal.value)
    case 'flat':
      return judgeFlat(goal.percent, results)
  }
}

/** A number for people: whole and grouped from 1,000 on, three digits below. */
export function formatNumber(value: number): string {
  const options = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 }
  return new Intl.NumberFormat('en-US', options).format(value)
}

function judgeValue(
  goal: { readonly result: string; readonly value: number },
  results: readonly Result[],
  sign: string,
  isMet: (found: number) => boolean,
): Judgement {
  const result = results.find(({ name }) => name === goal.result)
  const text = `${goal.result} ${sign} ${formatNumber(goal.value)} ${result?.unit ?? ''}`.trimEnd()
  if (result === undefined) return { goal: text, found: 'not measured', verdict: 'unknown' }
  return { goal: text, found: formatNumber(result.median), verdict: isMet(result.median) ? 'met' : 'missed' }
}

function judgeRatio(
  goal: Extract<Goal, { over: string }>,
  results: readonly Result[],
  sign: string,
  isMet: (found: number) => boolean,
): Judgement {
  const text = `${goal.result} ${sign} ${goal.value} x ${goal.over}`
  const [above, below] = [goal.result, goal.over].map((wanted) => results.find(({ name }) => name === wanted)?.median)
  if (above === undefined || below === undefined) return { goal: text, found: 'not measured', verdict: 'unknown' }
  const ratio = above / below
  return { goal: text, found: `${formatNumber(ratio)} x`, verdict: isMet(ratio) ? 'met' : 'missed' }
}

function judgeFlat(percent: number, results: readonly Result[]): Judgement {
  const text = `flat within ${percent} %`
  if (results.length < 2) return { goal: text, found: 'not measured', verdict: 'unknown' }
  const medians = results.map(({ median }) => median)
  const slowestPercent = (Math.min(...medians) / Math.max(...medians)) * 100
  return {
    goal: text,
    found: `slowest is ${formatNumber(slowestPercent)} % of the fastest`,
    verdict: slowestPercent >= 100 - percent ? 'met' : 'missed',
  }
}
