// What can be met is what the behaviours have a case for; what cannot be met has a reason, and is not met.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { coverageOf } from '../../simulation/coverage/coverage.ts'
import { IMPOSSIBLE, pairsOf } from '../../simulation/coverage/exceptions.ts'
import { noPairs, PAIRS } from '../../simulation/coverage/pairs.ts'
import { CHART } from '../../simulation/coverage/states.ts'
import { behaviourOf } from '../../simulation/behaviours.ts'
import { describeUncovered } from '../../simulation/report.ts'
import { runSeed } from '../../simulation/run.ts'
import { newReplicaState } from '../../partitions/replica-state.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { parseSource, walk } from '../tidy/source.ts'
import type { SyntaxNode } from '../tidy/source.ts'

const names = PAIRS.map(({ actor, state, kind }) => `${actor} ${state} ${kind}`)

/** The messages that a file has a case for: of every switch over the kind of a message, the cases. */
function casesOf(url: string): string[] {
  const found = new Set<string>()
  const path = new URL(url).pathname
  walk(parseSource(path, readFileSync(path, 'utf8')).program, (node) => {
    if (node.type !== 'SwitchStatement' || !isKindOfMessage(node['discriminant'] as SyntaxNode)) return
    for (const { test: label } of node['cases'] as { readonly test: SyntaxNode | null }[])
      if (label !== null) found.add(String(label['value']))
  })
  return [...found].toSorted()
}

function isKindOfMessage({ type, object, property }: SyntaxNode): boolean {
  return type === 'MemberExpression' && (object as SyntaxNode)['name'] === 'message' && (property as SyntaxNode)['name'] === 'kind'
}

describe('what can be met', () => {
  test.each(CHART)('of a $name is what its behaviour has a case for', ({ url, kinds }) => {
    expect(behaviourOf(url)).toBeDefined()
    expect([...kinds].toSorted()).toEqual(casesOf(url))
  })

  test('has names of its own', () => expect(new Set(names).size).toBe(names.length))

  test('is told by looks at the state', () => {
    const state = newReplicaState(
      { node: 0, actor: 'replica' },
      { topic: 't', topicId: 1, partition: 0, topicConfig: defaultTopicConfig, replicaLagMillis: 1 },
    )
    const replica = CHART.find(({ name }) => name === 'replica')
    expect(replica?.stateOf(state)).toBe('recovering')
    expect(replica?.stateOf({ ...state, isDraining: true })).toBe('draining')
  })
})

describe('an exception', () => {
  const excepted = IMPOSSIBLE.flatMap(pairsOf)

  test('is of pairs that there are, and has a reason', () => {
    expect(excepted.filter((name) => !names.includes(name))).toEqual([])
    expect(IMPOSSIBLE.filter(({ why }) => why.length < 20)).toEqual([])
  })

  test('is made once', () => expect(excepted.filter((name, i) => excepted.indexOf(name) !== i)).toEqual([]))

  test('is not met by the first seeds, which meet much', () => {
    const counts = noPairs()
    for (const seed of [3, 5, 6, 7, 15]) runSeed(seed, { seconds: 20 }).pairs.forEach((count, pair) => (counts[pair]! += count))
    const { covered, possible, unexpected } = coverageOf([...counts])
    expect(unexpected).toEqual([])
    expect(covered / possible).toBeGreaterThan(0.4)
  })

  test('that is met is told', () => {
    const counts = names.map((name) => (name === 'replica leading started' ? 1 : 0))
    const coverage = coverageOf(counts)
    expect(coverage).toMatchObject({ covered: 0, unexpected: ['replica leading started'] })
    expect(describeUncovered(coverage)).toContain('replica leading started, which is said not to happen')
    expect(describeUncovered(coverage)).toMatch(/replica +produce: recovering, settling, idle, leading/)
  })
})
