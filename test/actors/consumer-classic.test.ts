// A member of a classic group: what it says when, what it lets go of, and when it counts itself as lost.

import { describe, expect, test } from 'vitest'
import type { ConsumerConfig, ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../coordinator/groups/classic/consumer-protocol.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { ClassicAssignorName, JoinGroupResponse } from '../../protocol/messages/classic-group.ts'
import { committed, joining, newest, said, tick } from './consumer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const speaks = (...partitionAssignors: ClassicAssignorName[]): Partial<ConsumerConfig> => ({
  partitionAssignors,
  sessionTimeoutMillis: 10_000,
  rebalanceTimeoutMillis: 6000,
})

const METADATA = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generationId: -1, rackId: null })

function joinAnswer(
  stage: Stage<ConsumerState>,
  correlationId: number,
  changes: Partial<JoinGroupResponse> & { readonly error?: ErrorName } = {},
): Effect[] {
  const { error, ...rest } = changes
  return stage.deliver({
    kind: 'joinGroupResponse',
    correlationId,
    errorCode: error === undefined ? NONE : codeOf(error),
    generationId: 1,
    protocolType: 'consumer',
    protocolName: stage.state.config.partitionAssignors?.[0] ?? 'range',
    leader: 'other',
    skipAssignment: false,
    memberId: 'm-1',
    members: [],
    ...rest,
  })
}

function syncAnswer(stage: Stage<ConsumerState>, correlationId: number, given: readonly number[] | ErrorName): Effect[] {
  const isError = typeof given === 'string'
  const assignment = isError ? '' : encodeAssignment({ partitions: [{ topic: 't', partitions: given }], userData: null })
  const errorCode = isError ? codeOf(given) : NONE
  return stage.deliver({ kind: 'syncGroupResponse', correlationId, errorCode, protocolType: 'consumer', protocolName: 'range', assignment })
}

function heartbeatAnswer(stage: Stage<ConsumerState>, correlationId: number, error?: ErrorName): Effect[] {
  return stage.deliver({ kind: 'heartbeatResponse', correlationId, errorCode: error === undefined ? NONE : codeOf(error) })
}

/** A follower that has these partitions, in generation 1. */
function following(config: Partial<ConsumerConfig>, given: readonly number[] = [0, 1]): Stage<ConsumerState> {
  const { stage, effects } = joining(config)
  const synced = syncAnswer(stage, newest(joinAnswer(stage, newest(effects, 'joinGroup')), 'syncGroup'), given)
  if (given.length > 0) committed(stage, synced, Object.fromEntries(given.map((partition) => [partition, 10])))
  stage.deliver(topicsAnswer({ t: [0, 0] }))
  return stage
}

/** The next heartbeat is answered so. */
function beat(stage: Stage<ConsumerState>, error?: ErrorName, afterMillis = 1000): Effect[] {
  return heartbeatAnswer(stage, newest(tick(stage, afterMillis), 'heartbeat'), error)
}

function release(stage: Stage<ConsumerState>, ...partitions: readonly number[]): Effect[] {
  return [...stage.deliver({ kind: 'released', partitions: partitions.map((partition) => ({ topic: 't', partition })) }), ...tick(stage, 0)]
}

