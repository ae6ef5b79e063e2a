/**
 * What operators ask the coordinator of share groups: which there are, what is in them, and that they be forgotten; and what leaders ask: how far they are.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { ShareGroupStateName } from '../protocol/messages/share.ts'
import { countOf } from '../coordinator/share/share-partition.ts'
import type { Context, Outbox } from './actor.ts'
import { noteChange, shareName } from './shares-state.ts'
import type { ShareGroup, SharesState } from './shares-state.ts'

/** Leaders that wait for a write at a time; the oldest asks again when there are more. */
const OFFSETS_ASKED_MAX = 10_000

/** Describes a group; not one without members while they may not have come yet. */
export function onDescribeShareGroup(
  state: SharesState,
  request: MessageOf<'describeShareGroup'>,
  { from: to, uptime }: Context,
  outbox: Outbox,
): void {
  const { correlationId } = request
  const group = state.groups.get(request.group)
  const errorCode = errorCodeOf(refusalOf(state) ?? (hasMembers(group) ? null : refuseUnsure(state, group, uptime)))
  const members = [...(group?.members.values() ?? [])].map(({ memberId, current }) => ({ memberId, topics: current.request.topics }))
  const partitions = [...(group?.partitions.values() ?? [])].map((share) => {
    const { topic, topicId, partition, startOffset, nextOffset } = share
    const done = countOf(share, ['acknowledged', 'archived'])
    return { topic, topicId, partition, startOffset, nextOffset, acquired: countOf(share, ['acquired']), done }
  })
  const isBefore = (a: { topic: string; partition: number }, b: { topic: string; partition: number }): number =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1
  const about = { state: stateOf(group), members, partitions: partitions.toSorted(isBefore) }
  outbox.push({ kind: 'send', to, message: { kind: 'describeShareGroupResponse', correlationId, errorCode, ...about } })
}

/** A leader asks how far a group is in its partition. */
export function onDescribeOffsets(
  state: SharesState,
  request: MessageOf<'describeShareGroupOffsets'>,
  from: Address,
  outbox: Outbox,
): void {
  const { correlationId, group, topicId, partition } = request
  const refusal = refusalOf(state)
  if (refusal !== null) return answerOffset(from, correlationId, refusal, -1, outbox)
  const startOffset = state.groups.get(group)?.partitions.get(shareName({ topicId, partition }))?.startOffset ?? -1
  state.offsetsAsked.push({ from, correlationId, change: state.changeCount, startOffset })
  if (state.offsetsAsked.length > OFFSETS_ASKED_MAX) state.offsetsAsked.shift()
}

/** Answers those whose offset is in the log: a coordinator that follows will not go back behind it. */
export function answerOffsets(state: SharesState, outbox: Outbox): void {
  if (state.offsetsAsked.length === 0) return
  const { writtenCount } = state
  for (const { from, correlationId, change, startOffset } of state.offsetsAsked)
    if (change <= writtenCount) answerOffset(from, correlationId, null, startOffset, outbox)
  state.offsetsAsked = state.offsetsAsked.filter(({ change }) => change > writtenCount)
}

function answerOffset(to: Address, correlationId: number, error: ErrorName | null, startOffset: number, outbox: Outbox): void {
  const message = { kind: 'describeShareGroupOffsetsResponse', correlationId, errorCode: errorCodeOf(error), startOffset } as const
  outbox.push({ kind: 'send', to, message })
}

/** Lists all groups. */
export function onListShareGroups(state: SharesState, { correlationId }: MessageOf<'listShareGroups'>, to: Address, outbox: Outbox): void {
  const errorCode = errorCodeOf(refusalOf(state))
  const groups = [...state.groups.values()].map((one) => ({ group: one.id, state: stateOf(one) }))
  const sorted = groups.toSorted((a, b) => (a.group < b.group ? -1 : 1))
  outbox.push({ kind: 'send', to, message: { kind: 'listShareGroupsResponse', correlationId, errorCode, groups: sorted } })
}

/** Forgets a group; whoever asks waits until that is written. */
export function onDeleteShareGroup(
  state: SharesState,
  request: MessageOf<'deleteShareGroup'>,
  { from: to, uptime }: Context,
  outbox: Outbox,
): void {
  const { correlationId } = request
  const group = state.groups.get(request.group)
  const refusal = refusalOf(state) ?? (hasMembers(group) ? 'NON_EMPTY_GROUP' : refuseUnsure(state, group, uptime))
  if (refusal !== null || group === undefined) return answerDeletion(to, correlationId, refusal, outbox)
  for (const share of group.partitions.values()) noteChange(state, share)
  state.groups.delete(group.id)
  state.deletions.push({ from: to, correlationId, change: state.changeCount })
}

/** Answers deletions that are written. */
export function answerDeletions(state: SharesState, outbox: Outbox, error: ErrorName | null = null): void {
  const { writtenCount } = state
  for (const { from, correlationId, change } of state.deletions)
    if (change <= writtenCount) answerDeletion(from, correlationId, error, outbox)
  state.deletions = state.deletions.filter(({ change }) => change > writtenCount)
}

/** Nobody is in it, as far as is known. Whoever asks again a while later hears whether somebody has come. */
function refuseUnsure({ expectUntil }: SharesState, group: ShareGroup | undefined, uptime: number): ErrorName | null {
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  return uptime < expectUntil ? 'COORDINATOR_LOAD_IN_PROGRESS' : null
}

function answerDeletion(to: Address, correlationId: number, error: ErrorName | null, outbox: Outbox): void {
  outbox.push({ kind: 'send', to, message: { kind: 'deleteShareGroupResponse', correlationId, errorCode: errorCodeOf(error) } })
}

function refusalOf({ phase }: SharesState): ErrorName | null {
  return phase === 'active' ? null : 'COORDINATOR_LOAD_IN_PROGRESS'
}

function errorCodeOf(error: ErrorName | null): number {
  return error === null ? NONE : codeOf(error)
}

function stateOf(group: ShareGroup | undefined): ShareGroupStateName {
  return hasMembers(group) ? 'stable' : 'empty'
}

function hasMembers(group: ShareGroup | undefined): boolean {
  return group !== undefined && group.members.size > 0
}
