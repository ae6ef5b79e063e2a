// A broken run made smaller: what is repeated is the run itself, the least of it is found, its line can be read again, and its story can be understood.

import fc from 'fast-check'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { FAULT_KINDS, mapKinds } from '../../simulation/faults.ts'
import { drawPlan } from '../../simulation/plan.ts'
import { describeReduction, parseReduction, PARTS, reducePlan, wholeOf } from '../../simulation/reduction.ts'
import type { Reduction } from '../../simulation/reduction.ts'
import { repeatSeed, runSeed } from '../../simulation/run.ts'
import type { RunResult } from '../../simulation/run.ts'
import { shrink } from '../../simulation/shrink.ts'
import type { Shrunk } from '../../simulation/shrink.ts'
import { Story } from '../../simulation/story.ts'
import '../partitions/seeded.ts'

const SEED = 17
const plan = drawPlan(SEED)
const whole = wholeOf(plan)
const quiet = runSeed(SEED, { seconds: 1, quiet: true })

describe('a repetition', () => {
  test.each([3, 17, 29, 42])('of everything that seed %i has is that run, to the bit', (seed) => {
    const original = runSeed(seed)
    const planned = drawPlan(seed)
    const again = repeatSeed(planned, { reduction: wholeOf(planned), timed: original.timed })
    expect(again.hash).toBe(original.hash)
    expect(again.faults).toEqual(original.faults)
  })

  test.each([{}, { small: true }, { beyond: true }, { quiet: true }])('of everything that a plan has is that plan: %o', (options) => {
    for (let seed = 1; seed <= 300; seed++) {
      const planned = drawPlan(seed, options)
      expect(reducePlan(planned, wholeOf(planned))).toEqual(planned)
    }
  })

  test.each([15, 77, 613])('of everything that seed %i has in small is that run, to the bit', (seed) => {
    const original = runSeed(seed, { small: true })
    const planned = drawPlan(seed, { small: true })
    const again = repeatSeed(planned, { reduction: wholeOf(planned), timed: original.timed })
    expect(again.hash).toBe(original.hash)
    expect(again.faults).toEqual(original.faults)
  })

  test('has the strikes that are kept, and no others', () => {
    const { timed } = runSeed(SEED)
    const reduction: Reduction = { ...whole, strikes: { rebalance: [1], reorder: [0, 2] } }
    const { faults, violation } = repeatSeed(plan, { reduction, timed })
    expect(violation).toBeNull()
    expect(faults).toEqual({ ...mapKinds(() => 0), rebalance: 1, reorder: 2 })
  })

  test('has the nodes, clients and parts that are kept, and no others', () => {
    const reduced = reducePlan(drawPlan(29), { ...wholeOf(drawPlan(29)), nodes: 2, producers: 1, members: 1, without: [...PARTS] })
    expect(reduced).toMatchObject({
      nodeCount: 2,
      producerCount: 1,
      groupSize: 1,
      quota: null,
      transactions: null,
      readers: null,
      sharerCount: 0,
    })
    expect(reduced.topics.map(({ name }) => name)).toEqual(['orders', 'clicks'])
    expect(Math.max(...reduced.topics.map(({ replicationFactor }) => replicationFactor))).toBeLessThanOrEqual(2)
  })

  test('has no more submissions than are kept', () => {
    const { timed } = runSeed(SEED)
    const few = repeatSeed(plan, { reduction: { ...whole, submissions: 2, strikes: {} }, timed })
    const more = repeatSeed(plan, { reduction: { ...whole, submissions: 40, strikes: {} }, timed })
    expect(few.violation).toBeNull()
    expect(few.acknowledged).toBeLessThan(more.acknowledged)
  })
})

/** A run that is broken as long as `needs` is there. */
function broken(needs: (reduction: Reduction) => boolean, code = 'LOST', atMicros = 20_500_000): (reduction: Reduction) => RunResult {
  return (reduction) => ({
    ...quiet,
    faults: mapKinds((kind) => (reduction.strikes[kind] === undefined ? 0 : 12)),
    violation: needs(reduction) ? { code, message: 'x', atMicros } : null,
  })
}

function shrunk(run: (reduction: Reduction) => RunResult, triesMax = 10_000): Promise<Shrunk | null> {
  let tries = 0
  return shrink(
    { ...whole, nodes: 5, strikes: Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 'all'])) },
    {
      run: (reduction) => {
        tries++
        return run(reduction)
      },
      isOver: () => tries >= triesMax,
      onProgress: () => undefined,
    },
  )
}

const happens = ({ strikes }: Reduction, kind: 'kill' | 'loss', ordinal: number): boolean =>
  strikes[kind] === 'all' || strikes[kind]?.includes(ordinal) === true

