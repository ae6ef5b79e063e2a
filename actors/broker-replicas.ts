/**
 * The replicas of one node follow its metadata image: they are started, told of every change of their partition, and stopped with their files when they are not wanted here
 * any more.
 */
import { groupsActor, replicaActor, sharesActor, transactorActor } from '../protocol/address.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { logNameOf } from '../partitions/replica-state.ts'
import type { ReplicaConfig } from '../partitions/replica-state.ts'
import { METADATA_TOPIC, OFFSETS_TOPIC, SHARE_TOPIC, topicById, TRANSACTIONS_TOPIC } from '../coordinator/metadata.ts'
import type { ChangedTopics, TopicImage } from '../coordinator/metadata.ts'
import { minInsyncOf, replicaCountOf } from '../coordinator/partition-image.ts'
import type { PartitionImage } from '../coordinator/partition-image.ts'
import type { Context, Outbox } from './actor.ts'
import { isInformed } from './broker-state.ts'
import type { BrokerState, LocalReplica } from './broker-state.ts'
import { followOffsetsTopic } from './broker-groups.ts'
import { BROKER_LOG } from './broker-registration.ts'
import { onReplicaGone } from './broker-stop.ts'
import { keepShares } from './broker-shares.ts'
import { keepTransactors } from './broker-transactors.ts'
import { actor as replica } from './replica.ts'

/** The image knows of this life of the node now: all replicas are told, for followers must say in which broker epoch they are, and leaders must know it. */
export function followAnew(state: BrokerState, outbox: Outbox): void {
  for (const local of state.replicas.values()) local.partitionEpoch = -1
  followImage(state, null, outbox)
}

/**
 * Those partitions have changed, or are gone; null: any may have. The image knows of this life of the node. What this costs depends on how many
 * they are, not on how many there are.
 */
export function followImage(state: BrokerState, changed: ChangedTopics | null, outbox: Outbox): void {
  const topics: ChangedTopics = changed ?? new Map([...state.image.topics.values()].map(({ topicId }) => [topicId, null]))
  stopUnwanted(state, changed, outbox)
  for (const [topicId, partitions] of topics) {
    const topic = topicById(state.image, topicId)
    if (topic === undefined) continue
    const config = JSON.stringify(topic.config)
    for (const index of partitions ?? topic.partitions.keys()) {
      const partition = topic.partitions[index]
      if (partition?.replicas.includes(state.self.node) === true) keepReplica(state, topic, index, config, outbox)
    }
    if (topic.name === OFFSETS_TOPIC) followOffsetsTopic(state, topic, outbox)
    if (topic.name === TRANSACTIONS_TOPIC) keepTransactors(state, topic, outbox)
    if (topic.name === SHARE_TOPIC) keepShares(state, topic, outbox)
  }
  if (limitOf(state) > 0 || state.throttleLimit > 0) shareThrottle(state, outbox)
}

/** Replicas that are being moved here share what the node may copy: when that changes, or there are more or fewer of them, each hears of its new share. */
function shareThrottle(state: BrokerState, outbox: Outbox): void {
  const throttled = [...state.replicas].filter(([, { topicId, partition }]) => {
    const image = topicById(state.image, topicId)?.partitions[partition]
    return image !== undefined && isThrottled(state, image)
  })
  const limit = limitOf(state)
  if (throttled.length === state.throttledCount && limit === state.throttleLimit) return
  state.throttledCount = throttled.length
  state.throttleLimit = limit
  for (const [name, local] of throttled) if (local.isStarted) tell(state, name, local, outbox)
}

/** Brought by a reassignment and not in sync yet. */
function isThrottled({ self }: BrokerState, { adding, isr }: PartitionImage): boolean {
  return adding.includes(self.node) && !isr.includes(self.node)
}

function throttleOf(state: BrokerState): number {
  return Math.ceil(limitOf(state) / Math.max(1, state.throttledCount))
}

/** What the cluster was told last counts more than what the node was started with. */
function limitOf({ config, image }: BrokerState): number {
  return image.reassignmentBytesPerSecond ?? config.reassignmentBytesPerSecond
}

/** A replica runs. Told what it is; one that runs a second time has failed, and must not lead in the same epoch again. */
export function onReplicaStarted(state: BrokerState, topicId: number, context: Context, outbox: Outbox): boolean {
  const local = state.replicas.get(context.from.actor)
  // One of a former topic of that name may have spoken last.
  if (local?.topicId !== topicId) return false
  const isAgain = local.isStarted
  local.isStarted = true
  tell(state, context.from.actor, local, outbox)
  return isAgain
}

