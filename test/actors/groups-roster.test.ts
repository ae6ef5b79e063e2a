// The roster of a group: nobody is in it before the log names them, and whoever a former coordinator knew is called, and waited for.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { decodeMemberRecord } from '../../coordinator/groups/member-record.ts'
import { encodeSubscription } from '../../coordinator/groups/classic/consumer-protocol.ts'
import { codeOf, errorOf, NONE } from '../../protocol/errors.ts'
import type { JoinGroupRequest } from '../../protocol/messages/classic-group.ts'
import type { GroupHeartbeatResponse } from '../../protocol/messages/group.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { bareStage, beat, commit, commitOf, groupIn, heartbeat, loaded, rosterOf, written } from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const METADATA = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generationId: -1, rackId: null })

/** Active, with these members of `g` in its log; the test plays the log. */
function started(members: readonly string[], graceMillis: number): { stage: Stage<GroupsState>; effects: Effect[] } {
  const stage = bareStage({ graceMillis })
  stage.deliver({ kind: 'started' })
  stage.deliver(members.length === 0 ? fetched(null, 0) : fetched(rosterOf('g', ...members), members.length))
  return { stage, effects: members.length === 0 ? [] : stage.deliver(topicsAnswer({ t: [0, 0] })) }
}

/** Active, after a former coordinator that has written down a member that asked to join. */
function succeeded(join: JoinGroupRequest): Stage<GroupsState> {
  const { records } = sentOne(started([], 0).stage.deliver(join), 'produce')
  const stage = bareStage({ graceMillis: 400 })
  stage.deliver({ kind: 'started' })
  stage.deliver(fetched(records, 1))
  stage.deliver(topicsAnswer({ t: [0, 0] }))
  return stage
}

/** Whom it writes down, and whom it strikes (`-m`), in order. */
function roster(effects: readonly Effect[]): string[] {
  const records = sent(effects, 'produce').flatMap(({ records: bytes }) => readRecords(bytes, 0))
  const members = records.map(({ key, value }) => decodeMemberRecord(key, value))
  return members.map((one) => `${one?.member === null ? '-' : ''}${one?.memberId}`)
}

function answerOf(effects: readonly Effect[]): Pick<GroupHeartbeatResponse, 'errorCode' | 'memberEpoch' | 'assignment'> {
  return sentOne(effects, 'consumerGroupHeartbeatResponse')
}

function classicJoin(memberId: string, correlationId: number, instanceId: string | null = null): JoinGroupRequest {
  const protocols = [{ name: 'range', metadata: METADATA }]
  const times = { sessionTimeoutMillis: 1000, rebalanceTimeoutMillis: 5000 }
  const asked = { group: 'g', clientId: 'a', memberId, instanceId, protocolType: 'consumer', protocols, ...times }
  return { kind: 'joinGroup', correlationId, ...asked, requiresKnownMemberId: true, supportsSkippingAssignment: true }
}

