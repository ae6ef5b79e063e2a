// A node that wants to stop: the active coordinator has others lead, and answers when that is committed (KIP-631, KIP-841).

import { describe, expect, test } from 'vitest'
import { imageRecords, isLive } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
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
    metadataOffset: Math.max(endOffset, brokerEpoch),
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
  // Each question is answered at once: whoever asks knows that the coordinator is there.
  for (const [want, node] of [
    ['together', 1],
    ['no', 1],
    ['together', 0],
    ['together', 1],
  ] as const) {
    expect(one.pending).toEqual([])
    expect(sentOne(beat(one, want, node), 'brokerHeartbeatResponse')).toMatchObject({ correlationId: node, shouldShutDown: false })
  }
  const effects = work(one)
  expect(sent(effects, 'brokerHeartbeatResponse').map(({ correlationId, shouldShutDown }) => [correlationId, shouldShutDown])).toEqual([
    [0, true],
    [1, true],
  ])
  expect(one.stage.state.seat.image.topics.get('t')?.partitions[0]).toMatchObject({ isr: [1, 0], leader: -1 })
  const kinds = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message.kind] : []))
  expect(kinds.lastIndexOf('metadataUpdate')).toBeLessThan(kinds.indexOf('brokerHeartbeatResponse'))
  // An answer that was lost is given again; the coordinator goes on until the end.
  const again = [...beat(one, 'together', 0), ...work(one)]
  expect(sent(again, 'brokerHeartbeatResponse').map(({ shouldShutDown }) => shouldShutDown)).toContain(true)
  expect(one.stage.state.seat.isActive).toBe(true)
})

describe('a node that has not come back since all stopped', () => {
  /** All three have stopped, and these are back: what one partition of nodes 1 and 2 becomes, and of 0, too, if that has fallen behind. */
  function stopped(...back: number[]): CoordinatorStage {
    const partitions = [partitionOf([1, 2]), partitionOf([1, 2, 0], { isr: [1, 2] })]
    const one = active([...nodes([0, 1, 2]), topicWith('t', 1, partitions, { uncleanLeaderElection: true })])
    for (const node of [0, 1, 2]) beat(one, 'together', node)
    work(one)
    for (const node of back) register(one, node)
    return one
  }

  function register(one: CoordinatorStage, node: number): void {
    const from = { node, actor: 'broker' }
    const known = { previousBrokerEpoch: 100 + node, isUnsyncedSafe: true }
    tell(one, { kind: 'registerBroker', correlationId: 1, node, incarnation: 5, rack: null, ...known }, from)
    work(one)
  }

  /** Time passes; these nodes are heard. */
  function pass(one: CoordinatorStage, millis: number, ...heard: number[]): PartitionImage[] | undefined {
    const { image } = one.stage.state.seat
    for (let passed = 0; passed < millis; passed += 250) {
      one.stage.uptime += 250
      for (const node of heard) beat(one, 'no', node, image.brokers.get(node)?.brokerEpoch)
      work(one)
      tell(one, { kind: 'timerFired', timer: 'brokers' })
      work(one)
    }
    return image.topics.get('t')?.partitions
  }

  test('is let go of when it has been silent for a session, once', () => {
    const one = stopped(0, 1)
    expect(pass(one, 750, 0, 1)).toMatchObject([
      { isr: [1, 2], leader: 1 },
      { isr: [1, 2], leader: 1 },
    ])
    expect(pass(one, 500, 0, 1)?.[0]).toMatchObject({ isr: [1], leader: 1 })
    const { endOffset } = one.stage.state.seat.image
    pass(one, 30_000, 0, 1)
    expect(one.stage.state.seat.image.endOffset).toBe(endOffset)
  })

  test('is not counted on when another one leads later; one that lacks something leads where it may, once all others are let go of', () => {
    const one = stopped(0)
    expect(pass(one, 750, 0)).toMatchObject([{ leader: -1 }, { leader: -1 }])
    expect(pass(one, 500, 0)).toMatchObject([
      { isr: [1, 2], leader: -1 },
      { isr: [0], leader: 0 },
    ])
    const { endOffset } = one.stage.state.seat.image
    pass(one, 30_000, 0)
    expect(one.stage.state.seat.image.endOffset).toBe(endOffset)
    register(one, 1)
    expect(pass(one, 250, 0, 1)?.[0]).toMatchObject({ isr: [1], leader: 1 })
  })

  test('and never does is let go of by the next coordinator, too', () => {
    const { image } = stopped(0).stage.state.seat
    const one = active(imageRecords(image))
    expect(pass(one, 750, 0)).toMatchObject([{ leader: -1 }, { leader: -1 }])
    expect(pass(one, 500, 0)?.[1]).toMatchObject({ isr: [0], leader: 0 })
  })
})
