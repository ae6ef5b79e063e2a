// A broker with a disk in memory, and a coordinator that the test plays.

import { actor } from '../../actors/broker.ts'
import type { BrokerConfig, BrokerState } from '../../actors/broker.ts'
import type { Effect, StorageEffect } from '../../actors/effect.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { nodes, partitionOf } from '../coordinator/support.ts'
import { filesOf, perform } from './disk.ts'
import type { Disk } from './disk.ts'
import { lines, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

/** The directory in which a broker remembers its registration. */
export const BROKER_LOG = '__broker-0.0'

/** A broker and its disk. */
export interface BrokerStage {
  readonly stage: Stage<BrokerState>
  readonly disk: Disk
  /** Operations that are not answered: they wait in `held`. */
  readonly hold: Set<StorageEffect['kind']>
  readonly held: StorageEffect[]
}

/** What a broker does with a message, the disk's part aside, which is done at once. */
export type Rest = Exclude<Effect, StorageEffect>

const DEFAULTS: BrokerConfig = {
  voters: [0, 1, 2],
  rack: null,
  bootId: 'boot-1',
  groupGraceMillis: 100,
  groupStartGraceMillis: 10,
  offsetsRetentionMillis: -1,
  heartbeatMillis: 50,
  replicaLagMillis: 1000,
  reassignmentBytesPerSecond: 0,
}

/** A node that has not started. */
export function brokerOn(disk: Disk, config: Partial<BrokerConfig> = {}, node = 1): BrokerStage {
  const stage = stageOf(actor, { node, actor: 'broker' }, { ...DEFAULTS, ...config })
  return { stage, disk, hold: new Set(), held: [] }
}

/** An empty disk, or one with these files in the broker's directory. */
export function diskOf(files: Readonly<Record<string, string>> = {}): Disk {
  const disk: Disk = { logs: new Map(), failing: new Map() }
  for (const [name, text] of Object.entries(files)) filesOf(disk, BROKER_LOG).set(name, new TextEncoder().encode(text))
  return disk
}

/** A registration as it is written down. */
export function written(brokerEpoch: number, bootId = 'boot-1', clean = false): string {
  return JSON.stringify({ brokerEpoch, bootId, clean })
}

/** What the broker's directory holds, parsed. */
export function remembered({ disk }: BrokerStage): unknown[] {
  const files = [...filesOf(disk, BROKER_LOG)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return files.map(([, bytes]) => JSON.parse(new TextDecoder().decode(bytes)) as unknown)
}

/** Hands over a message; the disk does what it is asked for, but for what is held back. */
export function tell(one: BrokerStage, message: Message, from?: Address): Rest[] {
  return drive(one, one.stage.deliver(message, from))
}

/** Answers what was held back; from now on nothing is held. */
export function release(one: BrokerStage): Rest[] {
  one.hold.clear()
  return drive(one, one.held.splice(0))
}

function drive(one: BrokerStage, effects: readonly Effect[]): Rest[] {
  const queue = [...effects]
  const rest: Rest[] = []
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    if (!('token' in effect)) rest.push(effect)
    else if (one.hold.has(effect.kind)) one.held.push(effect)
    else queue.push(...one.stage.deliver(perform(one.disk, effect), one.stage.self))
  }
  return rest
}

/** A coordinator's address. */
export function coordinatorAt(node: number): Address {
  return { node, actor: 'coordinator' }
}

/** The address of a replica on the broker's node. */
export function replicaAt(name: string, node = 1): Address {
  return { node, actor: `replica/${name}` }
}

/** Metadata as the active coordinator sends it: one batch that follows `beginOffset`, or a snapshot. */
export function metadata(
  beginOffset: number,
  endOffset: number,
  records: readonly MetadataRecord[],
  isSnapshot: boolean = beginOffset === 0,
): Message {
  const bytes = new TextEncoder().encode(JSON.stringify([[endOffset, records]]))
  return { kind: 'metadataUpdate', beginOffset, endOffset, isSnapshot, records: bytes }
}

/** The coordinator answers the registration that the broker has sent last. */
export function register(one: BrokerStage, brokerEpoch: number, coordinator = 0): Rest[] {
  const { correlationId } = one.stage.state
  return tell(one, { kind: 'brokerRegistered', correlationId, errorCode: NONE, brokerEpoch }, coordinatorAt(coordinator))
}

/** The coordinator answers the heartbeat under way. */
export function answerHeartbeat(one: BrokerStage, errorCode: number = NONE, coordinator = 0, shouldShutDown = false): Rest[] {
  const { correlationId, image } = one.stage.state
  const { endOffset: metadataOffset } = image
  return tell(
    one,
    { kind: 'brokerHeartbeatResponse', correlationId, errorCode, shouldShutDown, voters: [0, 1, 2], metadataOffset },
    coordinatorAt(coordinator),
  )
}

/** Node 1 of three: it has registered in the broker epoch 101, and has the metadata of the nodes and these records, up to offset 200. */
export function joined(records: readonly MetadataRecord[] = [], config: Partial<BrokerConfig> = {}, disk: Disk = diskOf()): BrokerStage {
  const one = brokerOn(disk, config)
  sentOne(tell(one, { kind: 'started' }, one.stage.self), 'registerBroker')
  register(one, 101)
  tell(one, metadata(0, 200, [...nodes([0, 1, 2]), ...records]), coordinatorAt(0))
  return one
}

/** A replica of that node says that it runs. */
export function replicaStarted(one: BrokerStage, name: string, topicId = 1): Rest[] {
  return tell(one, { kind: 'replicaStarted', topicId }, replicaAt(name))
}

/** More metadata: one batch behind what is there. */
export function moreEffects(one: BrokerStage, ...records: readonly MetadataRecord[]): Effect[] {
  const { endOffset } = one.stage.state.image
  return tell(one, metadata(endOffset, endOffset + records.length, records), coordinatorAt(0))
}

/** The same as lines. */
export function more(one: BrokerStage, ...records: readonly MetadataRecord[]): string[] {
  return lines(moreEffects(one, ...records))
}

/** A change of partition 0 of topic 1. */
export function change(...[nodeIds, changes]: Parameters<typeof partitionOf>): MetadataRecord {
  return { type: 'partitionChanged', topicId: 1, partition: 0, image: partitionOf(nodeIds, changes) }
}