describe('a member', () => {
  test('is in the group, and answered, when the log names it', () => {
    const { stage } = started([], 0)
    const effects = beat(stage, 'm', 0)
    expect(roster(effects)).toEqual(['m'])
    expect(sent(effects, 'consumerGroupHeartbeatResponse')).toEqual([])
    expect(groupIn(stage).membership?.members.size ?? 0).toBe(0)
    expect(answerOf(written(stage, sentOne(effects, 'produce').correlationId)).memberEpoch).toBe(1)
    expect(groupIn(stage).membership?.members.has('m')).toBe(true)
  })

  test('that the log does not take asks again, and is nobody until then', () => {
    const { stage } = started([], 0)
    const effects = beat(stage, 'm', 0)
    const refused = written(stage, sentOne(effects, 'produce').correlationId, 'NOT_ENOUGH_REPLICAS')
    expect(answerOf(refused).errorCode).toBe(codeOf('COORDINATOR_NOT_AVAILABLE'))
    // It may be in the log all the same.
    expect(roster(refused)).toEqual(['-m'])
    expect(stage.state.groups.size).toBe(0)
  })

  test('that asks twice is written down once; a newer request takes the place of the one before', () => {
    const { stage } = started([], 0)
    const first = heartbeat('m', 0)
    const one = sentOne(stage.deliver(first), 'produce').correlationId
    expect(stage.deliver(first)).toEqual([])
    const other = sentOne(beat(stage, 'm', 0), 'produce').correlationId
    expect(written(stage, one)).toEqual([])
    expect(answerOf(written(stage, other)).memberEpoch).toBe(1)
  })

  test('that joins again is written down again: what it had sent before says nothing any more', () => {
    const stage = loaded()
    const before = heartbeat('m', 0)
    stage.deliver(before)
    beat(stage, 'm', 0)
    const joinId = groupIn(stage).roster?.named.get('m')?.joinId
    expect(joinId).toBeGreaterThan(before.correlationId)
  })

  test('that leaves while it is being written down is nobody', () => {
    const { stage } = started([], 0)
    const joins = sentOne(beat(stage, 'm', 0), 'produce').correlationId
    expect(roster(beat(stage, 'm', -1))).toEqual(['-m'])
    expect(written(stage, joins)).toEqual([])
    expect(stage.state.groups.size).toBe(0)
  })

  test('that leaves is answered when the log does not name it any more, or hears that it must say so again', () => {
    const { stage } = started([], 0)
    for (const name of ['m', 'n']) written(stage, sentOne(beat(stage, name, 0), 'produce').correlationId)
    for (const [name, error] of [
      ['m', undefined],
      ['n', 'NOT_LEADER_OR_FOLLOWER'],
    ] as const) {
      const farewell = beat(stage, name, -1)
      expect(sent(farewell, 'consumerGroupHeartbeatResponse')).toEqual([])
      const answer = answerOf(written(stage, sentOne(farewell, 'produce').correlationId, error))
      expect(answer.errorCode).toBe(error === undefined ? NONE : codeOf('COORDINATOR_NOT_AVAILABLE'))
    }
    // Nothing is written of whom nobody knows.
    expect(answerOf(beat(stage, 'o', -1)).errorCode).toBe(NONE)
    // Who says so again waits for another write.
    const again = beat(stage, 'n', -1)
    expect(sent(again, 'consumerGroupHeartbeatResponse')).toEqual([])
    expect(roster(again)).toEqual(['-n'])
    expect(answerOf(written(stage, sentOne(again, 'produce').correlationId)).errorCode).toBe(NONE)
  })

  test('of a classic group that leaves once more is answered when the log does not name it any more, although nothing else is left of its group', () => {
    const { stage } = started(['m'], 400)
    const leave = (correlationId: number): Effect[] =>
      stage.deliver({ kind: 'leaveGroup', correlationId, group: 'g', members: [{ memberId: 'm', instanceId: null }] })
    const refused = written(stage, sentOne(leave(1), 'produce').correlationId, 'NOT_ENOUGH_REPLICAS')
    expect(sentOne(refused, 'leaveGroupResponse').errorCode).toBe(codeOf('COORDINATOR_NOT_AVAILABLE'))
    expect(stage.state.groups.size).toBe(0)
    const again = leave(2)
    expect(sent(again, 'leaveGroupResponse')).toEqual([])
    expect(roster(again)).toEqual(['-m'])
    expect(sentOne(written(stage, sentOne(again, 'produce').correlationId), 'leaveGroupResponse').errorCode).toBe(NONE)
  })

  test('is struck again after a while when the log has refused it; not if it has been named again', () => {
    const { stage } = started([], 0)
    const join = (name: string): Effect[] => written(stage, sentOne(beat(stage, name, 0), 'produce').correlationId)
    for (const name of ['m', 'n']) join(name)
    stage.uptime = 5000
    const strikes = sent(stage.deliver({ kind: 'timerFired', timer: 'sessions' }), 'produce')
    for (const { correlationId } of strikes) written(stage, correlationId, 'NOT_ENOUGH_REPLICAS')
    join('m')
    const again = stage.deliver({ kind: 'timerFired', timer: 'refresh' })
    expect(roster(again)).toEqual(['-n'])
    written(stage, sentOne(again, 'produce').correlationId)
    expect(roster(stage.deliver({ kind: 'timerFired', timer: 'refresh' }))).toEqual([])
  })

  test('that leaves, or is silent for too long, is struck', () => {
    const { stage } = started([], 0)
    for (const name of ['m', 'n']) written(stage, sentOne(beat(stage, name, 0), 'produce').correlationId)
    expect(roster(beat(stage, 'm', -1))).toEqual(['-m'])
    stage.uptime = 5000
    expect(roster(stage.deliver({ kind: 'timerFired', timer: 'sessions' }))).toEqual(['-n'])
    expect(stage.state.groups.size).toBe(0)
  })
})

