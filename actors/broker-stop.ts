/**
 * How a node stops cleanly: it tells the coordinator that it wants to (KIP-631), which has others lead what is led here; then every replica syncs and writes
 * its checkpoint, and the directory remembers that nothing was lost. It does not wait long for a coordinator: without one, the others notice by themselves.
 */
import type { Context, Outbox } from './actor.ts'
import { record, talk } from './broker-registration.ts'
import type { BrokerState } from './broker-state.ts'

/** The timer that ends the wait for the coordinator. */
export const HAND_OVER_TIMER = 'handOver'

/** A hand-over takes one write of the coordinator; an election of another coordinator may come between. */
const HAND_OVER_MILLIS = 1000

/** The node is to stop. Without a hand-over, or a registration, there is nothing to wait for. */
export function onStopNode(state: BrokerState, handOver: boolean, context: Context, outbox: Outbox): void {
  if (state.stop !== null) return onStopAgain(state, context, outbox)
  state.stop = { waiter: context.from, handOver, draining: null }
  if (!handOver || state.brokerEpoch < 0) return drainReplicas(state, outbox)
  outbox.push({ kind: 'startTimer', timer: HAND_OVER_TIMER, afterMillis: HAND_OVER_MILLIS })
  // A heartbeat under way does not say it.
  state.correlationId = -1
  talk(state, context, outbox)
}

/** Whoever asks again gets the answer. */
function onStopAgain(state: BrokerState, context: Context, outbox: Outbox): void {
  if (state.stop === null) return
  state.stop.waiter = context.from
  if (state.stop.draining?.size === 0) finishStop(state, outbox)
}

/** Others lead now, or that is not waited for any longer. Once is enough. */
export function drainReplicas(state: BrokerState, outbox: Outbox): void {
  const { stop, self } = state
  if (stop === null || stop.draining !== null) return
  const names = [...state.replicas.keys()]
  stop.draining = new Set(names)
  for (const actor of names) outbox.push({ kind: 'send', to: { node: self.node, actor }, message: { kind: 'drain' } })
  if (names.length === 0) finishStop(state, outbox)
}

/** A replica is drained, or gone: its topic was deleted meanwhile, say. */
export function onDrained(state: BrokerState, replica: string, outbox: Outbox): void {
  const draining = state.stop?.draining ?? null
  if (draining === null || !draining.delete(replica)) return
  if (draining.size === 0) finishStop(state, outbox)
}

/** Everything is synced: the next life may say so. */
function finishStop(state: BrokerState, outbox: Outbox): void {
  if (state.brokerEpoch >= 0 && state.recording < 0) record(state, true, outbox)
  if (state.stop !== null) outbox.push({ kind: 'send', to: state.stop.waiter, message: { kind: 'drained' } })
}
