// A consumer that closes while its group may know of it without its knowing: it says farewell, and waits for that, but not for long.

import { describe, expect, test } from 'vitest'
import type { ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { consumer, consuming, grant, joining, newest, refuse, said, tick } from './consumer-support.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const CLASSIC = { partitionAssignors: ['range'] } as const

const CLOSED = ['to client: consumerClosed #5', 'stop consumer/m']

const FAREWELL = [expect.stringMatching(/consumerGroupHeartbeat #\d+ of m, epoch -1, owns nothing$/)]

function close(stage: Stage<ConsumerState>): Effect[] {
  return stage.deliver({ kind: 'closeConsumer', correlationId: 5 })
}

/** The group is found, on this node. */
function found(stage: Stage<ConsumerState>, asked: readonly Effect[], node = 1): Effect[] {
  const correlationId = newest(asked, 'findCoordinator')
  return stage.deliver({ kind: 'findCoordinatorResponse', correlationId, errorCode: NONE, node, partition: 3, topicId: 2 })
}

/** A classic group refuses a join; or names the member that is to ask again. */
function joinRefused(stage: Stage<ConsumerState>, correlationId: number, error: ErrorName, memberId = ''): Effect[] {
  const nothing = { generationId: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, members: [] }
  const answer = { kind: 'joinGroupResponse', correlationId, errorCode: codeOf(error), memberId, ...nothing } as const
  return stage.deliver(answer, { node: 1, actor: 'groups/3' })
}

function left(stage: Stage<ConsumerState>, correlationId: number, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? NONE : codeOf(error)
  return stage.deliver({ kind: 'leaveGroupResponse', correlationId, errorCode, members: [] })
}

const leavers = (effects: readonly Effect[]): unknown[] => sent(effects, 'leaveGroup').map(({ members }) => members[0]?.memberId)

describe('a member that closes', () => {
  test('while its first heartbeat is under way says farewell after it', () => {
    const { stage } = joining()
    const farewell = close(stage)
    expect(said(farewell)).toEqual(FAREWELL)
    expect(said(grant(stage, newest(farewell, 'consumerGroupHeartbeat'), -1, []))).toEqual(CLOSED)
  })

  test('and is unknown to a coordinator that has followed another one says farewell: it may be waited for', () => {
    const { stage } = consuming()
    refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 'UNKNOWN_MEMBER_ID')
    expect(said(close(stage))).toEqual(FAREWELL)
  })

  test('and whose coordinator is not there any more looks for the next one', () => {
    const { stage } = consuming()
    const correlationId = newest(tick(stage, 1000), 'consumerGroupHeartbeat')
    stage.deliver({ kind: 'undeliverable', correlationId }, { node: 1, actor: 'groups/3' })
    close(stage)
    expect(said(found(stage, tick(stage, 200), 2))).toEqual(FAREWELL)
  })

  test('commits where it is called to', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    const before = sent(close(stage), 'offsetCommit')
    const called = stage.deliver({ kind: 'groupChanged', memberId: 'm' }, { node: 2, actor: 'groups/3' })
    expect([before.length, sent([...called, ...tick(stage, 1000)], 'offsetCommit').length]).toEqual([1, 1])
  })

  test('commits where it finds its group', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    const asked = newest(tick(stage, 1000), 'consumerGroupHeartbeat')
    expect(sent(close(stage), 'offsetCommit')).toHaveLength(1)
    refuse(stage, asked, 'NOT_COORDINATOR')
    const again = found(stage, tick(stage, 200), 2)
    expect(sent([...again, ...tick(stage, 1000)], 'offsetCommit')).toHaveLength(1)
  })

  test('while it looks for its group finds it first', () => {
    const { stage } = consuming()
    const asked = tick(stage, 1000)
    refuse(stage, newest(asked, 'consumerGroupHeartbeat'), 'NOT_COORDINATOR')
    expect(said(close(stage))).toEqual([])
    const again = tick(stage, 100)
    expect(said(again)).toEqual([expect.stringMatching(/findCoordinator #/)])
    const farewell = found(stage, again)
    expect(said(farewell)).toEqual(FAREWELL)
    expect(said(grant(stage, newest(farewell, 'consumerGroupHeartbeat'), -1, []))).toEqual(CLOSED)
  })

  test('says farewell again when whoever is asked is not in charge', () => {
    const { stage } = consuming()
    refuse(stage, newest(close(stage), 'consumerGroupHeartbeat'), 'NOT_COORDINATOR')
    const farewell = found(stage, tick(stage, 100))
    expect(said(grant(stage, newest(farewell, 'consumerGroupHeartbeat'), -1, []))).toEqual(CLOSED)
  })

  test('and does not find its group, or is not answered, is done soon, and idle meanwhile', () => {
    for (const isAnswered of [true, false]) {
      const { stage } = consuming({ requestTimeoutMillis: 10_000 })
      if (isAnswered) refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 'NOT_COORDINATOR')
      close(stage)
      if (isAnswered) tick(stage, 100)
      expect(stage.state.tickAt - stage.uptime).toBeGreaterThan(100)
      expect(said(tick(stage, 2500)).join()).not.toContain('consumerClosed')
      expect(said(tick(stage, 500)).join()).toContain('consumerClosed #5')
    }
  })

  test('waits no longer than its session', () => {
    const { stage } = joining({ sessionTimeoutMillis: 400, heartbeatIntervalMillis: 100 })
    expect(said(close(stage))).toEqual(FAREWELL)
    expect(said(tick(stage, 399)).join()).not.toContain('consumerClosed')
    expect(said(tick(stage, 1)).join()).toContain('consumerClosed #5')
  })

  test('is done at once if it has asked nothing, or the node of its group is down', () => {
    const stage = consumer()
    stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null })
    expect(said(close(stage))).toEqual(CLOSED)
    for (const changes of [{}, CLASSIC]) {
      const { stage: other } = joining(changes)
      other.deliver({ kind: 'nodeDown', node: 1 })
      expect(said(close(other))).toEqual(CLOSED)
    }
  })
})