/** A crash may come between the deletion of a topic and that of its files: what nobody is assigned goes, once the metadata is complete. */
export function removeStrays(state: BrokerState, logs: readonly string[], outbox: Outbox): void {
  const served = new Set([...state.replicas.values()].map((one) => logNameOf(one.topic, one.topicId, one.partition)))
  served.add(logNameOf(METADATA_TOPIC, 0, 0))
  served.add(BROKER_LOG)
  for (const log of logs) {
    if (!served.has(log)) outbox.push({ kind: 'remove', log, files: null, token: state.nextToken++ })
  }
}

function stopUnwanted(state: BrokerState, changed: ChangedTopics | null, outbox: Outbox): void {
  for (const name of replicasOf(state, changed)) {
    const local = state.replicas.get(name)
    if (local === undefined) continue
    const partition = topicById(state.image, local.topicId)?.partitions[local.partition]
    if (partition?.replicas.includes(state.self.node) !== true) stopReplica(state, name, local, outbox)
  }
}

/** The actors of what has changed, here or not; all that are here, where it is not known so precisely. */
function replicasOf({ image, replicas }: BrokerState, changed: ChangedTopics | null): string[] {
  if (changed === null || [...changed.values()].includes(null)) return [...replicas.keys()]
  return [...changed].flatMap(([topicId, partitions]) => {
    const topic = topicById(image, topicId)
    return topic === undefined ? [] : [...(partitions ?? [])].map((partition) => replicaActor(topic.name, partition))
  })
}

function keepReplica(state: BrokerState, topic: TopicImage, partition: number, config: string, outbox: Outbox): void {
  const name = replicaActor(topic.name, partition)
  const known = state.replicas.get(name)
  if (known !== undefined && known.topicId !== topic.topicId) stopReplica(state, name, known, outbox)
  const local = state.replicas.get(name)
  if (local === undefined) {
    state.replicas.set(name, { topic: topic.name, topicId: topic.topicId, partition, partitionEpoch: -1, config, isStarted: false })
    const { replicaLagMillis } = state.config
    const setup: ReplicaConfig = { topic: topic.name, topicId: topic.topicId, partition, topicConfig: topic.config, replicaLagMillis }
    return outbox.push({ kind: 'spawn', actor: name, url: replica.url, config: setup })
  }
  if (local.config !== config) {
    local.config = config
    // What the settings ask of the ISR comes with the partition.
    local.partitionEpoch = -1
    outbox.push({
      kind: 'send',
      to: { node: state.self.node, actor: name },
      message: { kind: 'configureReplica', topicId: topic.topicId, config: topic.config },
    })
  }
  if (local.isStarted && local.partitionEpoch < (topic.partitions[partition]?.partitionEpoch ?? -1)) tell(state, name, local, outbox)
}

function tell(state: BrokerState, name: string, local: LocalReplica, outbox: Outbox): void {
  const topic = topicById(state.image, local.topicId)
  const image = topic?.partitions[local.partition]
  if (topic === undefined || image === undefined || !isInformed(state)) return
  local.partitionEpoch = image.partitionEpoch
  const { leader, leaderEpoch, partitionEpoch, replicas, isr, elr } = image
  const minInsync = minInsyncOf(topic.config.minInsyncReplicas, replicaCountOf(image))
  outbox.push({
    kind: 'send',
    to: { node: state.self.node, actor: name },
    message: {
      kind: 'leaderAndIsr',
      topicId: topic.topicId,
      leader,
      leaderEpoch,
      partitionEpoch,
      replicas,
      isr,
      elr,
      minInsync,
      brokerEpoch: state.brokerEpoch,
      throttleBytesPerSecond: isThrottled(state, image) ? throttleOf(state) : 0,
    },
  })
}

function stopReplica(state: BrokerState, name: string, local: LocalReplica, outbox: Outbox): void {
  state.replicas.delete(name)
  outbox.push({ kind: 'stop', actor: name })
  const log = logNameOf(local.topic, local.topicId, local.partition)
  outbox.push({ kind: 'remove', log, files: null, token: state.nextToken++ })
  onReplicaGone(state, name, outbox)
}

/** The coordinator has heard this node, and it knows what was decided until then: nobody leads what it leads, for a while. */
export function extendLease(state: BrokerState, outbox: Outbox): void {
  const { heard, image } = state
  if (image.endOffset < heard.metadataOffset || heard.until <= state.leaseUntil) return
  state.leaseUntil = heard.until
  tellCoordinators(state, { kind: 'leaseExtended', until: heard.until }, outbox)
}

/** Who coordinates groups, transactions and share groups here hears of it. */
export function tellCoordinators(state: BrokerState, message: MessageOf<'leaseExtended' | 'votersChanged'>, outbox: Outbox): void {
  const coordinators = [
    ...[...state.groups.keys()].map(groupsActor),
    ...[...state.transactors.keys()].map(transactorActor),
    ...[...state.shares.keys()].map(sharesActor),
  ]
  for (const actor of coordinators) outbox.push({ kind: 'send', to: { node: state.self.node, actor }, message })
}
