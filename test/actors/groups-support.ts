// A coordinator of groups, and the members, leaders and administrators that it talks to, as a test plays them.

import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/groups.ts'
import type { Group, GroupsConfig, GroupsState } from '../../actors/groups-state.ts'
import { decodeMemberRecord, encodeMemberKey, encodeMemberValue } from '../../coordinator/groups/member-record.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../../coordinator/groups/offset-record.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { GroupHeartbeatRequest, TopicOffset } from '../../protocol/messages/group.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const config: GroupsConfig = {
  partition: 3,
  topicId: 2,
  leaderEpoch: 0,
  coordinatorNodes: [0],
  graceMillis: 0,
  expectMillis: 0,
  leaseUntil: Infinity,
  offsetsRetentionMillis: -1,
}

/** A committed offset of `t`. */
export function commitOf(partition: number, offset: number, topicId = 5): TopicOffset {
  return { topic: 't', partition, offset, metadata: '', topicId }
}

/** The bytes of commits as they lie in the log. */
export function logOf(...commits: readonly (readonly [group: string, committed: TopicOffset, what?: 'tombstone'])[]): Uint8Array {
  const records = commits.map(([group, one, what]) => ({
    key: encodeOffsetKey(group, one.topic, one.partition),
    value: what === 'tombstone' ? null : encodeOffsetValue(one, 0),
  }))
  return appendRequest(openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 }), 1, records, 0).records
}

/** The bytes of a log that names these members of a group: each joined by its request 7, and is heard from a client of its name. */
export function rosterOf(group: string, ...memberIds: readonly string[]): Uint8Array {
  const records = memberIds.map((memberId) => ({
    key: encodeMemberKey(group, memberId),
    value: encodeMemberValue({ joinId: 7, address: { node: -1, actor: memberId }, instanceId: null }),
  }))
  return appendRequest(openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 }), 1, records, 0).records
}

/** A coordinator that has not begun, with a log that takes at once whom it names. */
export function groupsStage(changes: Partial<GroupsConfig> = {}): Stage<GroupsState> {
  const stage = bareStage(changes)
  const answered = (effect: Effect): Effect[] => {
    const writeId = rosterWrite(effect)
    return writeId === null ? [effect] : written(stage, writeId)
  }
  const deliver = stage.deliver.bind(stage)
  stage.deliver = (message, from) => deliver(message, from).flatMap(answered)
  return stage
}

/** A coordinator that has not begun; the test plays its log. */
export function bareStage(changes: Partial<GroupsConfig> = {}): Stage<GroupsState> {
  return stageOf(actor, { node: 1, actor: 'groups/3' }, { ...config, ...changes })
}

/** The correlation id of a write that names members, or strikes them; null: it is something else. */
function rosterWrite(effect: Effect): number | null {
  if (effect.kind !== 'send' || effect.message.kind !== 'produce') return null
  const { records, correlationId } = effect.message
  return readRecords(records, 0).every(({ key, value }) => decodeMemberRecord(key, value) !== null) ? correlationId : null
}

/** A coordinator that has read its log, and found the topics of its offsets. */
export function loaded(records: Uint8Array | null = null, highWatermark = 0, changes: Partial<GroupsConfig> = {}): Stage<GroupsState> {
  const stage = groupsStage(changes)
  stage.deliver({ kind: 'started' })
  if (sent(stage.deliver(fetched(records, highWatermark)), 'metadata').length > 0) stage.deliver(topicsAnswer({ t: [0, 0] }))
  return stage
}

/** The group `g`, which must be there. */
export function groupIn({ state }: Stage<GroupsState>): Group {
  const group = state.groups.get('g')
  if (group === undefined) throw new Error('there is no group g')
  return group
}

let heartbeats = 0

/** The correlation id of the newest heartbeat. */
export function newestHeartbeat(): number {
  return heartbeats
}

/** A heartbeat of a member of `g`, newer than all before it. */
export function heartbeat(memberId: string, memberEpoch: number, changes: Partial<GroupHeartbeatRequest> = {}): GroupHeartbeatRequest {
  return {
    kind: 'consumerGroupHeartbeat',
    correlationId: ++heartbeats,
    group: 'g',
    memberId,
    instanceId: null,
    memberEpoch,
    sessionTimeoutMillis: 1000,
    rebalanceTimeoutMillis: 5000,
    subscribedTopics: ['t'],
    topicPattern: null,
    assignor: null,
    ownedPartitions: [],
    ...changes,
  }
}

/** A member says that it is there, and owns these partitions of `t`. */
export function beat(
  stage: Stage<GroupsState>,
  memberId: string,
  memberEpoch: number,
  owned: readonly number[] = [],
  correlationId: number = ++heartbeats,
): Effect[] {
  const ownedPartitions = owned.length === 0 ? [] : [{ topic: 't', partitions: owned }]
  return stage.deliver(heartbeat(memberId, memberEpoch, { correlationId, ownedPartitions }))
}

/** A group whose member `m` has both partitions of `t`; its epoch. */
export function withMember(): { stage: Stage<GroupsState>; epoch: number } {
  const stage = loaded()
  beat(stage, 'm', 0)
  stage.deliver(topicsAnswer({ t: [0, 0] }))
  const { memberEpoch } = sentOne(beat(stage, 'm', 1), 'consumerGroupHeartbeatResponse')
  return { stage, epoch: memberEpoch }
}

/** Somebody commits: an outsider, or a member. */
export function commit(
  stage: Stage<GroupsState>,
  correlationId: number,
  offsets: readonly TopicOffset[],
  memberId = '',
  memberEpoch = -1,
): Effect[] {
  return stage.deliver({ kind: 'offsetCommit', correlationId, group: 'g', memberId, memberEpoch, offsets })
}

/** The log has taken a write, or refuses it. */
export function written(stage: Stage<GroupsState>, correlationId: number, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? 0 : codeOf(error)
  return stage.deliver({
    kind: 'produceResponse',
    correlationId,
    errorCode,
    errorMessage: null,
    baseOffset: 0,
    logAppendTime: -1,
    logStartOffset: 0,
  })
}

/** The answer to who asks for all offsets of `g`. */
export function ask(stage: Stage<GroupsState>, group = 'g'): string[] {
  return lines(stage.deliver({ kind: 'offsetFetch', correlationId: 99, group, partitions: null }))
}
