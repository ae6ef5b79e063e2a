/**
 * How the active coordinator changes who votes (KIP-853), one change at a time: a newcomer is sent the log until it has caught up, then the change is written,
 * and whoever asked is answered when it is committed. The rules are in coordinator/node-changes.ts and coordinator/quorum-membership.ts.
 *
 *   asked ─► catching up (a newcomer) ─► written ─► committed
 *               └─ too slow, gone: given up   └─ leadership lost: perhaps
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { VoterRequest } from '../protocol/messages/metadata.ts'
import { judgeVoters } from '../coordinator/node-changes.ts'
import type { Context, Outbox } from './actor.ts'
import { controllerOf, forgetVoter, isVotersChanged, observeVoter, proposeVoters, seatVoters } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** A change of the voters under way. */
export interface VoterChange {
  readonly request: VoterRequest
  /** Who is answered: whoever asked last. */
  readonly from: Address
  readonly voters: readonly number[]
  /** Offset behind the change in the log; -1 while a newcomer catches up. */
  readonly endOffset: number
  /** Uptime at which a newcomer that has not caught up is given up. */
  readonly deadline: number
}

/** A newcomer is given so long: the metadata is small, so one that needs longer does not run. */
const CATCH_UP_MILLIS = 10_000

/** Begins a change, or refuses it. Who asks for the change under way once more waits for that. Returns what is under way then. */
export function onVoterRequest(
  under: VoterChange | null,
  seat: QuorumSeat,
  request: VoterRequest,
  context: Context,
  outbox: Outbox,
): VoterChange | null {
  const { from } = context
  if (under !== null) {
    if (under.request.kind === request.kind && under.request.node === request.node) return { ...under, request, from }
    const reason = `node ${under.request.node} is just ${under.request.kind === 'addRaftVoter' ? 'becoming a voter' : 'ceasing to vote'}`
    answer(from, request, 'REASSIGNMENT_IN_PROGRESS', reason, outbox)
    return under
  }
  const judged = judgeVoters(seat.image, seatVoters(seat), request)
  if ('error' in judged) {
    answer(from, request, judged.error, judged.reason, outbox)
    return null
  }
  if (request.kind === 'addRaftVoter') observeVoter(seat, request.node, context, outbox)
  return { request, from, voters: judged, endOffset: -1, deadline: context.uptime + CATCH_UP_MILLIS }
}

/** Something has happened: the change goes on if it can. Returns what is under way then. */
export function followVoterChange(change: VoterChange, seat: QuorumSeat, context: Context, outbox: Outbox): VoterChange | null {
  const { node } = change.request
  if (isNewcomerGone(change, seat)) {
    forgetVoter(seat, node, context, outbox)
    answer(change.from, change.request, 'BROKER_ID_NOT_REGISTERED', `node ${node} has been removed meanwhile`, outbox)
    return null
  }
  const written = change.endOffset >= 0 ? change : writeChange(change, seat, context, outbox)
  const { from, request, voters, endOffset, deadline } = written
  if (endOffset >= 0 && isVotersChanged(seat, voters, endOffset)) {
    answer(from, request, null, null, outbox)
    return null
  }
  if (!seat.isActive) {
    const { correlationId } = request
    const isUncertain = endOffset >= 0
    outbox.push({ kind: 'send', to: from, message: { kind: 'notController', correlationId, controller: controllerOf(seat), isUncertain } })
    return null
  }
  if (endOffset >= 0 || context.uptime < deadline) return written
  forgetVoter(seat, node, context, outbox)
  answer(from, request, 'REQUEST_TIMED_OUT', `node ${node} has not caught up with the metadata in ${CATCH_UP_MILLIS} ms`, outbox)
  return null
}

/** Whether the node that was to vote is none of the cluster any more; once the change is written, it is too late to ask. */
function isNewcomerGone({ request, endOffset }: VoterChange, { isActive, image }: QuorumSeat): boolean {
  return isActive && endOffset < 0 && request.kind === 'addRaftVoter' && !image.brokers.has(request.node)
}

function writeChange(change: VoterChange, seat: QuorumSeat, context: Context, outbox: Outbox): VoterChange {
  const result = proposeVoters(seat, change.voters, context, outbox)
  return typeof result === 'number' ? { ...change, endOffset: result } : change
}

function answer(to: Address, request: VoterRequest, error: ErrorName | null, reason: string | null, outbox: Outbox): void {
  const { correlationId } = request
  const result = { name: '', topicId: -1, errorCode: error === null ? NONE : codeOf(error), errorMessage: reason }
  outbox.push({ kind: 'send', to, message: { kind: 'adminResponse', correlationId, results: [result] } })
}
