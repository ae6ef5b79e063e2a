/**
 * The committed offsets of groups. A commit is answered when its records are in the log; only then does a fetch of offsets show it. Offsets go by tombstones:
 * when somebody deletes them, when their topic is gone (rules in coordinator/groups/kept-offsets.ts), and when their group has been empty for too long (KIP-211).
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type {
  DeleteGroupRequest,
  OffsetCommitRequest,
  OffsetDeleteRequest,
  OffsetFetchRequest,
  TopicOffset,
} from '../protocol/messages/group.ts'
import { OFFSET_METADATA_LENGTH_MAX } from '../protocol/messages/group.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { topicsOfClassic } from '../coordinator/groups/classic/classic-group.ts'
import { refuseClassicCommit } from '../coordinator/groups/classic/requests.ts'
import { keepOffset, orphanedOffsets } from '../coordinator/groups/kept-offsets.ts'
import type { KeptOffset } from '../coordinator/groups/kept-offsets.ts'
import { namesOf, parseName } from '../coordinator/groups/names.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../coordinator/groups/offset-record.ts'
import { appendRequest } from '../coordinator/state-log.ts'
import type { StateRecord } from '../coordinator/state-log.ts'
import type { Context, Outbox } from './actor.ts'
import { dropIfGone, errorCodeOf, groupOf, hasMembers, isActive, isExpected, speaksClassic } from './groups-state.ts'
import type { Group, GroupsState, PendingWrite } from './groups-state.ts'

// ── commits ──

/** Takes a commit to the log, or refuses it. */
export function onOffsetCommit(state: GroupsState, request: OffsetCommitRequest, context: Context, outbox: Outbox): void {
  const known = state.groups.get(request.group)
  const refusal = refuseCommit(state, known, request)
  if (refusal !== null) return answerCommit(request, context.from, codeOf(refusal), reasonOf(known, request, refusal), outbox)
  const member = known?.membership?.members.get(request.memberId) ?? known?.classic?.members.get(request.memberId)
  if (member !== undefined) {
    // One that comes twice, or late: it has its answer, or gets it when it is in the log.
    if (request.correlationId <= member.lastCommitId) return
    member.lastCommitId = request.correlationId
  }
  if (request.offsets.length === 0) return answerCommit(request, context.from, NONE, null, outbox)
  const group = known ?? groupOf(state, request.group, context.uptime)
  const records = request.offsets.map((one) => ({
    key: encodeOffsetKey(group.id, one.topic, one.partition),
    value: encodeOffsetValue(one, context.now),
  }))
  const { correlationId } = request
  write(state, group, { group: group.id, from: context.from, correlationId, commit: request, names: [] }, records, context, outbox)
}

/**
 * A member commits for what it holds, under its present epoch; outsiders may commit while the group is empty. FENCED_MEMBER_EPOCH: it does not hold all of it. (Kafka
 * takes that commit, and takes back what the holder has committed.)
 */
export function refuseCommit(
  state: GroupsState,
  group: Group | undefined,
  request: Pick<OffsetCommitRequest, 'memberId' | 'memberEpoch' | 'offsets'>,
  isTransactional = false,
): ErrorName | null {
  if (!isActive(state)) return 'COORDINATOR_LOAD_IN_PROGRESS'
  if (request.offsets.some(({ metadata }) => metadata.length > OFFSET_METADATA_LENGTH_MAX)) return 'OFFSET_METADATA_TOO_LARGE'
  // Offsets of a topic that nobody has named would count for whatever has its name later.
  if (isTransactional && request.offsets.some(({ topicId }) => topicId < 0)) return 'INVALID_REQUEST'
  // Topic ids count up: it comes late, and would replace what is committed for the topic that has the name now.
  if (group !== undefined && request.offsets.some((one) => one.topicId >= 0 && one.topicId < topicIdOf(state, group, one)))
    return 'UNKNOWN_TOPIC_ID'
  if (request.memberEpoch < 0) return group === undefined || !hasMembers(group) ? null : 'UNKNOWN_MEMBER_ID'
  const classic = group !== undefined && speaksClassic(group) ? group.classic : null
  if (classic !== null) {
    const names = request.offsets.map((one) => topicPartitionName(one.topic, one.partition))
    return refuseClassicCommit(classic, { ...request, generationId: request.memberEpoch }, names, isTransactional)
  }
  const membership = group?.membership ?? null
  const member = membership?.members.get(request.memberId)
  if (membership === null || member === undefined || member.isAway) return 'UNKNOWN_MEMBER_ID'
  if (request.memberEpoch !== member.epoch) return 'STALE_MEMBER_EPOCH'
  const { holders } = membership
  const holdsAll = request.offsets.every((one) => holders.get(topicPartitionName(one.topic, one.partition)) === request.memberId)
  return holdsAll ? null : 'FENCED_MEMBER_EPOCH'
}

