/**
 * What a consumer makes of the answers to its heartbeats (KIP-848): what it may hold, or that it is no member any more.
 */
import { errorOf, NONE } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { namesOf } from '../coordinator/groups/names.ts'
import type { Context, Outbox } from './actor.ts'
import { adopt, findAgain, lose } from './consumer-group.ts'
import { endMembership, isSubscribed, wakeAt } from './consumer-state.ts'
import type { ConsumerState } from './consumer-state.ts'

/** Takes what the group says of this member, if it answers the newest heartbeat. */
export function onHeartbeatAnswer(
  state: ConsumerState,
  message: MessageOf<'consumerGroupHeartbeatResponse'>,
  context: Context,
  outbox: Outbox,
): void {
  const { membership } = state
  // Only the newest heartbeat's answer counts: an older one may speak of an assignment that is over.
  if (message.correlationId !== membership.correlationId) return
  membership.correlationId = -1
  // The farewell is answered: the work that follows every answer closes a consumer that is closing.
  if (membership.step === 'leaving') return onFarewellAnswer(state, message.errorCode, context, outbox)
  const error = errorOf(message.errorCode)
  if (error.name === 'UNKNOWN_MEMBER_ID' || error.name === 'FENCED_MEMBER_EPOCH') return lose(state, context, outbox)
  if (error.name === 'FENCED_INSTANCE_ID') lose(state, context, outbox)
  if (message.errorCode !== NONE) return onRequestRefused(state, message.errorCode, context, outbox)
  if (!membership.hasMoreToConfirm && membership.confirmBy < Infinity) confirm(state, message.memberEpoch)
  membership.memberEpoch = message.memberEpoch
  membership.refusal = null
  membership.aliveAt = membership.sentAt
  membership.dueAt = context.uptime + (membership.isRoused ? 0 : state.config.heartbeatIntervalMillis)
  membership.isRoused = false
  adopt(state, isSubscribed(state) ? namesOf(message.assignment) : new Set(), context, outbox)
  // A member that has nothing yet asks again soon: others may be letting go for it.
  if (state.partitions.size === 0) membership.dueAt = Math.min(membership.dueAt, context.uptime + state.config.retryBackoffMillis * 4)
  wakeAt(state, membership.dueAt, context, outbox)
}

/** The farewell is answered. Whoever is not in charge, for now, may still have this member: it is said again. */
export function onFarewellAnswer(state: ConsumerState, errorCode: number, context: Context, outbox: Outbox): void {
  if (errorOf(errorCode).retriable) return findAgain(state, context, outbox)
  endMembership(state)
}

/** A group that answers with the same epoch knows what is given up; with another one it may have repeated itself, and waits anew. */
function confirm({ membership, config }: ConsumerState, memberEpoch: number): void {
  const isKnown = memberEpoch === membership.memberEpoch
  membership.confirmBy = isKnown ? Infinity : membership.sentAt + config.rebalanceTimeoutMillis
  membership.isRoused ||= !isKnown
}

/** What will not pass is told to the application; until it does something about it, it is tried again at the pace of heartbeats. */
export function onRequestRefused(state: ConsumerState, errorCode: number, context: Context, outbox: Outbox): void {
  const { membership, config } = state
  const { name, retriable, message: errorMessage } = errorOf(errorCode)
  if (retriable || name === 'UNKNOWN_SERVER_ERROR') return findAgain(state, context, outbox)
  if (isSubscribed(state) && membership.memberEpoch <= 0) membership.refusal = name
  membership.dueAt = context.uptime + config.heartbeatIntervalMillis
  wakeAt(state, membership.dueAt, context, outbox)
  const message = { kind: 'consumerFailed', topic: null, partition: -1, session: -1, errorCode, errorMessage } as const
  outbox.push({ kind: 'send', to: config.client, message })
}
