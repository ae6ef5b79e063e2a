// What a timeline has of a run: lives, messages, faults, leaders, high watermarks, transactions, what is broken; and that recording changes nothing.

import { describe, expect, test } from 'vitest'
import { drawPlan } from '../../../simulation/plan.ts'
import { runSeed } from '../../../simulation/run.ts'
import { familyOf } from '../../../simulation/timeline/families.ts'
import { FATES } from '../../../simulation/timeline/model.ts'
import type { Reign } from '../../../simulation/timeline/model.ts'
import { Recorder } from '../../../simulation/timeline/recorder.ts'
import { recordRun } from '../../../simulation/timeline/record.ts'

/** A seed with kills, elections and transactions. */
const SEED = 10

const lines: string[] = []
const plain = runSeed(SEED, {}, (line) => lines.push(line))
const subject = { seed: SEED, options: {}, mutant: null }
const { timeline, result } = await recordRun({ subject, keep: null, what: 'the whole run', commit: 'test' })

const said = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length

describe('a recorded run', () => {
  test('is the run that nobody looks at, to the bit', () => {
    expect(result).toEqual(plain)
    expect(timeline.head).toMatchObject({
      seed: SEED,
      keep: null,
      mutant: null,
      command: 'npm run simulate -- --seed 10 --timeline timeline.html',
    })
  })

  test('is what is left of a run, if only that is run', async () => {
    const keep = 'seconds=2,nodes=1,kill=all'
    const kept = await recordRun({ subject, keep, what: 'what is left', commit: 'test' })
    expect(kept.timeline.lanes.filter(({ isNode }) => isNode)).toHaveLength(1)
    expect(kept.timeline.healedAt).toBe(2_000_000)
    expect(kept.timeline.head.command).toContain(`--keep ${keep}`)
  })

  test('has every node with all its lives, and how they ended', () => {
    const nodes = timeline.lanes.filter(({ isNode }) => isNode)
    expect(nodes.map(({ name }) => name)).toEqual(Array.from({ length: drawPlan(SEED).nodeCount }, (_, node) => `node ${node}`))
    const ends = nodes.flatMap(({ lives }) => lives.flatMap(({ how }) => (how === null ? [] : [how])))
    expect(ends.filter((how) => how === 'kill')).toHaveLength(said(/ kill of node /))
    expect(ends.length).toBeGreaterThan(5)
    for (const { lives } of nodes) {
      lives.slice(1).forEach(({ begin }, i) => expect(begin).toBeGreaterThan(lives[i]!.end))
      expect(lives.at(-1)).toMatchObject({ end: -1, how: null })
    }
  })

  test('has clients by what they play', () => {
    const clients = timeline.lanes.filter(({ isNode }) => !isNode)
    expect(clients.map(({ name }) => name)).toEqual(expect.arrayContaining(['admin', 'producer 0', 'reader', 'member 1', 'transfers-0']))
    expect(clients.find(({ name }) => name === 'transfers-0')!.lives.length).toBeGreaterThan(1)
  })

  test('has every message that left a host, and what became of it', () => {
    const { flights } = timeline
    const count = flights.sentAt.length
    expect(Object.values(flights).map(({ length }) => length)).toEqual(Object.values(flights).map(() => count))
    const fates = FATES.map((_, fate) => flights.fate.filter((one) => one === fate).length)
    expect(fates[FATES.indexOf('lost')]).toBe(said(/ lost /))
    expect(fates[FATES.indexOf('arrived')]).toBeGreaterThan(count / 2)
    expect(flights.sentAt).toEqual(flights.sentAt.toSorted((a, b) => a - b))
    expect(flights.took.every((took, i) => took < 0 === (flights.fate[i] === FATES.indexOf('under way')))).toBe(true)
  })

  test('has what actors are told on their own host', () => {
    const { steps, kinds, bodies } = timeline
    const synced = kinds.findIndex(({ name }) => name === 'synced')
    expect(kinds[synced]?.family).toBe('disk')
    expect(steps.kind.filter((kind) => kind === synced)).toHaveLength(said(/"kind":"synced"/))
    expect(bodies[steps.body[steps.kind.indexOf(synced)]!]).toContain('"kind":"synced"')
  })

  test('has the faults that struck, with their end where they have one', () => {
    const { faults } = timeline
    for (const kind of ['kill', 'symmetricCut', 'bridge', 'syncError'] as const) {
      expect(faults.filter((one) => one.kind === kind)).toHaveLength(plain.faults[kind])
    }
    const cuts = faults.filter(({ kind }) => kind === 'symmetricCut')
    expect(cuts.every(({ begin, end, hosts }) => end > begin && hosts.length > 1)).toBe(true)
  })

  test('has who led which partition in which epoch: one at a time, in epochs that grow', () => {
    const partitions = timeline.partitions.filter(({ name }) => name === '__cluster_metadata-0' || name === '__transaction_state-0')
    expect(partitions).toHaveLength(2)
    for (const { reigns } of partitions) {
      expect(new Set(reigns.map(({ node }) => node)).size).toBeGreaterThan(1)
      const leaders = Map.groupBy(reigns, ({ epoch }: Reign) => epoch)
      for (const [, reign] of leaders) expect(new Set(reign.map(({ node }) => node)).size).toBe(1)
    }
    const orders = timeline.partitions.find(({ name }) => name === 'clicks-0')!
    expect(orders.reigns.length).toBeGreaterThan(1)
  })

  test('has how far replicas are: the high watermark is not above the end of the log', () => {
    const { replicas } = timeline.partitions.find(({ name }) => name === 'clicks-0')!
    // It is moved about, and comes to every node.
    expect(replicas.map(({ node }) => node)).toEqual(Array.from({ length: drawPlan(SEED).nodeCount }, (_, node) => node))
    for (const { at, highWatermark, logEnd } of replicas) {
      expect(highWatermark.every((offset, i) => offset <= logEnd[i]!)).toBe(true)
      expect(at).toEqual(at.toSorted((a, b) => a - b))
      expect(Math.max(...highWatermark)).toBeGreaterThan(0)
    }
    expect(Math.max(...replicas.flatMap(({ highWatermark }) => highWatermark))).toBeGreaterThan(50)
  })

  test('has every transaction, what its client heard, and what transactors decided', () => {
    const { transactions, decisions } = timeline
    const last = transactions.map(({ stages }) => stages.at(-1)!.stage)
    expect(transactions).toHaveLength(said(/ transaction \d+ of \S+ .* begins$/))
    expect(last.filter((stage) => stage === 'committed')).toHaveLength(plain.transactions.committed)
    expect(last.filter((stage) => stage === 'aborted')).toHaveLength(plain.transactions.aborted)
    expect(plain.transactions.aborted).toBeGreaterThan(0)
    expect(transactions.every(({ stages }) => stages[0]?.stage === 'open')).toBe(true)
    expect(new Set(decisions.map(({ state }) => state))).toEqual(
      new Set(['empty', 'ongoing', 'prepareCommit', 'completeCommit', 'prepareAbort', 'completeAbort']),
    )
  })

  test('is not broken', () => {
    expect(timeline.violation).toBeNull()
  })
})

