// Hardships of clusters in small: who has them, disks that hang, applications that are behind, and several who lie in wait.
import { describe, expect, test } from 'vitest'
import { Backlog } from '../../simulation/backlog.ts'
import { Disk } from '../../simulation/disk.ts'
import { Faults, noFaults } from '../../simulation/faults.ts'
import { addLookout } from '../../simulation/lookouts.ts'
import { METADATA_LOG } from '../../simulation/metadata-log.ts'
import { drawPlan } from '../../simulation/plan.ts'
import { parseReduction, reducePlan } from '../../simulation/reduction.ts'
import { World } from '../../simulation/world.ts'
import type { Lookout } from '../../simulation/world.ts'

const SEEDS = Array.from({ length: 400 }, (_, i) => i + 1)

describe('hardships', () => {
  test('are in some clusters in small, each kind in some of them, and can be left out', () => {
    const plans = SEEDS.map((seed) => drawPlan(seed, { small: true }))
    const kinds = ['hang', 'tide', 'nap', 'revenant', 'lateness', 'backlog', 'visit', 'inquiry', 'relic']
    expect(new Set(plans.flatMap(({ hardships }) => hardships))).toEqual(new Set(kinds))
    expect(plans.filter(({ hardships }) => hardships.length === 0).length).toBeGreaterThan(SEEDS.length / 2)
    for (const plan of plans) expect(reducePlan(plan, parseReduction(plan, 'without=hardships')).hardships).toEqual([])
  })

  test('are in no whole cluster, and in no quiet one', () => {
    for (const seed of SEEDS) {
      expect(drawPlan(seed).hardships).toEqual([])
      expect(drawPlan(seed, { small: true, quiet: true }).hardships).toEqual([])
    }
  })
})

describe('a disk that hangs', () => {
  test('does in the end what it was asked, in order; the metadata log does not wait', () => {
    const world = new World(5)
    const disk = new Disk(world, { node: 0, crashesAt: () => false }, new Faults(5, noFaults()))
    disk.hangsUntil = 2_000_000
    const done: [string, number][] = []
    const append = (log: string, token: number): void =>
      disk.submit({ kind: 'append', log, file: 'f', position: 8 * token, bytes: new Uint8Array(8), token }, ({ token: one }) =>
        done.push([`${log} ${one}`, world.nowMicros]),
      )
    for (let token = 0; token < 20; token++) append('a-0.1', token)
    append(METADATA_LOG, 0)
    world.runUntil(3_000_000)
    expect(done.map(([what]) => what)).toEqual([`${METADATA_LOG} 0`, ...Array.from({ length: 20 }, (_, i) => `a-0.1 ${i}`)])
    expect(done.filter(([, at]) => at >= 2_000_000).length).toBe(20)
    expect(done.at(-1)?.[1]).toBeLessThan(2_100_000)
  })
})

describe('an application that is behind', () => {
  test('says everything in order, and is not behind when the run heals', () => {
    const backlog = new Backlog('producer/0', { seed: 3, seconds: 2, deliveryTimeoutMillis: 1000 })
    let last = 0
    let waits = 0
    for (let now = 0; now < 3_000_000; now += 50_000) {
      const isLast = now >= 2_100_000
      const kind = now % 200_000 === 0 ? 'splitBatch' : 'submit'
      const wait = backlog.wait({ kind } as Parameters<Backlog['wait']>[0], now)
      expect(now + wait).toBeGreaterThan(last)
      if (isLast) expect(wait).toBe(0)
      last = now + wait
      waits += wait > 0 ? 1 : 0
    }
    expect(waits).toBeGreaterThan(3)
  })
})

describe('several who lie in wait', () => {
  test('see everything, in the order in which they came', () => {
    const world = new World(1)
    const seen: string[] = []
    const named = (name: string): Lookout => ({ sent: () => seen.push(`${name} sent`), saw: () => seen.push(`${name} saw`) })
    for (const name of ['a', 'b', 'c']) addLookout(world, named(name))
    world.lookout?.sent(
      { node: 0, actor: '' },
      { kind: 'started' },
      { bytes: new Uint8Array(0), view: new DataView(new ArrayBuffer(0)), start: 0, end: 0 },
    )
    world.lookout?.saw({} as never)
    expect(seen).toEqual(['a sent', 'b sent', 'c sent', 'a saw', 'b saw', 'c saw'])
  })
})
