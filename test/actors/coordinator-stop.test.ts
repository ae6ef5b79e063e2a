// A node that wants to stop: the active coordinator has others lead, and answers when that is committed (KIP-631, KIP-841).

import { expect, test } from 'vitest'
import { isLive } from '../../coordinator/metadata.ts'
import type { Effect } from '../../actors/effect.ts'
import { NONE } from '../../protocol/errors.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { ShutDown } from '../../protocol/messages/broker.ts'
import { active, coordinatorOn, diskWith, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'
import { sent, sentOne } from './stage.ts'

/** A node is alive, and wants to stop or not. */
function beat(one: CoordinatorStage, wantShutDown: ShutDown, node = 1, brokerEpoch = 100 + node): Effect[] {
  const { endOffset } = one.stage.state.seat.image
  const heartbeat = {
    kind: 'brokerHeartbeat',
    correlationId: node,
    node,
    brokerEpoch,
    metadataOffset: endOffset,
    wantShutDown,
  } as const
  return tell(one, heartbeat, { node, actor: 'broker' })
}

test('a node that wants to stop is answered when others lead; it stays fenced, whatever comes late', () => {
  const one = active([...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([1, 2])])])
  expect(sent(beat(one, 'alone'), 'brokerHeartbeatResponse')).toEqual([])
  const effects = work(one)
  const { image } = one.stage.state.seat
  expect(sentOne(effects, 'brokerHeartbeatResponse')).toMatchObject({ errorCode: NONE, shouldShutDown: true })
  expect(image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [2], leader: 2 })
  // Whoever shall lead has been told before.
  const kinds = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message.kind] : []))
  expect(kinds.lastIndexOf('metadataUpdate')).toBeLessThan(kinds.indexOf('brokerHeartbeatResponse'))
  beat(one, 'no')
  expect([one.pending, isLive(image, 1)]).toEqual([[], false])
  expect(sentOne(beat(one, 'alone'), 'brokerHeartbeatResponse').shouldShutDown).toBe(true)
})

test('a coordinator that loses its leadership over it says so', () => {
  const one = active([...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([1, 2])])])
  beat(one, 'alone')
  const effects = tell(
    one,
    { kind: 'quorumVote', epoch: 99, preVote: false, lastEpoch: 98, endOffset: 999 },
    { node: 1, actor: 'coordinator' },
  )
  expect(sentOne(effects, 'notController')).toMatchObject({ correlationId: 1, isUncertain: true })
})

test('an active coordinator whose own node stops has another one lead when that is committed, and answers what it has not begun', () => {
  const one = coordinatorOn(diskWith([...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1])])]), { voters: [0, 1, 2] })
  const quorum = (): NonNullable<typeof one.stage.state.seat.quorum> => one.stage.state.seat.quorum!
  const hear = (message: Message, node = 1): Effect[] => [...tell(one, message, { node, actor: 'coordinator' }), ...work(one)]
  const acknowledge = (): Effect[] => {
    const endOffset = quorum().log.batches.at(-1)?.endOffset ?? -1
    return hear({ kind: 'quorumAppendResponse', epoch: quorum().epoch, isMatch: true, endOffset })
  }
  tell(one, { kind: 'started' })
  work(one)
  one.stage.uptime = quorum().electionAt
  tell(one, { kind: 'timerFired', timer: 'quorum' })
  hear({ kind: 'quorumVoteResponse', epoch: quorum().epoch, preVote: true, voteGranted: true })
  hear({ kind: 'quorumVoteResponse', epoch: quorum().epoch, preVote: false, voteGranted: true })
  acknowledge()
  expect(one.stage.state.wasActive).toBe(true)
  const metadataOffset = one.stage.state.seat.image.endOffset
  const heartbeat = { kind: 'brokerHeartbeat', correlationId: 7, node: 0, brokerEpoch: 100, metadataOffset, wantShutDown: 'alone' } as const
  tell(one, heartbeat, { node: 0, actor: 'broker' })
  tell(one, { kind: 'deleteTopics', correlationId: 8, topics: ['t'] }, { node: -1, actor: 'client' })
  expect(sent(work(one), 'quorumEndEpoch')).toEqual([])
  const effects = acknowledge()
  expect(sentOne(effects, 'brokerHeartbeatResponse')).toMatchObject({ correlationId: 7, shouldShutDown: true })
  expect(sent(effects, 'quorumEndEpoch').map(({ successors }) => successors)).toEqual([
    [1, 2],
    [1, 2],
  ])
  expect(sentOne(effects, 'notController')).toMatchObject({ correlationId: 8, isUncertain: false })
  expect(one.stage.state.seat).toMatchObject({ isActive: false, quorum: { role: 'follower' } })
})

test('nodes that stop together are answered when all that are live have asked; who does not want to any more is not waited for', () => {
  const one = active([...nodes([0, 1, 2], [2]), topicWith('t', 1, [partitionOf([1, 0])])])
  expect([...beat(one, 'together'), ...work(one)]).toEqual([])
  expect(sentOne(beat(one, 'no'), 'brokerHeartbeatResponse').shouldShutDown).toBe(false)
  expect([...beat(one, 'together', 0), ...work(one)]).toEqual([])
  expect(sent(beat(one, 'together'), 'brokerHeartbeatResponse')).toEqual([])
  const effects = work(one)
  expect(sent(effects, 'brokerHeartbeatResponse').map(({ correlationId, shouldShutDown }) => [correlationId, shouldShutDown])).toEqual([
    [0, true],
    [1, true],
  ])
  expect(one.stage.state.seat.image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [1, 0], leader: -1 })
  const kinds = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message.kind] : []))
  expect(kinds.lastIndexOf('metadataUpdate')).toBeLessThan(kinds.indexOf('brokerHeartbeatResponse'))
  // An answer that was lost is given again; the coordinator goes on until the end.
  expect(sentOne([...beat(one, 'together', 0), ...work(one)], 'brokerHeartbeatResponse').shouldShutDown).toBe(true)
  expect(one.stage.state.seat.isActive).toBe(true)
})

test('a node that has not come back since all stopped is let go of when it has been silent for a session, once', () => {
  const one = active([...nodes([0, 1], [0]), topicWith('t', 1, [partitionOf([1, 0])])])
  for (let passed = 0; passed < 30_000; passed += 500) {
    beat(one, 'no')
    one.stage.uptime += 500
    tell(one, { kind: 'timerFired', timer: 'brokers' })
    work(one)
  }
  expect(one.stage.state.seat.image.topics.get('t')?.partitions[0]).toMatchObject({
    isr: [1],
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 1,
  })
})