/** What the name of a refusal does not say; null: nothing. */
export function reasonOf(
  group: Group | undefined,
  { memberId, memberEpoch, offsets }: Pick<OffsetCommitRequest, 'memberId' | 'memberEpoch' | 'offsets'>,
  refusal: ErrorName | null,
): string | null {
  if (refusal === 'UNKNOWN_MEMBER_ID' && memberEpoch < 0) return 'the group has members, and only they commit its offsets'
  if (refusal !== 'FENCED_MEMBER_EPOCH' || group === undefined) return null
  const holders = speaksClassic(group) ? group.classic?.holders : group.membership?.holders
  const names = offsets.map((one) => topicPartitionName(one.topic, one.partition))
  const foreign = names.filter((name) => holders?.get(name) !== memberId)
  return `${foreign.join(', ')} ${foreign.length === 1 ? 'is' : 'are'} not assigned to this consumer`
}

/** The topic of which something is committed under that name, or about to be; -1 if there is none. */
function topicIdOf(state: GroupsState, group: Group, { topic, partition }: TopicOffset): number {
  const kept = group.offsets.get(topicPartitionName(topic, partition))?.topicId ?? -1
  if (group.pendingCount === 0) return kept
  const pending = [...state.pending.values()].filter((one) => one.group === group.id).flatMap(({ commit }) => commit?.offsets ?? [])
  return pending.reduce(
    (latest, one) => (one.topic === topic && one.partition === partition ? Math.max(latest, one.topicId) : latest),
    kept,
  )
}

/** While a write is on its way to the log, nobody is told an offset that it would take back: the reader asks again. */
export function onOffsetFetch(state: GroupsState, request: OffsetFetchRequest, context: Context, outbox: Outbox): void {
  const group = state.groups.get(request.group)
  const isUnstable = group !== undefined && (group.pendingCount > 0 || isOpen(group, request.partitions))
  const error: ErrorName | null = !isActive(state) ? 'COORDINATOR_LOAD_IN_PROGRESS' : isUnstable ? 'UNSTABLE_OFFSET_COMMIT' : null
  const wanted = request.partitions === null ? [...(group?.offsets.keys() ?? [])].toSorted() : [...namesOf(request.partitions)]
  const found = error !== null ? [] : wanted.map((name) => group?.offsets.get(name))
  outbox.push({
    kind: 'send',
    to: context.from,
    message: {
      kind: 'offsetFetchResponse',
      correlationId: request.correlationId,
      errorCode: errorCodeOf(error),
      requested: wanted,
      offsets: found.flatMap((one) => (one === undefined ? [] : [withoutSince(one)])),
    },
  })
}

/** A transaction is open that will set the offset of one of these partitions, or (null) of any (KIP-447). */
function isOpen({ unstable }: Group, partitions: OffsetFetchRequest['partitions']): boolean {
  if (unstable === null || partitions === null) return unstable !== null
  return [...namesOf(partitions)].some((name) => unstable.has(name))
}

function withoutSince({ topic, partition, offset, metadata, topicId }: KeptOffset): TopicOffset {
  return { topic, partition, offset, metadata, topicId }
}

// ── deletions ──

/** Deletes a group that nobody is in: all that there is of it are its offsets. */
export function onDeleteGroup(state: GroupsState, request: DeleteGroupRequest, context: Context, outbox: Outbox): void {
  const group = state.groups.get(request.group)
  const refusal = refuseDeletion(state, group)
  if (group === undefined || refusal !== null) return answerDeletion(request, context.from, errorCodeOf(refusal), null, outbox)
  if (hasMembers(group)) return answerDeletion(request, context.from, codeOf('NON_EMPTY_GROUP'), null, outbox)
  deleteOffsets(state, group, [...group.offsets.keys()], request, context, outbox)
}

/** Deletes some offsets of a group, none of which a member may still commit (KIP-496). */
export function onOffsetDelete(state: GroupsState, request: OffsetDeleteRequest, context: Context, outbox: Outbox): void {
  const group = state.groups.get(request.group)
  const refusal = refuseDeletion(state, group)
  if (group === undefined || refusal !== null) return answerDeletion(request, context.from, errorCodeOf(refusal), null, outbox)
  // What those who are waited for want is not known.
  if (isExpected(group)) return answerDeletion(request, context.from, codeOf('NON_EMPTY_GROUP'), null, outbox)
  const subscribed = [...(group.membership?.members.values() ?? [])].flatMap(({ wishes }) => wishes.subscribedTopics)
  const wanted = new Set([...subscribed, ...(group.classic === null ? [] : topicsOfClassic(group.classic))])
  if (request.partitions.some(({ topic }) => wanted.has(topic)))
    return answerDeletion(request, context.from, codeOf('GROUP_SUBSCRIBED_TO_TOPIC'), null, outbox)
  const names = [...namesOf(request.partitions)].filter((name) => group.offsets.has(name))
  deleteOffsets(state, group, names, request, context, outbox)
}

function refuseDeletion(state: GroupsState, group: Group | undefined): ErrorName | null {
  if (!isActive(state)) return 'COORDINATOR_LOAD_IN_PROGRESS'
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  // What is on its way would come after the tombstones, or is one of them.
  return group.pendingCount > 0 || group.unstable !== null ? 'UNSTABLE_OFFSET_COMMIT' : null
}

