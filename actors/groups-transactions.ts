/**
 * Offsets that a transaction commits (KIP-98, KIP-447): their records are in the log under the producer's epoch, and count when the marker of its commit is. Until
 * then nobody is told an offset that they would replace. Of two commits for a partition the one counts whose record is later, whenever it was decided.
 */
import type { Address } from '../protocol/address.ts'
import { NONE } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { TopicOffset } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { TransactionalOffsetCommitRequest } from '../protocol/messages/transaction.ts'
import { keepOffset } from '../coordinator/groups/kept-offsets.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../coordinator/groups/offset-record.ts'
import { appendRequest } from '../coordinator/state-log.ts'
import type { Context, Outbox } from './actor.ts'
import { reasonOf, refuseCommit } from './groups-offsets.ts'
import { dropIfGone, errorCodeOf, groupOf, hasMembers } from './groups-state.ts'
import type { Group, GroupsState, OpenTransaction } from './groups-state.ts'

/** Who commits from outside says so. */
const OUTSIDER = { memberId: '', memberEpoch: -1 }

/** Takes the offsets to the log, under the epoch of the producer; or refuses them: whoever does not hold a partition any more commits nothing for it. */
export function onTransactionalOffsetCommit(
  state: GroupsState,
  request: TransactionalOffsetCommitRequest,
  context: Context,
  outbox: Outbox,
): void {
  const { offsets, producerId, producerEpoch, transaction } = request
  const refusal = refuseCommit(state, state.groups.get(request.group), { ...(request.member ?? OUTSIDER), offsets }, true)
  if (refusal !== null || offsets.length === 0) {
    const reason = reasonOf(state.groups.get(request.group), { ...(request.member ?? OUTSIDER), offsets }, refusal)
    return answer(request, context.from, errorCodeOf(refusal), reason, outbox)
  }
  const open = transactionOf(state, producerId, producerEpoch)
  // One that comes twice, or late: it has its answer, or gets it when it is in the log.
  if (open === null || request.correlationId <= open.lastCommitId) return
  open.lastCommitId = request.correlationId
  const group = groupOf(state, request.group, context.uptime)
  group.pendingCount++
  const records = offsets.map((one) => ({
    key: encodeOffsetKey(group.id, one.topic, one.partition),
    value: encodeOffsetValue(one, context.now),
  }))
  const correlationId = state.nextCorrelationId++
  state.pendingTransactional.set(correlationId, { from: context.from, request })
  const message = appendRequest(state.log, correlationId, records, context.now, { producerId, producerEpoch, transaction })
  outbox.push({ kind: 'send', to: state.log.replica, message })
}

/** The open transaction of a producer; a later epoch ends those before it. Null: the epoch is over. */
function transactionOf(state: GroupsState, producerId: number, producerEpoch: number): OpenTransaction | null {
  const known = state.transactions.get(producerId)
  if (known?.producerEpoch === producerEpoch) return known
  if (known !== undefined && known.producerEpoch > producerEpoch) return null
  // Without a commit that is in the log: its marker would have come first.
  const begun: OpenTransaction = { producerEpoch, lastCommitId: -1, commits: known?.commits ?? [] }
  state.transactions.set(producerId, begun)
  return begun
}

/** The offsets are in the log, or will never be. False: the answer is to something else. */
export function onTransactionalWritten(state: GroupsState, response: MessageOf<'produceResponse'>, outbox: Outbox): boolean {
  const pending = state.pendingTransactional.get(response.correlationId)
  if (pending === undefined) return false
  const { from, request } = pending
  state.pendingTransactional.delete(response.correlationId)
  const group = state.groups.get(request.group)
  if (group !== undefined) group.pendingCount--
  if (response.errorCode === NONE)
    noteTransactional(state, request.producerId, request.producerEpoch, {
      group: request.group,
      offsets: request.offsets,
      recordOffset: response.baseOffset,
    })
  else if (state.transactions.get(request.producerId)?.commits.length === 0) state.transactions.delete(request.producerId)
  if (group !== undefined) dropIfGone(state, group)
  answer(request, from, response.errorCode, response.errorMessage, outbox)
  return true
}

/** Offsets of an open transaction are in the log: nobody is told what they may replace until it is decided. */
export function noteTransactional(
  state: GroupsState,
  producerId: number,
  producerEpoch: number,
  commit: OpenTransaction['commits'][number],
): void {
  const open = transactionOf(state, producerId, producerEpoch)
  const group = groupOf(state, commit.group, 0)
  open?.commits.push(commit)
  if (open !== null) for (const one of commit.offsets) count(group, one, 1)
}

/** A marker is in the log: what the producer has written here counts, or never will. */
export function onMarked(state: GroupsState, mark: MessageOf<'transactionMarked'>, { uptime }: Context): void {
  if (!state.log.loaded) return void state.marks.push(mark)
  if (mark.offset >= state.log.nextOffset) decide(state, mark.producerId, mark.committed, uptime)
}

/** The log is read: what was heard of meanwhile, and was not read, counts now. */
export function takeMarks(state: GroupsState, context: Context): void {
  for (const mark of state.marks.splice(0)) onMarked(state, mark, context)
}

/** The transaction of a producer is decided. */
export function decide(state: GroupsState, producerId: number, isCommitted: boolean, uptime: number): void {
  const open = state.transactions.get(producerId)
  if (open === undefined) return
  state.transactions.delete(producerId)
  for (const { group: id, offsets, recordOffset } of open.commits) {
    const group = groupOf(state, id, uptime)
    offsets.forEach((one, i) => {
      count(group, one, -1)
      if (isCommitted) keepOffset(group.offsets, one, recordOffset + i, state.nextCorrelationId, state.texts)
    })
    if (!hasMembers(group)) group.emptySince = Math.max(group.emptySince, uptime)
    dropIfGone(state, group)
  }
}

function count(group: Group, { topic, partition }: TopicOffset, change: 1 | -1): void {
  const name = topicPartitionName(topic, partition)
  const unstable = group.unstable ?? new Map<string, number>()
  const now = (unstable.get(name) ?? 0) + change
  if (now > 0) unstable.set(name, now)
  else unstable.delete(name)
  group.unstable = unstable.size === 0 ? null : unstable
}

function answer(
  { correlationId }: TransactionalOffsetCommitRequest,
  to: Address,
  errorCode: number,
  errorMessage: string | null,
  outbox: Outbox,
): void {
  outbox.push({ kind: 'send', to, message: { kind: 'offsetCommitResponse', correlationId, errorCode, errorMessage } })
}