describe('joining', () => {
  test('says what it speaks and wants; with the id that it is given it asks again', () => {
    const { stage, effects } = joining(speaks('range', 'cooperative-sticky'))
    const first = sentOne(effects, 'joinGroup')
    expect([first.memberId, first.clientId, first.protocols.map(({ name }) => name)]).toEqual(['', 'm', ['range', 'cooperative-sticky']])
    expect(decodeSubscription(first.protocols[0]?.metadata ?? '')?.topics).toEqual(['t'])
    const again = joinAnswer(stage, first.correlationId, { error: 'MEMBER_ID_REQUIRED', memberId: 'm-7' })
    expect(sentOne([...again, ...tick(stage, 0)], 'joinGroup').memberId).toBe('m-7')
  })

  test('a follower asks what it is given, and has that', () => {
    const stage = following(speaks('range'))
    expect([...stage.state.partitions.keys()]).toEqual(['t-0', 't-1'])
    expect(said(tick(stage, 1000)).join()).toContain('heartbeat #')
  })

  test('a leader looks how many partitions there are, and shares out', () => {
    const { stage, effects } = joining(speaks('range'))
    const members = ['m-1', 'n-1'].map((memberId) => ({ memberId, instanceId: null, metadata: METADATA }))
    const asked = joinAnswer(stage, newest(effects, 'joinGroup'), { leader: 'm-1', members })
    expect(sent(asked, 'syncGroup')).toEqual([])
    const { correlationId } = sentOne(asked, 'metadata')
    const shared = sentOne(stage.deliver({ ...topicsAnswer({ t: [0, 0, 0] }), correlationId }), 'syncGroup')
    const given = shared.assignments.map(({ memberId, assignment }) => [memberId, decodeAssignment(assignment)?.partitions[0]?.partitions])
    expect(given).toEqual([
      ['m-1', [0, 1]],
      ['n-1', [2]],
    ])
  })

  test('who wants other topics by the time when it has joined joins once more', () => {
    const { stage, effects } = joining(speaks('cooperative-sticky'))
    stage.deliver({ kind: 'subscribe', topics: ['t', 'u'], topicPattern: null })
    const synced = syncAnswer(stage, newest(joinAnswer(stage, newest(effects, 'joinGroup')), 'syncGroup'), [0])
    const again = sentOne([...synced, ...tick(stage, 0)], 'joinGroup')
    expect(decodeSubscription(again.protocols[0]?.metadata ?? '')?.topics).toEqual(['t', 'u'])
  })

  test('what is not answered is asked again at the pace of heartbeats; the answer to the older request says that the newer is there', () => {
    const { stage, effects } = joining({ ...speaks('cooperative-sticky'), heartbeatIntervalMillis: 1000 })
    const former = newest(effects, 'joinGroup')
    const asked = tick(stage, 1000)
    const found = { kind: 'findCoordinatorResponse', errorCode: NONE, node: 1, partition: 3, topicId: 2 } as const
    const again = stage.deliver({ ...found, correlationId: newest(asked, 'findCoordinator') })
    expect(newest(again, 'joinGroup')).toBeGreaterThan(former)
    joinAnswer(stage, former, { error: 'REBALANCE_IN_PROGRESS' })
    expect(stage.state.membership.aliveAt).toBe(1000)
    expect(sent(joinAnswer(stage, former), 'syncGroup')).toEqual([])
    expect(sent(joinAnswer(stage, newest(again, 'joinGroup')), 'syncGroup')).toHaveLength(1)
  })
})

