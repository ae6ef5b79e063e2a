/**
 * How a node stops cleanly (KIP-631): the coordinator is told, then every replica syncs and writes its checkpoint, and the directory remembers that nothing was lost, if all could.
 * One that stops alone has others lead what is led here. Where all stop together, the followers are given first what is led here, so that whoever leads next has
 * it, whatever was promised for it. Nobody is waited for for long: a partition whose followers do not get on keeps nobody from stopping, and without a coordinator the
 * others notice by themselves.
 */
import type { Message } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { record } from './broker-registration.ts'
import { isInformed } from './broker-state.ts'
import type { BrokerState } from './broker-state.ts'

/** The timer that ends the wait for followers. */
export const SETTLE_TIMER = 'settle'

/** The timer that ends the wait for the coordinator. */
export const HAND_OVER_TIMER = 'handOver'

/** A hand-over takes one write of the coordinator; an election of another coordinator may come between. */
const HAND_OVER_MILLIS = 1000

/** Where all stop together, a node that hangs holds up the others until it is fenced: for the time of so many heartbeats, after an election at worst. */
const HEARTBEATS_MAX = 8

/** The node is to stop. Without a registration, or anybody else, there is nothing to wait for. */
export function onStopNode(state: BrokerState, handOver: boolean, context: Context, outbox: Outbox): void {
  if (state.stop !== null) return onStopAgain(state, context, outbox)
  const [manner, step] = handOver ? (['alone', 'asking'] as const) : (['together', 'settling'] as const)
  state.stop = { waiter: context.from, manner, step, waitsFor: new Set(), isSynced: false, askedFrom: Infinity }
  if (state.brokerEpoch < 0 || (!handOver && state.image.brokers.size <= 1)) return drainReplicas(state, outbox)
  const settleMillis = handOver ? 0 : HEARTBEATS_MAX * state.config.heartbeatMillis
  outbox.push({ kind: 'startTimer', timer: HAND_OVER_TIMER, afterMillis: settleMillis + HAND_OVER_MILLIS })
  if (handOver) return askToStop(state, outbox)
  outbox.push({ kind: 'startTimer', timer: SETTLE_TIMER, afterMillis: settleMillis })
  tellReplicas(state, { kind: 'settle' }, outbox)
  if (state.stop.waitsFor.size === 0) askToStop(state, outbox)
}

/** Whoever asks again gets the answer. */
function onStopAgain(state: BrokerState, context: Context, outbox: Outbox): void {
  const { stop } = state
  if (stop === null) return
  stop.waiter = context.from
  if (stop.step === 'draining' && stop.waitsFor.size === 0) answerStop(state, outbox)
}

/** The followers have what is led here, or are not waited for any longer. */
export function endSettling(state: BrokerState, outbox: Outbox): void {
  if (state.stop?.step === 'settling') askToStop(state, outbox)
}

/** The coordinator may say now that this node may stop. A heartbeat under way does not say it. */
function askToStop(state: BrokerState, outbox: Outbox): void {
  if (state.stop === null) return
  state.stop.step = 'asking'
  state.stop.askedFrom = state.nextToken
  state.correlationId = -1
  outbox.push({ kind: 'startTimer', timer: 'coordinator', afterMillis: 0 })
}

/** Nobody counts on this node now, or that is not waited for any longer. Once is enough. */
export function drainReplicas(state: BrokerState, outbox: Outbox): void {
  const { stop } = state
  if (stop === null || stop.step === 'draining') return
  stop.step = 'draining'
  // Before the metadata are there, no replica looks after what the life before has left in the page cache.
  stop.isSynced = isInformed(state) && state.recording < 0
  tellReplicas(state, { kind: 'drain' }, outbox)
  if (stop.waitsFor.size === 0) finishStop(state, outbox)
}

/** The followers of a replica have what it leads. */
export function onSettled(state: BrokerState, replica: string, outbox: Outbox): void {
  if (state.stop?.step === 'settling') onReplicaGone(state, replica, outbox)
}

/** A replica is drained; one whose disk failed may have lost what it has. */
export function onDrained(state: BrokerState, replica: string, isSynced: boolean, outbox: Outbox): void {
  const { stop } = state
  if (stop?.step !== 'draining') return
  if (!isSynced && stop.waitsFor.has(replica)) stop.isSynced = false
  onReplicaGone(state, replica, outbox)
}

/** A replica is not waited for, or not any longer: it may go with its topic. */
export function onReplicaGone(state: BrokerState, replica: string, outbox: Outbox): void {
  const { stop } = state
  if (stop?.waitsFor.delete(replica) !== true || stop.waitsFor.size > 0) return
  if (stop.step === 'draining') finishStop(state, outbox)
  else endSettling(state, outbox)
}

function tellReplicas({ stop, self, replicas }: BrokerState, message: Message, outbox: Outbox): void {
  if (stop === null) return
  stop.waitsFor = new Set(replicas.keys())
  for (const actor of replicas.keys()) outbox.push({ kind: 'send', to: { node: self.node, actor }, message })
}

/** If everything is synced, the next life may say so. That is written once: never over what the incarnation wrote at its beginning, which is durable. */
function finishStop(state: BrokerState, outbox: Outbox): void {
  if (state.stop?.isSynced === true && state.recording < 0) record(state, true, outbox)
  answerStop(state, outbox)
}

function answerStop({ stop }: BrokerState, outbox: Outbox): void {
  if (stop === null) return
  const { waiter: to, isSynced } = stop
  outbox.push({ kind: 'send', to, message: { kind: 'drained', isSynced } })
}
