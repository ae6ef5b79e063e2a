/**
 * The broker of one node: joins the cluster (broker-registration.ts), keeps an image of the metadata, runs the replicas and groups that the image wants here
 * (broker-replicas.ts), carries what leaders ask to the coordinator, and stops the node cleanly (broker-stop.ts).
 */
import { COORDINATOR_ACTOR, transactorActor } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import { codeOf } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { applyBatches, emptyImage, topicById } from '../coordinator/metadata.ts'
import type { MetadataBatch } from '../coordinator/metadata.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import { onHeartbeatAnswer, onNoCoordinator, onRegistered, onRegistrationStorage, findRegistrations, talk } from './broker-registration.ts'
import { askAllToResign, onResigned } from './broker-groups.ts'
import { extendLease, followAnew, followImage, onReplicaStarted, removeStrays, tellCoordinators } from './broker-replicas.ts'
import { isInformed, newBrokerState } from './broker-state.ts'
import { answerFindCoordinator } from './coordinator-queries.ts'
import { drainReplicas, endSettling, HAND_OVER_TIMER, onDrained, onSettled, onStopNode, SETTLE_TIMER } from './broker-stop.ts'
import type { BrokerConfig, BrokerState } from './broker-state.ts'

export type { BrokerConfig, BrokerState } from './broker-state.ts'

/** Proposals of replicas that wait for the coordinator; older ones are forgotten, and made again. */
const RELAYED_MAX = 10_000

/** The behaviour of a broker. */
export const actor: Actor<BrokerState, BrokerConfig> = {
  url: import.meta.url,
  start: newBrokerState,
  receive(state: BrokerState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        state.incarnation = context.random
        // Answers to a former life must not be taken for answers to this one.
        state.nextToken += context.random
        return findRegistrations(state, outbox)
      case 'timerFired':
        if (message.timer === SETTLE_TIMER) return endSettling(state, outbox)
        if (message.timer === HAND_OVER_TIMER) return drainReplicas(state, outbox)
        return talk(state, context, outbox)
      case 'brokerRegistered':
        return onRegistration(state, message, context, outbox)
      case 'brokerHeartbeatResponse':
        return onHeartbeat(state, message, context, outbox)
      case 'metadataUpdate':
        return onMetadataUpdate(state, message, context, outbox)
      case 'replicaStarted':
        if (onReplicaStarted(state, message.topicId, context, outbox))
          resignFor(state, { topicId: message.topicId, isDamaged: false }, context.from.actor, outbox)
        return
      case 'replicaFailed':
        return resignFor(state, message, context.from.actor, outbox)
      case 'alterPartition':
        return relay(state, message, context.from.actor, outbox)
      case 'alterPartitionResponse':
        return onRelayed(state, message, outbox)
      case 'undeliverable':
        if (!onResigned(state, message.correlationId, outbox)) onNotController(state, message.correlationId, -1, outbox)
        return
      case 'resigned':
        return void onResigned(state, message.correlationId, outbox)
      case 'notController':
        return onNotController(state, message.correlationId, message.controller, outbox)
      case 'logsListed':
        return onLogsListed(state, message.logs, outbox)
      case 'listed':
      case 'readCompleted':
      case 'synced':
      case 'storageDone':
        return onRegistrationStorage(state, message, context, outbox)
      case 'nodeDown':
        return onNodeDown(state, message, outbox)
      case 'describeBroker':
        return onDescribe(state, message.correlationId, context, outbox)
      case 'findCoordinator':
        // Whoever is on this node need not ask the coordinator.
        return void answerFindCoordinator(state.image, message, context.from, outbox)
      case 'stopNode':
        return onStopNode(state, message.handOver, context, outbox)
      case 'settled':
        return onSettled(state, context.from.actor, outbox)
      case 'drained':
        return onDrained(state, context.from.actor, message.isSynced, outbox)
      default:
        assert(false, `a broker does not understand ${message.kind}`)
    }
  },
}

/** Metadata that knows of this registration may have come before the answer to it. */
function onRegistration(state: BrokerState, message: MessageOf<'brokerRegistered'>, context: Context, outbox: Outbox): void {
  const before = state.brokerEpoch
  onRegistered(state, message, outbox)
  if (state.brokerEpoch === before) return
  extendLease(state, outbox)
  if (isInformed(state)) followAnew(state, outbox)
  onCaughtUp(state, context, outbox)
}

function onHeartbeat(state: BrokerState, message: MessageOf<'brokerHeartbeatResponse'>, context: Context, outbox: Outbox): void {
  const before = state.voters
  if (onHeartbeatAnswer(state, message, context, outbox)) drainReplicas(state, outbox)
  const { voters } = state
  const isSame = voters.length === before.length && voters.every((node) => before.includes(node))
  if (!isSame) tellCoordinators(state, { kind: 'votersChanged', voters }, outbox)
  extendLease(state, outbox)
  askAllToResign(state, outbox)
}

// ── metadata ──