describe('a rebalance', () => {
  test('an eager member lets go of everything, says meanwhile that it lives, and then joins', () => {
    const stage = following(speaks('range'))
    const told = beat(stage, 'REBALANCE_IN_PROGRESS')
    expect(said(told)).toContain('to client: revoking t-0 t-1')
    expect(sent(told, 'joinGroup')).toEqual([])
    beat(stage, 'REBALANCE_IN_PROGRESS')
    const half = release(stage, 0)
    expect(sent(half, 'joinGroup')).toEqual([])
    heartbeatAnswer(stage, newest(half, 'heartbeat'), 'REBALANCE_IN_PROGRESS')
    const joined = sentOne(release(stage, 1), 'joinGroup')
    expect(decodeSubscription(joined.protocols[0]?.metadata ?? '')?.ownedPartitions).toEqual([])
  })

  test('a cooperative member joins with what it has, lets go of what it is not given, and joins once more', () => {
    const stage = following(speaks('cooperative-sticky'))
    const told = beat(stage, 'REBALANCE_IN_PROGRESS')
    expect(said(told).join()).not.toContain('revoking')
    const request = sentOne([...told, ...tick(stage, 0)], 'joinGroup')
    const subscription = decodeSubscription(request.protocols[0]?.metadata ?? '')
    expect([subscription?.ownedPartitions, subscription?.generationId]).toEqual([[{ topic: 't', partitions: [0, 1] }], 1])
    const synced = joinAnswer(stage, request.correlationId, { generationId: 2 })
    const given = syncAnswer(stage, newest(synced, 'syncGroup'), [0])
    expect(said(given)).toContain('to client: revoking t-1')
    // Until it has let go it says that it lives.
    beat(stage)
    const again = sentOne(release(stage, 1), 'joinGroup')
    expect(decodeSubscription(again.protocols[0]?.metadata ?? '')?.ownedPartitions).toEqual([{ topic: 't', partitions: [0] }])
  })

  test('a member that hears of it from the group asks at once', () => {
    const stage = following(speaks('range'))
    expect(sent(stage.deliver({ kind: 'groupChanged', memberId: 'm-1' }), 'heartbeat')).toHaveLength(1)
    expect(stage.deliver({ kind: 'groupChanged', memberId: 'm' })).toEqual([])
  })

  test('the sticky assignor is told what the member had', () => {
    const stage = following(speaks('sticky'))
    beat(stage, 'REBALANCE_IN_PROGRESS')
    const { userData } = decodeSubscription(sentOne(release(stage, 0, 1), 'joinGroup').protocols[0]?.metadata ?? '') ?? {}
    expect(userData?.length).toBeGreaterThan(8)
  })

  test('begins when the leader sees more partitions', () => {
    const { stage, effects } = joining(speaks('range'))
    const members = [{ memberId: 'm-1', instanceId: null, metadata: METADATA }]
    const asked = joinAnswer(stage, newest(effects, 'joinGroup'), { leader: 'm-1', members })
    const shared = stage.deliver({ ...topicsAnswer({ t: [0] }), correlationId: newest(asked, 'metadata') })
    const synced = syncAnswer(stage, newest(shared, 'syncGroup'), [0])
    committed(stage, synced, { 0: 1 })
    stage.deliver(topicsAnswer({ t: [0] }))
    const look = (partitions: readonly number[]): Effect[] => {
      const looked = tick(stage, 1000)
      const { correlationId } = sent(looked, 'metadata')[0] ?? { correlationId: -1 }
      return stage.deliver({ ...topicsAnswer({ t: partitions }), correlationId })
    }
    expect(said(look([0])).join()).not.toContain('revoking')
    expect(said(look([0, 0]))).toContain('to client: revoking t-0')
  })
})

test('a leader that comes back knows by which counts it has shared out, and shares out anew if there are others', () => {
  const { stage, effects } = joining({ ...speaks('range'), instanceId: 'i' })
  const members = [{ memberId: 'm-1', instanceId: 'i', metadata: METADATA }]
  const joined = joinAnswer(stage, newest(effects, 'joinGroup'), { leader: 'm-1', members, skipAssignment: true })
  const assignment = encodeAssignment({ partitions: [{ topic: 't', partitions: [0] }], userData: new TextEncoder().encode('t:1') })
  const answer = { kind: 'syncGroupResponse', errorCode: NONE, protocolType: 'consumer', protocolName: 'range', assignment } as const
  const given = stage.deliver({ ...answer, correlationId: newest(joined, 'syncGroup') })
  committed(stage, given, { 0: 1 })
  tick(stage, 1000)
  const correlationId = stage.state.membership.classic?.topics.correlationId ?? -1
  expect(said(stage.deliver({ ...topicsAnswer({ t: [0, 0] }), correlationId }))).toContain('to client: revoking t-0')
})

