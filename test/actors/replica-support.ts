// A replica over a disk in memory: the test says which answers are held back and which operations fail.

import type { Effect, StorageEffect } from '../../actors/effect.ts'
import { actor } from '../../actors/replica.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Address } from '../../protocol/address.ts'
import type { LeaderAndIsr } from '../../protocol/messages/broker.ts'
import { CONSUMER_REPLICA } from '../../protocol/messages/fetch.ts'
import type { FetchRequest } from '../../protocol/messages/fetch.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'
import { batchAt, configOf } from '../partitions/support.ts'
import type { BatchOptions } from '../partitions/support.ts'
import { perform } from './disk.ts'
import type { Disk, Files } from './disk.ts'
import { CLIENT, lines, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

/** The role of the only replica. */
export const ALONE: LeaderAndIsr = {
  kind: 'leaderAndIsr',
  topicId: 5,
  leader: 0,
  leaderEpoch: 0,
  partitionEpoch: 0,
  replicas: [0],
  isr: [0],
  elr: [],
  minInsync: 1,
  brokerEpoch: 1,
  throttleBytesPerSecond: 0,
}

/** Operations whose answer the test gives itself. */
export type Operation = StorageEffect['kind']

/** A replica and its disk. */
export interface Partition {
  readonly stage: Stage<ReplicaState>
  readonly disk: Disk
  readonly files: Files
  /** Operations that are not answered: they wait in `held`. */
  readonly hold: Set<Operation>
  readonly held: StorageEffect[]
  /** What these operations answer instead of doing it. */
  readonly failing: Disk['failing']
}

/** A partition on these files; nothing has been opened yet. */
export function partitionOn(files: Files = new Map(), settings: Partial<TopicConfig> = {}): Partition {
  const config = { topic: 't', topicId: 5, partition: 0, topicConfig: configOf(settings), replicaLagMillis: 1000 }
  const stage = stageOf(actor, { node: 0, actor: 'replica/t-0' }, config)
  // What the broker says does not depend on the log: a replica that opens takes it up when it can.
  stage.deliver(ALONE)
  const disk: Disk = { logs: new Map([[stage.state.logName, files]]), failing: new Map() }
  return { stage, disk, files, hold: new Set(), held: [], failing: disk.failing }
}

/** A partition that leads. */
export function leading(settings: Partial<TopicConfig> = {}, files: Files = new Map()): Partition {
  const partition = partitionOn(files, settings)
  drive(partition, partition.stage.deliver({ kind: 'started' }))
  return partition
}

/** Carries out what the disk is asked for, and what that leads to; the effects that are not the disk's, in order. */
export function drive(partition: Partition, effects: readonly Effect[]): Effect[] {
  const queue = [...effects]
  const rest: Effect[] = []
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    if (!('token' in effect)) rest.push(effect)
    else if (partition.hold.has(effect.kind)) partition.held.push(effect)
    else queue.push(...partition.stage.deliver(perform(partition.disk, effect), partition.stage.self))
  }
  return rest
}

/** Answers what was held back; from now on nothing is held. */
export function release(partition: Partition): Effect[] {
  partition.hold.clear()
  return drive(partition, partition.held.splice(0))
}

/** Answers the oldest operation that is held back. */
export function releaseOne(partition: Partition): Effect[] {
  const effect = partition.held.shift()
  if (effect === undefined) throw new Error('nothing is held back')
  return drive(partition, partition.stage.deliver(perform(partition.disk, effect), partition.stage.self))
}

/** Sends a batch of `count` records. */
export function produce(
  partition: Partition,
  correlationId: number,
  count = 1,
  options: BatchOptions & { readonly from?: Address } = {},
): Effect[] {
  const records = batchAt(0, count, options)
  const request = {
    kind: 'produce',
    correlationId,
    topicId: 5,
    leaderEpoch: 0,
    acks: 'leader',
    transaction: null,
    isFirst: false,
    records,
  } as const
  return drive(partition, partition.stage.deliver(request, options.from ?? CLIENT))
}

/** Sends a fetch. */
export function fetch(partition: Partition, correlationId: number, fetchOffset: number, changes: Partial<FetchRequest> = {}): Effect[] {
  return drive(partition, partition.stage.deliver(fetchRequest(correlationId, fetchOffset, changes)))
}

/** A fetch that wants anything, as bytes, at once. */
export function fetchRequest(correlationId: number, fetchOffset: number, changes: Partial<FetchRequest> = {}): FetchRequest {
  return {
    kind: 'fetch',
    correlationId,
    topicId: 5,
    leaderEpoch: 0,
    replicaId: CONSUMER_REPLICA,
    brokerEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: 1_000_000,
    maxWaitMillis: 0,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
    ...changes,
  }
}

/** A timer fires. */
export function fire(partition: Partition, timer: string, afterMillis = 0): Effect[] {
  partition.stage.uptime += afterMillis
  partition.stage.now += afterMillis
  return drive(partition, partition.stage.deliver({ kind: 'timerFired', timer }, partition.stage.self))
}

/** The smallest segments that there are. */
export const small = { segmentBytes: 16_384 }

/** Three segments of two batches each, by value size. */
export function threeSegments(settings: Parameters<typeof leading>[0] = small): Partition {
  const partition = leading(settings)
  for (let id = 0; id < 6; id++) produce(partition, id, 1, { valueBytes: 7000, timestamp: 1_000_000 + id })
  return partition
}

/** The same files, opened again; all that was in memory is gone. */
export function reopened(files: Files, settings: Parameters<typeof leading>[0] = small): Partition {
  return leading(settings, new Map([...files].map(([name, bytes]) => [name, bytes.slice()])))
}

/** What a timer makes the replica ask of the disk, step by step, without sizes. */
export function steps(partition: Partition, timer: string): string[] {
  const done: string[] = []
  for (const kind of ['list', 'read', 'rewrite', 'sync', 'replace', 'truncate', 'remove'] as const) partition.hold.add(kind)
  fire(partition, timer)
  while (partition.held.length > 0) {
    done.push(...lines(partition.held.slice(0, 1)).map((line) => line.replace(/: .*/, '')))
    releaseOne(partition)
  }
  partition.hold.clear()
  return done
}

/** The broker asks the replica to stop; what it answers at once. */
export function drain(partition: Partition): string[] {
  return lines(drive(partition, partition.stage.deliver({ kind: 'drain' }, { node: 0, actor: 'broker' })))
}