test('a broken promise is marked with when and where', () => {
  const world = { nowMicros: 0 }
  const recorder = new Recorder(world)
  recorder.booted(1, null)
  world.nowMicros = 5
  recorder.told({ node: 1, actor: 'replica/orders-0' }, { node: 1, actor: 'broker' }, { kind: 'started' })
  const head = { seed: 1, commit: '', mutant: null, keep: null, what: '', command: '', hash: '' }
  const violation = { code: 'LOST', message: 'orders-0: gone', atMicros: 5 }
  expect(recorder.timeline({ head, healedAt: 9, violation }).violation).toEqual({ code: 'LOST', message: 'orders-0: gone', at: 5, host: 1 })
  const late = recorder.timeline({ head, healedAt: 9, violation: { ...violation, atMicros: 7 } })
  expect(late.violation?.host).toBeNull()
})

test('a pause ends when it is over, or with a wake, or with a death', () => {
  const world = { nowMicros: 0 }
  const recorder = new Recorder(world)
  recorder.booted(0, null)
  const at = (time: number, what: () => void): void => {
    world.nowMicros = time
    what()
  }
  at(10, () => recorder.paused(0, 20))
  at(30, () => recorder.paused(0, 90))
  at(40, () => recorder.paused(0, 40))
  at(50, () => recorder.paused(0, 99))
  at(60, () => recorder.died(0, 'power loss'))
  const head = { seed: 1, commit: '', mutant: null, keep: null, what: '', command: '', hash: '' }
  const { lanes } = recorder.timeline({ head, healedAt: 100, violation: null })
  expect(lanes[0]?.pauses).toEqual([
    { begin: 10, end: 20 },
    { begin: 30, end: 40 },
    { begin: 50, end: 60 },
  ])
  expect(lanes[0]?.lives).toEqual([{ host: 0, begin: 0, end: 60, how: 'power loss' }])
})

test.each([
  ['fetch', 'consumer', 'replica/a-0', 'consume'],
  ['fetch', 'replica/a-0', 'replica/a-0', 'replicate'],
  ['produceResponse', 'replica/a-0', 'producer', 'produce'],
  ['brokerHeartbeat', 'broker', 'coordinator', 'metadata'],
  ['consumerGroupHeartbeat', 'consumer', 'groups/0', 'groups'],
  ['quorumVote', 'coordinator', 'coordinator', 'quorum'],
  ['writeTransactionMarker', 'transactor/0', 'replica/a-0', 'transactions'],
  ['shareFetch', 'client', 'shares/0', 'share'],
  ['leaderAndIsr', 'broker', 'replica/a-0', 'metadata'],
  ['timerFired', 'broker', 'broker', 'timers'],
  ['rebalance', 'admin', 'coordinator', 'metadata'],
  ['alterClientQuotas', 'admin', 'coordinator', 'quotas'],
])('%s from %s to %s is of the family %s', (kind, from, to, family) => {
  expect(familyOf(kind, `${from}`, to)).toBe(family)
})
