/**
 * Offsets of a group as part of a transaction (KIP-447): on their way to the coordinator of the group, which writes them into its log under the producer's epoch.
 */
import { groupsActor } from '../protocol/address.ts'
import { codeOf, errorOf, NONE } from '../protocol/errors.ts'
import { isOutOfStep } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { coordinatorOf, nextCoordinator } from './coordinator-finder.ts'
import type { ProducerState } from './producer-state.ts'
import { answer, failsTransaction, failTransaction, failureOf, reasonOf, transactionFor, transactionOf } from './producer-transaction.ts'
import type { OffsetsOnTheWay } from './producer-transaction-state.ts'

/** Who is silent for so long is asked again. */
const ANSWER_MILLIS = 1000

/** Pause before they are sent again. */
const RETRY_MILLIS = 5

/** Sends offsets, or says why not. */
export function onSendOffsets(state: ProducerState, asked: MessageOf<'sendOffsets'>, context: Context, outbox: Outbox): void {
  const tx = transactionOf(state)
  const why = failureOf(tx)
  if (why !== null) return answer(state, asked.correlationId, why, outbox)
  const deadline = context.uptime + state.config.deliveryTimeoutMillis
  tx.offsets.push({ asked, deadline, coordinator: null, correlationId: -1, timeoutAt: 0, retryAt: 0 })
  advanceOffsets(state, context, outbox)
}

/** Sends what can be sent now. Says whether time must go on. */
export function advanceOffsets(state: ProducerState, context: Context, outbox: Outbox): boolean {
  const tx = transactionOf(state)
  const { uptime } = context
  for (const one of tx.offsets.slice()) {
    const why = failureOf(tx) ?? lateness(state, one, uptime)
    if (why !== null) {
      end(state, one, why, outbox)
      continue
    }
    if (one.correlationId >= 0 && uptime >= one.timeoutAt) onSilence(state, one)
    if (one.correlationId < 0 && uptime >= one.retryAt) send(state, one, context, outbox)
  }
  return tx.offsets.length > 0
}

function lateness({ config }: ProducerState, { deadline }: OffsetsOnTheWay, uptime: number): Parameters<typeof answer>[2] {
  if (uptime < deadline) return null
  const errorMessage = `the offsets were not taken within deliveryTimeoutMillis (${config.deliveryTimeoutMillis})`
  return { errorCode: codeOf('REQUEST_TIMED_OUT'), errorMessage }
}

function onSilence(state: ProducerState, one: OffsetsOnTheWay): void {
  if (one.coordinator === null) nextCoordinator(state.leaders.coordinators)
  one.correlationId = -1
  one.coordinator = null
}

function send(state: ProducerState, one: OffsetsOnTheWay, { uptime }: Context, outbox: Outbox): void {
  const { group, member, offsets } = one.asked
  const transaction = transactionFor(transactionOf(state))
  if (transaction === null) return
  const correlationId = state.nextCorrelationId++
  one.correlationId = correlationId
  one.timeoutAt = uptime + ANSWER_MILLIS
  if (one.coordinator === null) {
    const to = coordinatorOf(state.leaders.coordinators)
    return outbox.push({ kind: 'send', to, message: { kind: 'findCoordinator', correlationId, keyType: 'group', key: group } })
  }
  const { producerId } = state
  const { producerEpoch } = transactionOf(state)
  outbox.push({
    kind: 'send',
    to: { node: one.coordinator.node, actor: groupsActor(one.coordinator.partition) },
    message: { kind: 'transactionalOffsetCommit', correlationId, transaction, producerId, producerEpoch, group, member, offsets },
  })
}

/** A request for offsets is over; null: it was none. */
export function takeOffsetsAnswer(state: ProducerState, correlationId: number): OffsetsOnTheWay | null {
  const one = state.transaction?.offsets.find((some) => some.correlationId === correlationId)
  if (one === undefined || correlationId < 0) return null
  one.correlationId = -1
  return one
}

/** Where the group is coordinated. */
export function onGroupFound(
  state: ProducerState,
  one: OffsetsOnTheWay,
  response: MessageOf<'findCoordinatorResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  if (response.errorCode === NONE) one.coordinator = { node: response.node, partition: response.partition }
  else one.retryAt = context.uptime + RETRY_MILLIS
  advanceOffsets(state, context, outbox)
}

/** They are sent again, after the group's coordinator is found again. */
export function retryOffsets(one: OffsetsOnTheWay, { uptime }: Context): void {
  one.coordinator = null
  one.retryAt = uptime + RETRY_MILLIS
}

/** The group's coordinator has written the offsets, or refuses them. A member that has been given another epoch since asks again under that. */
export function onOffsetsAnswer(
  state: ProducerState,
  one: OffsetsOnTheWay,
  { errorCode, errorMessage }: MessageOf<'offsetCommitResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  const error = errorOf(errorCode)
  if (errorCode === NONE) return end(state, one, null, outbox)
  const why = { errorCode, errorMessage: errorMessage ?? reasonOf(state, error.name) ?? error.message }
  if (isOutOfStep(error.name)) return end(state, one, why, outbox)
  if (error.retriable) {
    // Where the group is coordinated, or where the transactions are kept: the answer does not say which has moved.
    failsTransaction(state, error.name)
    retryOffsets(one, context)
    return void advanceOffsets(state, context, outbox)
  }
  end(state, one, why, outbox)
  failTransaction(state, why, outbox)
}

function end(state: ProducerState, one: OffsetsOnTheWay, why: Parameters<typeof answer>[2], outbox: Outbox): void {
  const { offsets } = transactionOf(state)
  offsets.splice(offsets.indexOf(one), 1)
  answer(state, one.asked.correlationId, why, outbox)
}
