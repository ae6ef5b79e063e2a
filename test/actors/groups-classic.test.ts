// The coordinator of groups and members that speak the classic protocol: who is answered when, who is refused, and what becomes of offsets.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { encodeAssignment, encodeSubscription } from '../../coordinator/groups/classic/consumer-protocol.ts'
import { codeOf, errorOf, NONE } from '../../protocol/errors.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/classic-group.ts'
import { beat, commit, commitOf, groupIn, groupsStage, loaded, logOf, rosterOf, written } from './groups-support.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

let requests = 1000

const METADATA = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generationId: -1, rackId: null })

const given = (...partitions: readonly number[]): string => encodeAssignment({ partitions: [{ topic: 't', partitions }], userData: null })

function join(stage: Stage<GroupsState>, client: string, changes: Partial<JoinGroupRequest> = {}): Effect[] {
  const request: JoinGroupRequest = {
    kind: 'joinGroup',
    correlationId: ++requests,
    group: 'g',
    clientId: client,
    sessionTimeoutMillis: 1000,
    rebalanceTimeoutMillis: 5000,
    memberId: '',
    instanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: METADATA }],
    requiresKnownMemberId: true,
    supportsSkippingAssignment: true,
    ...changes,
  }
  return stage.deliver(request, { node: -1, actor: client })
}

function pass(stage: Stage<GroupsState>, millis: number): Effect[] {
  stage.uptime += millis
  return stage.deliver({ kind: 'timerFired', timer: 'classic' }, stage.self)
}

function sync(stage: Stage<GroupsState>, memberId: string, assignments: Readonly<Record<string, string>> = {}): Effect[] {
  return stage.deliver({
    kind: 'syncGroup',
    correlationId: ++requests,
    group: 'g',
    generationId: groupIn(stage).classic!.generationId,
    memberId,
    instanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: Object.entries(assignments).map(([id, assignment]) => ({ memberId: id, assignment })),
  })
}

function heartbeat(stage: Stage<GroupsState>, memberId: string, generationId = 1, correlationId = ++requests): Effect[] {
  return stage.deliver({ kind: 'heartbeat', correlationId, group: 'g', generationId, memberId, instanceId: null })
}

/** What became of a request. */
function errorName(
  effects: readonly Effect[],
  kind: 'joinGroupResponse' | 'syncGroupResponse' | 'heartbeatResponse' | 'offsetCommitResponse',
): string {
  const { errorCode } = sentOne(effects, kind)
  return errorCode === NONE ? 'fine' : errorOf(errorCode).name
}

/** Two members, the first of which leads and has t-0; the other one has t-1. */
function stable(stage: Stage<GroupsState> = loaded()): { stage: Stage<GroupsState>; leader: string; other: string } {
  const [leader = '', other = ''] = ['a', 'b'].map((client) => {
    const { memberId } = sentOne(join(stage, client), 'joinGroupResponse')
    join(stage, client, { memberId })
    return memberId
  })
  pass(stage, 50)
  sync(stage, leader, { [leader]: given(0), [other]: given(1) })
  sync(stage, other)
  return { stage, leader, other }
}

