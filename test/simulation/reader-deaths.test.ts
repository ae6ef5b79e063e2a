// Readers on a cluster where nothing goes wrong but that they die, in the middle of their work: what each mode promises holds all the same, and what it may do happens.

import { describe, expect, test } from 'vitest'
import { newGroupTruth } from '../../simulation/checkers/groups.ts'
import { Cluster, SESSION_MILLIS } from '../../simulation/cluster.ts'
import { Faults } from '../../simulation/faults.ts'
import { drawPlan, INSIDE_GROUP } from '../../simulation/plan.ts'
import { ReaderClients } from '../../simulation/reader-clients.ts'
import type { ReadMode } from '../../simulation/reader-plan.ts'
import type { ReaderEvent } from '../../simulation/checkers/readers.ts'
import { newTruth } from '../../simulation/truth.ts'
import { AdminWorkload } from '../../simulation/workloads/topics.ts'
import { World } from '../../simulation/world.ts'

/** Rounds are long and lives are short: many a member dies between a record and its commit. */
const READERS = {
  size: 2,
  partitions: 1,
  replicationFactor: 1,
  pollRecordsMax: 5,
  commitMillis: 500,
  rememberedKeys: 8,
  crashMillis: 700,
  pauseMillis: 30,
  rushMicros: null,
}

const WORK_MICROS = 20_000_000
const REST_MICROS = 20_000_000

function play(mode: ReadMode): { readonly code: string | null; readonly counts: Readonly<Record<ReaderEvent, number>> } {
  const quiet = drawPlan(1, { quiet: true })
  const none = { topics: [], transactions: null, classic: null, quota: null, sharerCount: 0, offsetsRetentionMillis: -1 }
  const plan = { ...quiet, ...none, nodeCount: 1, readers: { ...READERS, mode } }
  const world = new World(1)
  const truth = newTruth(world, plan.acks)
  const cluster = new Cluster(world, plan, new Faults(1, plan.faults), truth)
  cluster.groups.inside.push(newGroupTruth(truth, INSIDE_GROUP, SESSION_MILLIS))
  const readers = new ReaderClients(cluster)
  cluster.start()
  new AdminWorkload(cluster).start(() => readers.start())
  world.runUntil(WORK_MICROS)
  cluster.heal()
  readers.stop()
  world.runUntil(WORK_MICROS + REST_MICROS)
  if (world.violation === null) readers.check()
  return { code: world.violation?.code ?? null, counts: readers.counts }
}

describe('readers that die', () => {
  test('handle no record twice, at most once, and some not at all', () => {
    const { code, counts } = play('at-most-once')
    expect([code, counts.handledAgain]).toEqual([null, 0])
    expect(counts.skipped).toBeGreaterThan(0)
  })

  test('handle every record, at least once, and some again', () => {
    const { code, counts } = play('at-least-once')
    expect([code, counts.skipped]).toEqual([null, 0])
    expect(counts.handledAgain).toBeGreaterThan(0)
  })
})