describe('members that a former coordinator knew', () => {
  test('are called as soon as there is somebody to ask', () => {
    const { effects } = started(['m', 'n'], 400)
    const called = effects.filter((effect) => effect.kind === 'send' && effect.message.kind === 'groupChanged')
    expect(called).toMatchObject([{ to: { node: -1, actor: 'm' } }, { to: { node: -1, actor: 'n' } }])
  })

  test('are waited for; when all have come, or left, partitions are handed out', () => {
    const stage = loaded(rosterOf('g', 'm', 'n'), 2, { graceMillis: 400 })
    expect(answerOf(beat(stage, 'm', 3, [0])).errorCode).toBe(codeOf('UNKNOWN_MEMBER_ID'))
    const { memberEpoch } = answerOf(beat(stage, 'm', 0))
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    expect(answerOf(beat(stage, 'm', memberEpoch)).assignment).toEqual([])
    const farewell = beat(stage, 'n', -1)
    expect(sent(farewell, 'groupChanged').map(({ memberId }) => memberId)).toEqual(['m'])
    expect(answerOf(beat(stage, 'm', memberEpoch)).assignment).toEqual([{ topic: 't', partitions: [0, 1] }])
  })

  test('that nobody hears of are struck when their time is over', () => {
    const { stage } = started(['m', 'n'], 400)
    written(stage, sentOne(beat(stage, 'm', 0), 'produce').correlationId)
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    stage.uptime = 400
    const effects = stage.deliver({ kind: 'timerFired', timer: 'grace' })
    expect(sent(effects, 'groupChanged').map(({ memberId }) => memberId)).toEqual(['m'])
    expect(roster(stage.deliver({ kind: 'timerFired', timer: 'missing' }))).toEqual(['-n'])
  })

  test('keep it from being empty for a while when they hold nothing any more: they may be about to come', () => {
    const { stage } = started(['m'], 400)
    const deletion = (): readonly Effect[] => stage.deliver({ kind: 'deleteGroup', correlationId: 2, group: 'g' })
    stage.deliver({ kind: 'timerFired', timer: 'grace' })
    expect(sentOne(deletion(), 'groupDeletionResponse').errorCode).toBe(codeOf('NON_EMPTY_GROUP'))
    stage.deliver({ kind: 'timerFired', timer: 'missing' })
    expect(sentOne(deletion(), 'groupDeletionResponse').errorCode).toBe(codeOf('GROUP_ID_NOT_FOUND'))
  })

  test('are all that there was of a group: it is gone when nobody has come', () => {
    const { stage } = started(['m'], 400)
    stage.deliver({ kind: 'timerFired', timer: 'missing' })
    expect(stage.state.groups.size).toBe(0)
  })

  test('are no reason to wait for an answer about topics when they are given up', () => {
    const stage = bareStage({ graceMillis: 400 })
    stage.deliver({ kind: 'started' })
    stage.deliver(fetched(rosterOf('g', 'm'), 1))
    stage.deliver({ kind: 'timerFired', timer: 'missing' })
    expect(roster(beat(stage, 'n', 0))).toEqual(['n'])
  })

  test('have not come if what comes was sent before', () => {
    const stage = loaded(rosterOf('g', 'm', 'n'), 2, { graceMillis: 400 })
    expect(beat(stage, 'm', 0, [], 7)).toEqual([])
    expect(beat(stage, 'm', -1, [], 6)).toEqual([])
    expect([...(groupIn(stage).roster?.missing.keys() ?? [])]).toEqual(['m', 'n'])
  })

  test('are said to be in the group', () => {
    const stage = loaded(rosterOf('g', 'm', 'n'), 2, { graceMillis: 400 })
    beat(stage, 'm', 0)
    const described = sentOne(stage.deliver({ kind: 'describeGroup', correlationId: 2, group: 'g' }), 'describeGroupResponse')
    expect(described.state).toBe('reconciling')
    expect(described.members).toMatchObject([
      { memberId: 'm', subscribedTopics: ['t'] },
      { memberId: 'n', memberEpoch: 0, subscribedTopics: [], assignment: [] },
    ])
  })

  test('keep the group from being empty: nobody else commits for it, or deletes it', () => {
    const stage = loaded(rosterOf('g', 'm'), 1, { graceMillis: 400 })
    expect(sentOne(commit(stage, 1, [commitOf(0, 5)]), 'offsetCommitResponse').errorCode).toBe(codeOf('UNKNOWN_MEMBER_ID'))
    const deletion = stage.deliver({ kind: 'deleteGroup', correlationId: 2, group: 'g' })
    expect(sentOne(deletion, 'groupDeletionResponse').errorCode).toBe(codeOf('NON_EMPTY_GROUP'))
    // Nor when the last of them has come, and is being written down.
    const { stage: other } = started(['m'], 400)
    beat(other, 'm', 0)
    const early = other.deliver({ kind: 'deleteGroup', correlationId: 4, group: 'g' })
    expect(sentOne(early, 'groupDeletionResponse').errorCode).toBe(codeOf('NON_EMPTY_GROUP'))
    const some = stage.deliver({ kind: 'offsetDelete', correlationId: 3, group: 'g', partitions: [{ topic: 't', partitions: [0] }] })
    expect(sentOne(some, 'groupDeletionResponse').errorCode).toBe(codeOf('NON_EMPTY_GROUP'))
  })
})