describe('joining', () => {
  test('a member id begins with the name of the client, and is given once', () => {
    const stage = loaded()
    const ids = ['a', 'a'].map((client) => sentOne(join(stage, client), 'joinGroupResponse'))
    expect(ids.map(({ errorCode }) => errorOf(errorCode).name)).toEqual(['MEMBER_ID_REQUIRED', 'MEMBER_ID_REQUIRED'])
    expect(ids.every(({ memberId }) => memberId.startsWith('a-'))).toBe(true)
    expect(ids[0]?.memberId).not.toBe(ids[1]?.memberId)
  })

  test('all are answered when the time has come, each where it asked', () => {
    const stage = loaded()
    const { memberId } = sentOne(join(stage, 'a'), 'joinGroupResponse')
    const joined = join(stage, 'a', { memberId })
    expect(joined).toContainEqual({ kind: 'startTimer', timer: 'classic', afterMillis: 50 })
    join(stage, 'b', { instanceId: 'i' })
    const effects = pass(stage, 50)
    const answers: JoinGroupResponse[] = sent(effects, 'joinGroupResponse')
    expect(answers.map((one) => [one.generationId, one.leader === memberId, one.members.length])).toEqual([
      [1, true, 2],
      [1, true, 0],
    ])
    expect(effects.flatMap((effect) => (effect.kind === 'send' ? [effect.to.actor] : []))).toEqual(['a', 'b'])
  })

  test('what comes twice, or late, changes nothing', () => {
    const { stage, leader } = stable()
    const late = requests - 10
    expect(heartbeat(stage, leader, 1, late)).toEqual([])
    expect(join(stage, 'a', { memberId: leader, correlationId: late })).toEqual([])
    const request = { instanceId: 'i', correlationId: 2000 }
    const before = join(stage, 'c', request)
    expect(join(stage, 'c', request)).toEqual([])
    expect(sent(before, 'groupChanged')).toHaveLength(2)
  })

  test('is not possible before the log is read, nor when another node may be in charge', () => {
    expect(errorName(join(groupsStage(), 'a'), 'joinGroupResponse')).toBe('COORDINATOR_LOAD_IN_PROGRESS')
    const { stage, leader } = stable()
    stage.deliver({ kind: 'leaseExtended', until: 100 })
    stage.uptime = 100
    expect(errorName(join(stage, 'c'), 'joinGroupResponse')).toBe('NOT_COORDINATOR')
    expect(errorName(sync(stage, leader), 'syncGroupResponse')).toBe('NOT_COORDINATOR')
    expect(errorName(heartbeat(stage, leader), 'heartbeatResponse')).toBe('NOT_COORDINATOR')
    expect(pass(stage, 10_000)).toEqual([{ kind: 'startTimer', timer: 'classic', afterMillis: 250 }])
    expect(groupIn(stage).classic?.members.size).toBe(2)
    stage.deliver({ kind: 'leaseExtended', until: 1_000_000 })
    pass(stage, 250)
    expect(stage.state.groups.size).toBe(0)
  })

  test('the first generation waits until members of the coordinator before are gone', () => {
    const stage = loaded(rosterOf('g', 'b'), 1, { graceMillis: 3000 })
    join(stage, 'a', { instanceId: 'i' })
    expect(sent(pass(stage, 2999), 'joinGroupResponse')).toEqual([])
    expect(sent(pass(stage, 1), 'joinGroupResponse')).toHaveLength(1)
  })
})

describe('one protocol at a time', () => {
  test('who speaks the other one is refused while somebody is in the group', () => {
    const stage = loaded()
    beat(stage, 'm', 0)
    expect(errorName(join(stage, 'a'), 'joinGroupResponse')).toBe('INCONSISTENT_GROUP_PROTOCOL')
    beat(stage, 'm', -1)
    const classic = stable(stage)
    expect(sentOne(beat(stage, 'm', 0), 'consumerGroupHeartbeatResponse').errorCode).toBe(codeOf('INCONSISTENT_GROUP_PROTOCOL'))
    leave(stage, [classic.leader, classic.other])
    expect(sentOne(beat(stage, 'm', 0), 'consumerGroupHeartbeatResponse').errorCode).toBe(NONE)
  })

  test('a group that nobody is in and that has nothing is forgotten; one with offsets stays', () => {
    const { stage, leader, other } = stable()
    leave(stage, [leader, other])
    expect(stage.state.groups.size).toBe(0)
    const kept = stable(loaded(logOf(['g', commitOf(0, 4)]), 1))
    leave(kept.stage, [kept.leader, kept.other])
    expect(groupIn(kept.stage).offsets.size).toBe(1)
  })
})

function leave(stage: Stage<GroupsState>, ids: readonly string[]): Effect[] {
  const members = ids.map((memberId) => ({ memberId, instanceId: null }))
  return stage.deliver({ kind: 'leaveGroup', correlationId: ++requests, group: 'g', members })
}

test('whoever leaves is answered; others are told to join again', () => {
  const { stage, leader, other } = stable()
  const effects = leave(stage, [other, 'stranger'])
  expect(sentOne(effects, 'leaveGroupResponse').members.map(({ errorCode }) => errorCode)).toEqual([NONE, codeOf('UNKNOWN_MEMBER_ID')])
  expect(sent(effects, 'groupChanged').map(({ memberId }) => memberId)).toEqual([leader])
  const nobody = stage.deliver({ kind: 'leaveGroup', correlationId: 1, group: 'none', members: [{ memberId: 'x', instanceId: null }] })
  expect(sentOne(nobody, 'leaveGroupResponse').members[0]?.errorCode).toBe(codeOf('UNKNOWN_MEMBER_ID'))
})

test('a group that is not there has no members', () => {
  const stage = loaded()
  expect(errorName(heartbeat(stage, 'x'), 'heartbeatResponse')).toBe('UNKNOWN_MEMBER_ID')
  const request = { generationId: 1, memberId: 'x', instanceId: null, protocolType: null, protocolName: null, assignments: [] } as const
  const answer = stage.deliver({ kind: 'syncGroup', correlationId: 1, group: 'none', ...request })
  expect(errorName(answer, 'syncGroupResponse')).toBe('UNKNOWN_MEMBER_ID')
  expect(stage.state.groups.size).toBe(0)
})