test('a leader that had to withhold something says so to its next life, which joins again if nobody has', () => {
  const { stage, effects } = joining({ ...speaks('cooperative-sticky'), instanceId: 'i' })
  const member = (memberId: string, owned: readonly number[]) => {
    const ownedPartitions = [{ topic: 't', partitions: owned }]
    return {
      memberId,
      instanceId: null,
      metadata: encodeSubscription({ topics: ['t'], userData: null, ownedPartitions, generationId: 1, rackId: null }),
    }
  }
  const members = [member('m-1', []), member('m-2', [0, 1])]
  const asked = joinAnswer(stage, newest(effects, 'joinGroup'), { leader: 'm-1', members, generationId: 2 })
  const shared = stage.deliver({ ...topicsAnswer({ t: [0, 0] }), correlationId: newest(asked, 'metadata') })
  const mine = sentOne(shared, 'syncGroup').assignments.find(({ memberId }) => memberId === 'm-1')?.assignment ?? ''
  expect(decodeAssignment(mine)?.partitions).toEqual([])

  const { stage: next, effects: begun } = joining({ ...speaks('cooperative-sticky'), instanceId: 'i' })
  const joined = joinAnswer(next, newest(begun, 'joinGroup'), { leader: 'm-1', members, generationId: 2, skipAssignment: true })
  const answer = { kind: 'syncGroupResponse', errorCode: NONE, protocolType: 'consumer', protocolName: 'cooperative-sticky' } as const
  next.deliver({ ...answer, correlationId: newest(joined, 'syncGroup'), assignment: mine })
  beat(next)
  const correlationId = next.state.membership.classic?.topics.correlationId ?? -1
  expect(sent(next.deliver({ ...topicsAnswer({ t: [0, 0] }), correlationId }), 'joinGroup')).toHaveLength(1)
})

describe('a member that counts itself as lost', () => {
  const lost = 'to client: revoking t-0 t-1 (lost)'

  test('has not let go for its rebalance time-out, whatever it has heard meanwhile', () => {
    const stage = following(speaks('range'))
    beat(stage)
    for (let waited = 0; waited < 5000; waited += 1000) expect(said(beat(stage, 'REBALANCE_IN_PROGRESS')).join()).not.toContain('lost')
    expect(said(tick(stage, 1000))).toContain(lost)
  })

  test('has not been heard for its session', () => {
    const stage = following({ ...speaks('range'), sessionTimeoutMillis: 3000 })
    expect(said(tick(stage, 2999)).join()).not.toContain('lost')
    expect(said(tick(stage, 1))).toContain(lost)
  })

  test('is told that the group has gone on without it, or does not know it', () => {
    expect(said(beat(following(speaks('cooperative-sticky')), 'ILLEGAL_GENERATION'))).toContain(lost)
    const stage = following(speaks('range'))
    expect(said(beat(stage, 'UNKNOWN_MEMBER_ID'))).toContain(lost)
    const joins = release(stage, 0, 1)
    expect(sentOne(joins, 'joinGroup').memberId).toBe('')
    // A coordinator that has followed another one waits for it no longer.
    const former = [{ memberId: 'm-1', instanceId: null }]
    expect(sentOne(joins, 'leaveGroup').members).toEqual(former)
    // It is said again until somebody has heard it.
    joinAnswer(stage, newest(joins, 'joinGroup'), { error: 'COORDINATOR_LOAD_IN_PROGRESS' })
    const asked = newest(tick(stage, 1000), 'findCoordinator')
    const place = { errorCode: NONE, node: 2, partition: 3, topicId: 2 }
    const again = stage.deliver({ kind: 'findCoordinatorResponse', correlationId: asked, ...place })
    expect(sentOne(again, 'leaveGroup').members).toEqual(former)
    const named = joinAnswer(stage, newest(again, 'joinGroup'), { error: 'MEMBER_ID_REQUIRED', memberId: 'm-2' })
    expect(sent([...named, ...tick(stage, 0)], 'leaveGroup')).toEqual([])
  })

  test('and closes before it has joined again gives back who it was', () => {
    const stage = following(speaks('cooperative-sticky'))
    beat(stage, 'UNKNOWN_MEMBER_ID')
    const closing = stage.deliver({ kind: 'closeConsumer', correlationId: 9 })
    expect(sentOne(closing, 'leaveGroup').members).toEqual([{ memberId: 'm-1', instanceId: null }])
  })

  test('does not take what was on its way for too long', () => {
    const { stage, effects } = joining(speaks('range'))
    const asked = joinAnswer(stage, newest(effects, 'joinGroup'))
    stage.uptime += 6000
    syncAnswer(stage, newest(asked, 'syncGroup'), [0])
    expect(stage.state.partitions.size).toBe(0)
  })

  test('is fenced, tells its application, and does not come back by itself', () => {
    const stage = following({ ...speaks('range'), instanceId: 'i' })
    const fenced = beat(stage, 'FENCED_INSTANCE_ID')
    expect(said(fenced)).toContain(lost)
    expect(sentOne(fenced, 'consumerFailed').errorCode).toBe(codeOf('FENCED_INSTANCE_ID'))
    expect(sent([...release(stage, 0, 1), ...tick(stage, 5000)], 'joinGroup')).toEqual([])
  })
})

