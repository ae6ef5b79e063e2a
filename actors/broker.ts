/**
 * The broker of one node: starts, configures and stops the replicas that the coordinator assigns, removes the files of partitions that
 * are gone, starts groups on demand, and drains everything at a clean stop.
 *
 * A newer assignment (higher metadata offset) replaces an older one as a whole; an older one is ignored.
 */
import { COORDINATOR_ACTOR, groupActor, replicaActor } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { PartitionAssignment } from '../protocol/messages/lifecycle.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { logNameOf } from '../partitions/replica-state.ts'
import type { ReplicaConfig } from '../partitions/replica-state.ts'
import { METADATA_TOPIC, OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { actor as group } from './group.ts'
import type { GroupConfig } from './group.ts'
import { actor as replica } from './replica.ts'

/** What a broker is started with. */
export interface BrokerConfig {
  /** The nodes with a coordinator: all of them are told that this broker is there, and the active one answers. */
  readonly coordinatorNodes: readonly number[]
  /** How long a group waits after its start before it hands out partitions: members of its former life may still hold them. */
  readonly groupGraceMillis: number
}

/** What a broker knows. */
export interface BrokerState {
  readonly self: Address
  readonly config: BrokerConfig
  /** -1 before the first assignment. */
  metadataOffset: number
  /** By replica actor name. */
  readonly replicas: Map<string, PartitionAssignment>
  readonly groups: Set<string>
  /** Who waits for the drain, and how many replicas are still to answer. */
  drainWaiter: Address | null
  drainsMissing: number
  nextToken: number
}

/** How often a broker shows itself to the coordinator. */
const REGISTER_MILLIS = 1000

/** How soon it does so again while it has no assignment. */
const FIRST_REGISTER_MILLIS = 20

/** The behaviour of a broker. */
export const actor: Actor<BrokerState, BrokerConfig> = {
  url: import.meta.url,
  start: (self, config) => ({
    self,
    config,
    metadataOffset: -1,
    replicas: new Map(),
    groups: new Set(),
    drainWaiter: null,
    drainsMissing: 0,
    nextToken: 1,
  }),
  receive(state: BrokerState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
      case 'timerFired':
        return register(state, outbox)
      case 'assignPartitions':
        return onAssignPartitions(state, message, outbox)
      case 'logsListed':
        return removeStrays(state, message, outbox)
      case 'storageDone':
        return
      case 'ensureGroup':
        return onEnsureGroup(state, message, context, outbox)
      case 'listGroups':
        return outbox.push({
          kind: 'send',
          to: context.from,
          message: { kind: 'groupsListed', correlationId: message.correlationId, groups: [...state.groups].toSorted() },
        })
      case 'drain':
        return onDrain(state, context, outbox)
      case 'drained':
        return onDrained(state, outbox)
      default:
        assert(false, `a broker does not understand ${message.kind}`)
    }
  },
}

function register(state: BrokerState, outbox: Outbox): void {
  const { config, metadataOffset, self } = state
  for (const node of config.coordinatorNodes) {
    const message = { kind: 'registerBroker', node: self.node, metadataOffset } as const
    outbox.push({ kind: 'send', to: { node, actor: COORDINATOR_ACTOR }, message })
  }
  outbox.push({ kind: 'startTimer', timer: 'register', afterMillis: metadataOffset < 0 ? FIRST_REGISTER_MILLIS : REGISTER_MILLIS })
}

function onAssignPartitions(state: BrokerState, message: MessageOf<'assignPartitions'>, outbox: Outbox): void {
  if (message.metadataOffset <= state.metadataOffset || state.drainWaiter !== null) return
  const first = state.metadataOffset < 0
  state.metadataOffset = message.metadataOffset
  const wanted = new Map(message.partitions.map((partition) => [replicaActor(partition.topic, partition.partition), partition]))
  for (const [name, old] of state.replicas) {
    if (wanted.get(name)?.topicId !== old.topicId) stopReplica(state, name, old, outbox)
  }
  for (const [name, partition] of wanted) startReplica(state, name, partition, outbox)
  if (first) outbox.push({ kind: 'listLogs', token: state.nextToken++ })
}

function startReplica(state: BrokerState, name: string, partition: PartitionAssignment, outbox: Outbox): void {
  const known = state.replicas.get(name)
  state.replicas.set(name, partition)
  if (known !== undefined) {
    if (JSON.stringify(known.config) === JSON.stringify(partition.config)) return
    return outbox.push({
      kind: 'send',
      to: { node: state.self.node, actor: name },
      message: { kind: 'configureReplica', config: partition.config },
    })
  }
  const config: ReplicaConfig = {
    topic: partition.topic,
    topicId: partition.topicId,
    partition: partition.partition,
    leaderEpoch: partition.leaderEpoch,
    topicConfig: partition.config,
  }
  outbox.push({ kind: 'spawn', actor: name, url: replica.url, config })
}

function stopReplica(state: BrokerState, name: string, partition: PartitionAssignment, outbox: Outbox): void {
  state.replicas.delete(name)
  outbox.push({ kind: 'stop', actor: name })
  const log = logNameOf(partition.topic, partition.topicId, partition.partition)
  outbox.push({ kind: 'remove', log, files: null, token: state.nextToken++ })
}

/** A crash may come between the deletion of a topic and that of its files: what nobody is assigned goes now. */
function removeStrays(state: BrokerState, message: MessageOf<'logsListed'>, outbox: Outbox): void {
  // A listing that a former life asked for: nothing is assigned yet, and all would go.
  if (state.metadataOffset < 0) return
  const served = new Set([...state.replicas.values()].map((one) => logNameOf(one.topic, one.topicId, one.partition)))
  served.add(logNameOf(METADATA_TOPIC, 0, 0))
  for (const log of message.logs) {
    if (!served.has(log)) outbox.push({ kind: 'remove', log, files: null, token: state.nextToken++ })
  }
}

function onEnsureGroup(state: BrokerState, message: MessageOf<'ensureGroup'>, context: Context, outbox: Outbox): void {
  const { correlationId, group: id, partition, topicId } = message
  const leads = state.replicas.get(replicaActor(OFFSETS_TOPIC, partition))?.topicId === topicId
  if (leads && !state.groups.has(id)) {
    state.groups.add(id)
    const config: GroupConfig = {
      group: id,
      partition,
      topicId,
      coordinatorNodes: state.config.coordinatorNodes,
      graceMillis: state.config.groupGraceMillis,
    }
    outbox.push({ kind: 'spawn', actor: groupActor(id), url: group.url, config })
  }
  const errorCode = leads ? NONE : codeOf('NOT_COORDINATOR')
  outbox.push({ kind: 'send', to: context.from, message: { kind: 'groupEnsured', correlationId, errorCode } })
}

// ── clean stop ──

function onDrain(state: BrokerState, context: Context, outbox: Outbox): void {
  const names = [...state.replicas.keys()]
  state.drainWaiter = context.from
  state.drainsMissing = names.length
  for (const actorName of names) outbox.push({ kind: 'send', to: { node: state.self.node, actor: actorName }, message: { kind: 'drain' } })
  if (names.length === 0) finishDrain(state, outbox)
}

function onDrained(state: BrokerState, outbox: Outbox): void {
  state.drainsMissing--
  if (state.drainsMissing === 0) finishDrain(state, outbox)
}

function finishDrain(state: BrokerState, outbox: Outbox): void {
  if (state.drainWaiter !== null) outbox.push({ kind: 'send', to: state.drainWaiter, message: { kind: 'drained' } })
}