describe('shrinking', () => {
  test('leaves out everything but what breaks the promise', async () => {
    const found = await shrunk(
      broken(
        (left) =>
          happens(left, 'kill', 3) && happens(left, 'loss', 0) && happens(left, 'loss', 7) && left.nodes >= 2 && left.producers >= 2,
      ),
    )
    expect(found).toMatchObject({
      isMinimal: true,
      reduction: { nodes: 2, producers: 2, members: 1, submissions: 1, seconds: 1, strikes: { kill: [3], loss: [0, 7] } },
    })
    expect(found?.reduction.without).toEqual([...PARTS])
  })

  test('finds any pair of strikes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(11), fc.nat(11), async (kill, loss) => {
        const found = await shrunk(broken((left) => happens(left, 'kill', kill) && happens(left, 'loss', loss)))
        expect(found?.reduction.strikes).toEqual({ kill: [kill], loss: [loss] })
      }),
      { numRuns: 30 },
    )
  })

  test('does not take another broken promise for the same', async () => {
    const isWhole = (left: Reduction): boolean => left.strikes['kill'] !== undefined
    const found = await shrunk((left) => (isWhole(left) ? broken(() => true)(left) : broken(() => true, 'ORD')(left)))
    expect(Object.keys(found?.reduction.strikes ?? {})).toEqual(['kill'])
  })

  test('ends when its time is over, with the least so far', async () => {
    const found = await shrunk(
      broken((left) => happens(left, 'kill', 3)),
      5,
    )
    expect(found).toMatchObject({ isMinimal: false, tries: 5 })
    expect(happens(found!.reduction, 'kill', 3)).toBe(true)
  })

  test('finds nothing in a run that is whole', async () => {
    expect(await shrunk(broken(() => false))).toBeNull()
  })
})

describe('the line that says what is kept', () => {
  const strikes = fc.oneof(fc.constant('all' as const), fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 5 }))
  const reductions = fc.record({
    seconds: fc.integer({ min: 1, max: 59 }),
    nodes: fc.integer({ min: 1, max: 5 }),
    producers: fc.integer({ min: 1, max: 3 }),
    members: fc.integer({ min: 1, max: 3 }),
    submissions: fc.integer({ min: 1, max: 100 }),
    without: fc.subarray([...PARTS]),
    strikes: fc.dictionary(fc.constantFrom(...FAULT_KINDS), strikes),
  })

  test('can be read again', () => {
    fc.assert(
      fc.property(reductions, (reduction) => {
        const read = parseReduction(plan, describeReduction(plan, reduction))
        expect(reducePlan(plan, read)).toEqual(reducePlan(plan, reduction))
        expect(read.strikes).toEqual({ ...reduction.strikes })
      }),
    )
  })

  test.each([
    ['kil=1', 'knows no kil'],
    ['kill=x', 'x is no whole number'],
    ['kill=', 'is no whole number'],
    ['nodes=0', '0 is no whole number from 1 on'],
    ['without=orders', 'there is no part orders'],
  ])('%s is refused', (text, message) => {
    expect(() => parseReduction(plan, text)).toThrow(message)
  })
})

describe('a story', () => {
  test('tells what struck, who led the broken partition, and who was told what', () => {
    const story = new Story()
    const lines = [
      '     0.005 broker@1 -> broker@1 {"kind":"started"}',
      '   300.001 broker@1 -> replica/orders-0@1 {"kind":"leaderAndIsr","leader":1,"leaderEpoch":0,"isr":[1,2]}',
      '   300.002 broker@2 -> replica/orders-0@2 {"kind":"leaderAndIsr","leader":1,"leaderEpoch":0,"isr":[1,2]}',
      '   300.003 broker@2 -> replica/other-0@2 {"kind":"leaderAndIsr","leader":2,"leaderEpoch":0,"isr":[2]}',
      ...[0, 1, 2].map((n) => `  400.00${n} replica/orders-0@1 -> producer@-3 {"kind":"produceResponse","errorCode":0,"baseOffset":${n}}`),
      '  500.000 lost fetch replica/orders-0@2 -> replica/orders-0@1',
      ' 1000.000 fault powerLoss',
      ' 1000.000 power loss of node 1',
      ' 1100.000 broker@2 -> replica/orders-0@2 {"kind":"leaderAndIsr","leader":2,"leaderEpoch":1,"isr":[2]}',
      ' 1100.000 VIOLATION LOST orders-0: gone',
    ]
    for (const line of lines) story.hear(line)
    expect(story.tell({ code: 'LOST', message: 'orders-0: gone', atMicros: 1_100_000 })).toEqual([
      '             (1 messages are lost on the way)',
      '    0.000 s  node 1 starts',
      '    0.300 s  orders-0: node 1 leads in epoch 0, in sync: 1,2',
      '    0.400 s  orders-0: node 1 acknowledges to producer -3 3 batches, up to offset 2 at 0.400 s',
      '    1.000 s  node 1 loses power, and what it had not synced',
      '    1.100 s  orders-0: node 2 leads in epoch 1, in sync: 2',
      '    1.100 s  broken: LOST orders-0: gone',
    ])
  })
})

test('the command line makes a known bug small, and what it prints runs again', { timeout: 120_000 }, async () => {
  const run = async (...parameters: string[]): Promise<string> =>
    promisify(execFile)(process.execPath, ['simulation/main.ts', '--mutant', 'E4', '--seed', '5', ...parameters]).then(
      ({ stdout }) => stdout,
      (error: { readonly stdout: string }) => error.stdout,
    )
  const keep = /--keep (\S+)/.exec(await run())?.[1]
  expect(keep).toBeDefined()
  const again = await run('--keep', keep!, '--json')
  expect(JSON.parse(again.slice(again.indexOf('{')))).toMatchObject({ violations: [{ code: 'CMP' }] })
})