describe('offsets', () => {
  test('a member commits under its generation, once, for what no other member has', () => {
    const { stage, leader, other } = stable()
    const first = commit(stage, 1, [commitOf(0, 7)], leader, 1)
    written(stage, sentOne(first, 'produce').correlationId)
    expect(groupIn(stage).offsets.get('t-0')?.offset).toBe(7)
    expect(commit(stage, 1, [commitOf(0, 3)], leader, 1)).toEqual([])
    expect(errorName(commit(stage, 2, [commitOf(0, 3)], leader, 0), 'offsetCommitResponse')).toBe('ILLEGAL_GENERATION')
    expect(errorName(commit(stage, 3, [commitOf(0, 3)], other, 1), 'offsetCommitResponse')).toBe('FENCED_MEMBER_EPOCH')
    expect(errorName(commit(stage, 4, [commitOf(0, 3)], 'x', 1), 'offsetCommitResponse')).toBe('UNKNOWN_MEMBER_ID')
    expect(errorName(commit(stage, 5, [commitOf(0, 3)]), 'offsetCommitResponse')).toBe('UNKNOWN_MEMBER_ID')
  })

  test('a transaction is fenced by the generation, too (KIP-447)', () => {
    const { stage, leader } = stable()
    const send = (correlationId: number, memberEpoch: number): Effect[] =>
      stage.deliver({
        kind: 'transactionalOffsetCommit',
        correlationId,
        group: 'g',
        transaction: { transactionalId: 'x', partition: 0, node: 0 } as never,
        producerId: 7,
        producerEpoch: 0,
        member: { memberId: leader, memberEpoch },
        offsets: [commitOf(0, 5)],
      })
    expect(errorName(send(1, 0), 'offsetCommitResponse')).toBe('ILLEGAL_GENERATION')
    expect(sent(send(2, 1), 'produce')).toHaveLength(1)
  })

  test('expire when the last member has been gone for long enough', () => {
    const retention = { offsetsRetentionMillis: 20_000 }
    const { stage, leader, other } = stable(loaded(logOf(['g', commitOf(0, 4)]), 1, retention))
    const refresh = (): Effect[] => stage.deliver({ kind: 'timerFired', timer: 'refresh' }, stage.self)
    stage.uptime += 900
    for (const memberId of [leader, other]) heartbeat(stage, memberId)
    stage.uptime += 30_000
    expect(sent(refresh(), 'produce')).toEqual([])
    pass(stage, 0)
    expect(groupIn(stage).classic?.members.size).toBe(0)
    stage.uptime += 19_999
    expect(sent(refresh(), 'produce')).toEqual([])
    stage.uptime += 1
    expect(sent(refresh(), 'produce')).toHaveLength(1)
  })

  test('are kept for as long when the last members have left', () => {
    const { stage, leader, other } = stable(loaded(logOf(['g', commitOf(0, 4)]), 1, { offsetsRetentionMillis: 20_000 }))
    stage.uptime += 900
    for (const memberId of [leader, other]) heartbeat(stage, memberId)
    stage.uptime += 30_000
    leave(stage, [leader, other])
    expect(groupIn(stage).classic?.members.size).toBe(0)
    stage.uptime += 19_999
    expect(sent(stage.deliver({ kind: 'timerFired', timer: 'refresh' }, stage.self), 'produce')).toEqual([])
  })
})

test('a description shows the protocol, the generation, and what members have and want', () => {
  const { stage, leader, other } = stable()
  const { protocol, state, epoch, assignor, members } = sentOne(
    stage.deliver({ kind: 'describeGroup', correlationId: 1, group: 'g' }),
    'describeGroupResponse',
  )
  expect([protocol, state, epoch, assignor]).toEqual(['classic', 'stable', 1, 'range'])
  expect(members).toEqual(
    [leader, other].map((memberId, partition) => ({
      memberId,
      instanceId: null,
      memberEpoch: 1,
      subscribedTopics: ['t'],
      assignment: [{ topic: 't', partitions: [partition] }],
    })),
  )
  join(stage, 'c', { instanceId: 'i' })
  const listed = sentOne(stage.deliver({ kind: 'listGroups', correlationId: 2 }), 'listGroupsResponse')
  expect(listed.groups).toEqual([{ group: 'g', state: 'preparing-rebalance' }])
})

test('sessions end by themselves', () => {
  const { stage, leader, other } = stable()
  stage.uptime += 900
  heartbeat(stage, leader)
  const effects = pass(stage, 200)
  expect(sent(effects, 'groupChanged').map(({ memberId }) => memberId)).toEqual([leader])
  expect(groupIn(stage).classic?.members.has(other)).toBe(false)
})