describe('a member of a classic group that closes', () => {
  test('while its first join is under way waits to hear who it is, and leaves', () => {
    const { stage, effects } = joining(CLASSIC)
    expect(said(close(stage))).toEqual([])
    const farewell = joinRefused(stage, newest(effects, 'joinGroup'), 'MEMBER_ID_REQUIRED', 'm-1')
    expect(leavers(farewell)).toEqual(['m-1'])
    expect(said(left(stage, newest(farewell, 'leaveGroup')))).toEqual(CLOSED)
  })

  test('hears so as well if it asks for the group again meanwhile', () => {
    const { stage, effects } = joining({ ...CLASSIC, heartbeatIntervalMillis: 250 })
    close(stage)
    const asked = tick(stage, 250)
    expect(sent(asked, 'findCoordinator')).toHaveLength(1)
    expect(said(found(stage, asked))).toEqual([])
    expect(stage.state.tickAt - stage.uptime).toBeGreaterThan(500)
    const farewell = joinRefused(stage, newest(effects, 'joinGroup'), 'MEMBER_ID_REQUIRED', 'm-1')
    expect(leavers(farewell)).toEqual(['m-1'])
    expect(said(left(stage, newest(farewell, 'leaveGroup')))).toEqual(CLOSED)
  })

  test('is done when its first join is refused, and soon if nobody answers it', () => {
    const { stage, effects } = joining(CLASSIC)
    close(stage)
    expect(said(joinRefused(stage, newest(effects, 'joinGroup'), 'NOT_COORDINATOR'))).toEqual(CLOSED)
    const { stage: other } = joining(CLASSIC)
    close(other)
    expect(said(tick(other, 3000)).join()).toContain('consumerClosed #5')
  })

  test('leaves again when whoever is asked is not in charge', () => {
    const { stage, effects } = joining(CLASSIC)
    joinRefused(stage, newest(effects, 'joinGroup'), 'MEMBER_ID_REQUIRED', 'm-1')
    left(stage, newest(close(stage), 'leaveGroup'), 'NOT_COORDINATOR')
    const farewell = found(stage, tick(stage, 100))
    expect(leavers(farewell)).toEqual(['m-1'])
    expect(said(left(stage, newest(farewell, 'leaveGroup')))).toEqual(CLOSED)
  })

  test('says nothing if it is static, whatever is under way', () => {
    const { stage } = joining({ ...CLASSIC, instanceId: 'i' })
    expect(said(close(stage))).toEqual(CLOSED)
  })
})

test('a member id that comes too late, when another is asked for, is given back', () => {
  const { stage, effects } = joining({ ...CLASSIC, heartbeatIntervalMillis: 250 })
  const again = found(stage, tick(stage, 250))
  const late = joinRefused(stage, newest(effects, 'joinGroup'), 'MEMBER_ID_REQUIRED', 'm-1')
  expect(leavers(late)).toEqual(['m-1'])
  const named = joinRefused(stage, newest(again, 'joinGroup'), 'MEMBER_ID_REQUIRED', 'm-2')
  expect(sentOne([...named, ...tick(stage, 0)], 'joinGroup').memberId).toBe('m-2')
})

test('a member that wants nothing any more, and is unknown, says farewell all the same', () => {
  const { stage } = consuming()
  refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 'UNKNOWN_MEMBER_ID')
  const partitions = [0, 1].map((partition) => ({ topic: 't', partition }))
  stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
  expect(said([...stage.deliver({ kind: 'released', partitions }), ...tick(stage, 100)])).toEqual(FAREWELL)
})

test('its own member id that comes a second time is not given back', () => {
  const { stage, effects } = joining(CLASSIC)
  const asked = newest(effects, 'joinGroup')
  joinRefused(stage, asked, 'MEMBER_ID_REQUIRED', 'm-1')
  expect(leavers(joinRefused(stage, asked, 'MEMBER_ID_REQUIRED', 'm-1'))).toEqual([])
})

test('a member that wants nothing any more says farewell again, too', () => {
  const { stage, effects } = joining()
  grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [])
  const farewell = stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
  refuse(stage, newest(farewell, 'consumerGroupHeartbeat'), 'NOT_COORDINATOR')
  const again = found(stage, tick(stage, 100))
  expect(said(again)).toEqual(FAREWELL)
  grant(stage, newest(again, 'consumerGroupHeartbeat'), -1, [])
  expect(said(tick(stage, 100_000))).toEqual([])
})

test('a member whose session ends while it says farewell can join anew', () => {
  const { stage, effects } = joining({ requestTimeoutMillis: 100_000 })
  grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [])
  expect(said(stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null }))).toEqual(FAREWELL)
  tick(stage, 10_000)
  const again = stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null })
  expect(said([...again, ...tick(stage, 1000)]).join()).toContain('findCoordinator #')
})
