// Clusters in small: what they have, and what they are spared; what comes of a former life, and of disks that are not well.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawPlan } from '../../simulation/plan.ts'
import type { Plan } from '../../simulation/plan.ts'
import { Faults, noFaults } from '../../simulation/faults.ts'
import { Disk } from '../../simulation/disk.ts'
import { Ghosts } from '../../simulation/ghosts.ts'
import { parseReduction, reducePlan, wholeOf } from '../../simulation/reduction.ts'
import { repeatSeed, runSeed } from '../../simulation/run.ts'
import { SMALL_SECONDS } from '../../simulation/small-plan.ts'
import { World } from '../../simulation/world.ts'
import type { StorageAnswer } from '../../protocol/messages/storage.ts'

const small = (seed: number): Plan => drawPlan(seed, { small: true })

/** Who is there beside a producer and the reader. */
function castOf({ transactions, readers, classic, sharerCount, groupSize, turnover }: Plan): string[] {
  return [
    ...(transactions !== null && turnover === null ? ['transactions'] : []),
    ...(readers === null ? [] : ['readers']),
    ...(classic === null ? [] : ['classic']),
    ...(sharerCount > 0 && groupSize === 0 ? ['sharers'] : []),
    ...(groupSize > 0 ? ['group'] : []),
  ]
}

describe('a cluster in small', () => {
  test('has one cast, few nodes, and a topic to write to', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const plan = small(seed)
        expect(castOf(plan).length).toBeLessThanOrEqual(1)
        expect(plan).toMatchObject({ seconds: SMALL_SECONDS, quota: null, guests: null })
        expect(plan.nodeCount).toBeLessThanOrEqual(3)
        expect(plan.topics.length).toBeGreaterThan(0)
        expect(plan.topics.length).toBeLessThanOrEqual(2)
        for (const { replicationFactor } of plan.topics) expect(replicationFactor).toBeLessThanOrEqual(plan.nodeCount)
      }),
    )
  })

  test('has each cast in some seeds, alone in others, and each kind of fault', () => {
    const plans = Array.from({ length: 400 }, (_, i) => small(i + 1))
    expect(new Set(plans.flatMap((plan) => castOf(plan)))).toEqual(new Set(['transactions', 'readers', 'classic', 'sharers', 'group']))
    expect(plans.filter((plan) => castOf(plan).length === 0).length).toBeGreaterThan(100)
    for (const [kind, never] of Object.entries(noFaults()))
      expect([kind, plans.some(({ faults }) => Object.entries(faults).some(([one, value]) => one === kind && value !== never))]).toEqual([
        kind,
        true,
      ])
    expect(new Set(plans.flatMap(({ ordeals }) => ordeals?.kinds ?? []))).toContain('ghosts')
    expect(new Set(plans.flatMap(({ ordeals }) => ordeals?.kinds ?? []))).toContain('ailing')
  })

  test('keeps a topic whatever is left out of it', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const plan = small(seed)
      const without = parseReduction(plan, 'without=recent+risky+queue+table+transactions')
      expect(reducePlan(plan, without).topics.length).toBeGreaterThan(0)
    }
  })

  test('is the same run each time', () => {
    for (const seed of [3, 18, 33]) expect(runSeed(seed, { small: true }).hash).toBe(runSeed(seed, { small: true }).hash)
  })

  test('is the run itself when everything of it is kept', () => {
    for (const seed of [4, 19, 34]) {
      const { hash, timed } = runSeed(seed, { small: true })
      expect(repeatSeed(small(seed), { reduction: wholeOf(small(seed)), timed }).hash).toBe(hash)
    }
  })

  test('does not touch what whole clusters draw', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const kinds = drawPlan(seed).ordeals?.kinds ?? []
      expect(kinds.filter((kind) => kind === 'ghosts' || kind === 'ailing')).toEqual([])
    }
  })
})

describe('a ghost', () => {
  const word = (to: number, sentAt: number): Parameters<Ghosts['said']>[1] => ({
    to,
    sentAt,
    frame: { bytes: new Uint8Array(1), view: new DataView(new ArrayBuffer(1)), start: 0, end: 1 },
  })

  test('speaks of a former life only, among the first words of the next', () => {
    const ghosts = new Ghosts(1)
    ghosts.haunt(2)
    const first = Array.from({ length: 30 }, (_, i) => ghosts.said(2, word(0, i)))
    expect(first).toEqual(first.map(() => null))
    ghosts.born(2)
    const heard = Array.from({ length: 500 }, (_, i) => ghosts.said(2, word(1, 1000 + i)))
    const spoken = heard.filter((ghost) => ghost !== null)
    expect(spoken.length).toBeGreaterThan(10)
    expect(spoken.every(({ sentAt, to, afterMicros }) => sentAt < 30 && to === 0 && afterMicros > 0)).toBe(true)
    expect(heard.findLastIndex((ghost) => ghost !== null)).toBeLessThan(100)
  })

  test('of a node that nobody haunts is not heard', () => {
    const ghosts = new Ghosts(1)
    ghosts.haunt(2)
    ghosts.said(1, word(0, 1))
    ghosts.born(1)
    expect(ghosts.isHaunted(1)).toBe(false)
    expect(Array.from({ length: 50 }, () => ghosts.said(1, word(0, 2))).every((ghost) => ghost === null)).toBe(true)
  })
})

describe('a disk that is not well', () => {
  /** How many of so many syncs of a file fail. */
  function failuresOf(file: string, ailingUntil: number): number {
    const world = new World(5)
    const disk = new Disk(world, { node: 0, crashesAt: () => false }, new Faults(5, noFaults()))
    disk.ailingUntil = ailingUntil
    const answers: StorageAnswer[] = []
    disk.submit({ kind: 'append', log: 'a-0.1', file, position: 0, bytes: new Uint8Array(8), token: 1 }, () => undefined)
    for (let i = 0; i < 200; i++) disk.submit({ kind: 'sync', log: 'a-0.1', file, token: 2 + i }, (answer) => answers.push(answer))
    world.runUntil(10_000_000)
    expect(answers.length).toBe(200)
    return answers.filter((answer) => answer.kind === 'synced' && answer.error === 'io').length
  }

  test('fails where checkpoints are, and seldom elsewhere', () => {
    expect(failuresOf('checkpoint-0', Infinity)).toBeGreaterThan(60)
    expect(failuresOf('00000000000000000000.log', Infinity)).toBeLessThan(40)
  })

  test('is well again when its time is over', () => {
    expect(failuresOf('checkpoint-0', 0)).toBe(0)
  })
})