function deleteOffsets(
  state: GroupsState,
  group: Group,
  names: readonly string[],
  { correlationId }: DeleteGroupRequest | OffsetDeleteRequest,
  context: Context,
  outbox: Outbox,
): void {
  const { from } = context
  if (names.length === 0) return answerDeletion({ correlationId }, from, NONE, null, outbox)
  write(state, group, { group: group.id, from, correlationId, commit: null, names }, tombstones(group, names), context, outbox)
}

/** Forgets the offsets of groups in which nobody has been for as long as they are kept. */
export function expireOffsets(state: GroupsState, context: Context, outbox: Outbox): void {
  const { offsetsRetentionMillis } = state.config
  if (offsetsRetentionMillis < 0 || !isActive(state)) return
  for (const group of state.groups.values()) {
    const { offsets, pendingCount, unstable, emptySince, id } = group
    if (hasMembers(group) || pendingCount > 0 || unstable !== null || offsets.size === 0) continue
    if (context.uptime - emptySince < offsetsRetentionMillis) continue
    const names = [...offsets.keys()]
    write(state, group, { group: id, from: null, correlationId: -1, commit: null, names }, tombstones(group, names), context, outbox)
  }
}

/**
 * Forgets offsets whose topic is gone, and says so in the log. Should that fail, they are found again after a restart. A partition with a commit
 * on its way is left alone: the tombstone would come after it.
 */
export function dropOrphans(state: GroupsState, response: MessageOf<'metadataResponse'>, context: Context, outbox: Outbox): void {
  for (const group of state.groups.values()) {
    const orphans = orphanedOffsets(group.offsets, response)
    const committing = orphans.length === 0 ? new Set() : namesOnTheWay(state, group)
    const dropped = orphans.filter((name) => !committing.has(name))
    if (dropped.length === 0) continue
    for (const name of dropped) group.offsets.delete(name)
    const message = appendRequest(state.log, state.nextCorrelationId++, tombstones(group, dropped), context.now)
    outbox.push({ kind: 'send', to: state.log.replica, message })
    dropIfGone(state, group)
  }
}

function namesOnTheWay(state: GroupsState, group: Group): Set<string> {
  const writes = [...state.pending.values()].filter((one) => one.group === group.id)
  const names = writes.flatMap(({ commit }) => commit?.offsets.map((one) => topicPartitionName(one.topic, one.partition)) ?? [])
  return new Set([...names, ...(group.unstable?.keys() ?? [])])
}

function tombstones({ id }: Group, names: readonly string[]): StateRecord[] {
  return names.map((name) => {
    const { topic, partition } = parseName(name)
    return { key: encodeOffsetKey(id, topic, partition), value: null }
  })
}

// ── the log ──

function write(
  state: GroupsState,
  group: Group,
  pending: PendingWrite,
  records: readonly StateRecord[],
  context: Context,
  outbox: Outbox,
): void {
  const correlationId = state.nextCorrelationId++
  state.pending.set(correlationId, pending)
  group.pendingCount++
  outbox.push({ kind: 'send', to: state.log.replica, message: appendRequest(state.log, correlationId, records, context.now) })
}

/** A write is in the log, or will never be. */
export function onWritten(state: GroupsState, response: MessageOf<'produceResponse'>, context: Context, outbox: Outbox): void {
  const pending = state.pending.get(response.correlationId)
  const group = pending === undefined ? undefined : state.groups.get(pending.group)
  if (pending === undefined || group === undefined) return
  state.pending.delete(response.correlationId)
  group.pendingCount--
  const { errorCode, errorMessage } = response
  if (errorCode === NONE) take(state, group, pending, response.baseOffset, context)
  dropIfGone(state, group)
  const { from, commit, correlationId } = pending
  if (from === null) return
  if (commit === null) answerDeletion({ correlationId }, from, errorCode, errorMessage, outbox)
  else answerCommit(commit, from, errorCode, errorMessage, outbox)
}

function take(state: GroupsState, group: Group, { commit, names }: PendingWrite, baseOffset: number, { uptime }: Context): void {
  commit?.offsets.forEach((one, i) => keepOffset(group.offsets, one, baseOffset + i, state.nextCorrelationId, state.texts))
  for (const name of names) group.offsets.delete(name)
  // Who commits from outside uses the group, too.
  if (commit !== null && !hasMembers(group)) group.emptySince = uptime
}

function answerCommit(request: OffsetCommitRequest, to: Address, errorCode: number, errorMessage: string | null, outbox: Outbox): void {
  const { correlationId } = request
  outbox.push({ kind: 'send', to, message: { kind: 'offsetCommitResponse', correlationId, errorCode, errorMessage } })
}

function answerDeletion(
  { correlationId }: Pick<DeleteGroupRequest, 'correlationId'>,
  to: Address,
  errorCode: number,
  errorMessage: string | null,
  outbox: Outbox,
): void {
  outbox.push({ kind: 'send', to, message: { kind: 'groupDeletionResponse', correlationId, errorCode, errorMessage } })
}