/** Takes what is new of it; what leaves a gap is asked for again by the next heartbeat. */
function onMetadataUpdate(state: BrokerState, message: MessageOf<'metadataUpdate'>, context: Context, outbox: Outbox): void {
  // Only the active coordinator sends it.
  state.controller = context.from.node
  const { beginOffset, endOffset, isSnapshot } = message
  if (endOffset <= state.image.endOffset || (!isSnapshot && beginOffset > state.image.endOffset)) return
  const batches = JSON.parse(new TextDecoder().decode(message.records)) as MetadataBatch[]
  const wasInformed = isInformed(state)
  if (isSnapshot) state.image = emptyImage(state.self.node)
  const changed = applyBatches(state.image, batches)
  if (isInformed(state) && !wasInformed) followAnew(state, outbox)
  else if (isInformed(state)) followImage(state, isSnapshot ? null : changed, outbox)
  // What follows the last of them holds no metadata.
  state.image.endOffset = endOffset
  for (const [node, brokerEpoch] of state.deadNodes)
    if (state.image.brokers.get(node)?.brokerEpoch !== brokerEpoch) state.deadNodes.delete(node)
  onCaughtUp(state, context, outbox)
  extendLease(state, outbox)
}

/** What leaders and transactors here have asked of that node will not be answered. */
function onNodeDown(state: BrokerState, message: MessageOf<'nodeDown'>, outbox: Outbox): void {
  const { node } = state.self
  const dead = state.image.brokers.get(message.node)
  if (dead !== undefined) state.deadNodes.set(dead.node, dead.brokerEpoch)
  for (const [actor, { topicId, partition }] of state.replicas)
    if (topicById(state.image, topicId)?.partitions[partition]?.leader === node) outbox.push({ kind: 'send', to: { node, actor }, message })
  for (const partition of state.transactors.keys()) outbox.push({ kind: 'send', to: { node, actor: transactorActor(partition) }, message })
}

function onDescribe({ image, self, brokerEpoch }: BrokerState, correlationId: number, { from }: Context, outbox: Outbox): void {
  const registered = image.brokers.get(self.node)
  const isActive = brokerEpoch >= 0 && registered?.brokerEpoch === brokerEpoch && !registered.fenced
  outbox.push({ kind: 'send', to: from, message: { kind: 'brokerDescribed', correlationId, isActive } })
}

/**
 * The image knows of this registration: it can be unfenced, and what it does not know of is not wanted here. An image that knows of another one (a request of a former life has come
 * late) has been followed by nobody: no log is served then, and none is a stray.
 */
function onCaughtUp(state: BrokerState, context: Context, outbox: Outbox): void {
  if (state.strayCheckDone || !isInformed(state) || state.image.endOffset < state.brokerEpoch) return
  state.strayCheckDone = true
  outbox.push({ kind: 'listLogs', token: state.nextToken++ })
  if (state.correlationId < 0) talk(state, context, outbox)
}

/** It may not know of this registration any more. */
function onLogsListed(state: BrokerState, logs: readonly string[], outbox: Outbox): void {
  if (isInformed(state)) removeStrays(state, logs, outbox)
  else state.strayCheckDone = false
}

// ── what leaders ask ──

/** Carries a proposal to the coordinator; its answer finds the way back by the correlation id. */
function relay(state: BrokerState, message: MessageOf<'alterPartition'>, from: string, outbox: Outbox): void {
  const correlationId = state.nextToken++
  state.relayed.set(correlationId, { actor: from, correlationId: message.correlationId })
  for (const oldest of state.relayed.keys()) {
    if (state.relayed.size <= RELAYED_MAX) break
    state.relayed.delete(oldest)
  }
  outbox.push({
    kind: 'send',
    to: { node: state.controller, actor: COORDINATOR_ACTOR },
    message: { ...message, correlationId, brokerEpoch: state.brokerEpoch },
  })
}

function onRelayed(state: BrokerState, message: MessageOf<'alterPartitionResponse'>, outbox: Outbox): void {
  const relayed = state.relayed.get(message.correlationId)
  if (relayed === undefined) return
  state.relayed.delete(message.correlationId)
  const to = { node: state.self.node, actor: relayed.actor }
  outbox.push({ kind: 'send', to, message: { ...message, correlationId: relayed.correlationId } })
}

function onNotController(state: BrokerState, correlationId: number, hint: number, outbox: Outbox): void {
  if (onNoCoordinator(state, correlationId, hint, outbox)) return
  onRelayed(state, { kind: 'alterPartitionResponse', correlationId, errorCode: codeOf('NOT_CONTROLLER') }, outbox)
}

/** A replica here cannot go on leading in this epoch: others shall, or it shall in another one. Or it is damaged: nobody must count on it. */
function resignFor(
  state: BrokerState,
  failed: Omit<MessageOf<'replicaFailed'>, 'kind' | 'leaderEpoch'>,
  name: string,
  outbox: Outbox,
): void {
  const { topicId, isDamaged, damage } = failed
  const local = state.replicas.get(name)
  const image = local === undefined ? undefined : topicById(state.image, topicId)?.partitions[local.partition]
  if (local?.topicId !== topicId || image === undefined || (!isDamaged && image.leader !== state.self.node)) return
  const { partition } = local
  const { leaderEpoch, partitionEpoch } = image
  const node = state.self.node
  const request = { kind: 'alterPartition', correlationId: 0, node, brokerEpoch: state.brokerEpoch, topicId, partition } as const
  const how = damage === undefined ? {} : { damage }
  relay(state, { ...request, leaderEpoch, partitionEpoch, isr: isDamaged ? [] : null, ...how }, name, outbox)
}
