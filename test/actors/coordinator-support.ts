// A coordinator with a disk in memory that works when the test says so.

import { actor } from '../../actors/coordinator.ts'
import type { CoordinatorConfig, CoordinatorState } from '../../actors/coordinator.ts'
import type { Effect, StorageEffect } from '../../actors/effect.ts'
import { encodeMetadataRecord } from '../../coordinator/metadata.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import { logFileName } from '../../partitions/log.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { perform } from './disk.ts'
import type { Disk } from './disk.ts'
import { stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

/** The directory of the metadata log. */
export const METADATA_LOG = '__cluster_metadata-0.0'

const STORAGE: ReadonlySet<string> = new Set<StorageEffect['kind']>([
  'append',
  'read',
  'sync',
  'truncate',
  'replace',
  'rewrite',
  'remove',
  'list',
  'listLogs',
])

/** A coordinator, its disk, and what it has asked of it. */
export interface CoordinatorStage {
  readonly stage: Stage<CoordinatorState>
  readonly disk: Disk
  readonly pending: StorageEffect[]
}

/** A coordinator that has not started. */
export function coordinatorOn(disk: Disk, config: Partial<CoordinatorConfig> = {}, node = 0): CoordinatorStage {
  const settings = { defaultReplicationFactor: 1, sessionTimeoutMillis: 1000, offsetsPartitions: 4, voters: [0], ...config }
  return { stage: stageOf(actor, { node, actor: 'coordinator' }, settings), disk, pending: [] }
}

/** Hands over a message; the effects that do not concern the disk. */
export function tell(one: CoordinatorStage, message: Message, from?: Address): Effect[] {
  const effects = one.stage.deliver(message, from)
  const others: Effect[] = []
  for (const effect of effects) {
    if (STORAGE.has(effect.kind)) one.pending.push(effect as StorageEffect)
    else others.push(effect)
  }
  return others
}

/** The disk does everything that it was asked for, and what that leads to. */
export function work(one: CoordinatorStage): Effect[] {
  const effects: Effect[] = []
  for (let next = one.pending.shift(); next !== undefined; next = one.pending.shift()) effects.push(...tell(one, perform(one.disk, next)))
  return effects
}

/** A disk whose metadata log holds these records, as one batch of epoch 0: what a coordinator of the time before the quorum left. */
export function diskWith(records: readonly MetadataRecord[]): Disk {
  const disk: Disk = { logs: new Map(), failing: new Map() }
  if (records.length === 0) return disk
  const values = records.map((record) => ({ key: null, value: encodeMetadataRecord(record) }))
  const { records: bytes } = appendRequest(openStateLog(0, 'm', { partition: 0, topicId: 0, leaderEpoch: 0 }), 1, values, 0)
  bytes.fill(0, 12, 16)
  disk.logs.set(METADATA_LOG, new Map([[logFileName(0), bytes]]))
  return disk
}

/** An active coordinator whose log holds these records. */
export function active(records: readonly MetadataRecord[] = [], config: Partial<CoordinatorConfig> = {}): CoordinatorStage {
  const one = coordinatorOn(diskWith(records), config)
  tell(one, { kind: 'started' })
  work(one)
  return one
}