describe('a classic group', () => {
  const joinId = (effects: readonly Effect[]): string => sentOne(effects, 'joinGroupResponse').memberId

  test('waits for the log before a member counts', () => {
    const { stage } = started([], 0)
    const memberId = joinId(stage.deliver(classicJoin('', 1001)))
    const effects = stage.deliver(classicJoin(memberId, 1002))
    expect(roster(effects)).toEqual([memberId])
    expect(groupIn(stage).classic?.members.size).toBe(0)
    written(stage, sentOne(effects, 'produce').correlationId)
    expect(groupIn(stage).classic?.members.size).toBe(1)
  })

  test('takes the newest request when the log has the name, however often the member has asked', () => {
    const { stage } = started([], 0)
    const memberId = joinId(stage.deliver(classicJoin('', 1001)))
    const effects = stage.deliver(classicJoin(memberId, 1002))
    expect(stage.deliver(classicJoin(memberId, 1003))).toEqual([])
    written(stage, sentOne(effects, 'produce').correlationId)
    stage.uptime = 100
    expect(sentOne(stage.deliver({ kind: 'timerFired', timer: 'classic' }), 'joinGroupResponse').correlationId).toBe(1003)
  })

  test('names a static member once, however often it asks', () => {
    const { stage } = started([], 0)
    const asked = [1001, 1002, 1003].map((id) => stage.deliver(classicJoin('', id, 'i')))
    expect(asked.map((effects) => roster(effects).length)).toEqual([1, 0, 0])
  })

  test('does not wait for a static member that has never heard its id, and asks again', () => {
    const stage = succeeded(classicJoin('', 1001, 'i'))
    const missing = (): number => groupIn(stage).roster?.missing.size ?? 0
    stage.deliver(classicJoin('', 1001, 'i'))
    expect(missing()).toBe(1)
    stage.deliver(classicJoin('', 1002, 'j'), { node: -1, actor: 'another' })
    expect(missing()).toBe(1)
    stage.deliver(classicJoin('', 1002, 'i'))
    expect(missing()).toBe(0)
  })

  test('does not wait for a static member that is there in another life', () => {
    const stage = succeeded(classicJoin('', 1001, 'i'))
    stage.deliver(classicJoin('', 5, 'i'), { node: -2, actor: 'a' })
    expect(groupIn(stage).roster?.missing.size).toBe(0)
  })

  test('tells a member that the log does not take to ask again', () => {
    const { stage } = started([], 0)
    const effects = stage.deliver(classicJoin('', 1001, 'i'))
    const refused = written(stage, sentOne(effects, 'produce').correlationId, 'NOT_ENOUGH_REPLICAS')
    expect(errorOf(sentOne(refused, 'joinGroupResponse').errorCode).name).toBe('COORDINATOR_NOT_AVAILABLE')
  })

  test('begins its first generation when all that were there before have let go', () => {
    const stage = loaded(rosterOf('g', 'b'), 1, { graceMillis: 3000 })
    const memberId = joinId(stage.deliver(classicJoin('', 1001)))
    stage.deliver(classicJoin(memberId, 1002))
    stage.uptime = 100
    expect(sent(stage.deliver({ kind: 'timerFired', timer: 'classic' }), 'joinGroupResponse')).toEqual([])
    stage.deliver({ kind: 'leaveGroup', correlationId: 1003, group: 'g', members: [{ memberId: 'b', instanceId: null }] })
    expect(joinId(stage.deliver({ kind: 'timerFired', timer: 'classic' }))).toBe(memberId)
  })
})