test('the answer to an older request changes nothing', () => {
  const stage = following(speaks('range'))
  const { sentAt } = stage.state.membership
  expect(syncAnswer(stage, 3, [2])).toEqual([])
  expect([...stage.state.partitions.keys()]).toEqual(['t-0', 't-1'])
  expect(stage.state.membership.sentAt).toBe(sentAt)
})

test('a sync that the group is not ready for leads to joining again; what others refuse is tried elsewhere', () => {
  for (const [error, next] of [
    ['REBALANCE_IN_PROGRESS', 'joinGroup'],
    ['NOT_COORDINATOR', 'findCoordinator'],
  ] as const) {
    const { stage, effects } = joining(speaks('range'))
    const asked = joinAnswer(stage, newest(effects, 'joinGroup'))
    const refused = syncAnswer(stage, newest(asked, 'syncGroup'), error)
    expect(sent([...refused, ...tick(stage, 200)], next)).toHaveLength(1)
  }
})

describe('leaving', () => {
  const unsubscribed = (stage: Stage<ConsumerState>): Effect[] => {
    const effects = stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
    heartbeatAnswer(stage, newest(effects, 'heartbeat'))
    return release(stage, 0, 1)
  }

  test('says farewell when it has let go', () => {
    const stage = following(speaks('range'))
    const left = sentOne(unsubscribed(stage), 'leaveGroup')
    expect(left.members).toEqual([{ memberId: 'm-1', instanceId: null }])
    stage.deliver({ kind: 'leaveGroupResponse', correlationId: left.correlationId, errorCode: NONE, members: [] })
    expect(stage.state.membership.memberId).toBe('')
    expect(said(tick(stage, 10_000))).toEqual([])
  })

  test('a static member goes without a word: it may come back', () => {
    const stage = following({ ...speaks('range'), instanceId: 'i' })
    expect(sent(unsubscribed(stage), 'leaveGroup')).toEqual([])
    expect(said(tick(stage, 10_000))).toEqual([])
  })

  test('a consumer that is closed while it waits for the others leaves, too', () => {
    const { stage, effects } = joining(speaks('range'))
    joinAnswer(stage, newest(effects, 'joinGroup'), { error: 'MEMBER_ID_REQUIRED', memberId: 'm-1' })
    expect(sentOne(stage.deliver({ kind: 'closeConsumer', correlationId: 1 }), 'leaveGroup').members[0]?.memberId).toBe('m-1')
  })
})

describe('a pattern', () => {
  test('is matched here: it joins with what there is, and again when there is more', () => {
    const { stage, effects } = joining(speaks('cooperative-sticky'))
    const asked = [...effects, ...stage.deliver({ kind: 'subscribe', topics: [], topicPattern: { source: '^[tu]$', flags: '' } })]
    const answer = (topics: Readonly<Record<string, readonly number[]>>, effectsOf: readonly Effect[]): Effect[] =>
      stage.deliver({ ...topicsAnswer(topics), correlationId: newest(effectsOf, 'metadata') })
    answer({ t: [0], other: [0] }, asked)
    const request = sentOne(
      [...joinAnswer(stage, newest(effects, 'joinGroup'), { error: 'REBALANCE_IN_PROGRESS' }), ...tick(stage, 1000)],
      'joinGroup',
    )
    expect(decodeSubscription(request.protocols[0]?.metadata ?? '')?.topics).toEqual(['t'])
  })
})
