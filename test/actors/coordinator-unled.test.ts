// A coordinator that nobody leads, and that does not lead: what it tells, and when. Leaders of partitions go on leading meanwhile.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { coordinatorOn, diskWith, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'
import { sentOne } from './stage.ts'

const LEADER = { node: 0, actor: 'coordinator' }
const PATIENCE_MILLIS = 2000
const ALL: Message = { kind: 'metadata', correlationId: 1, topics: null }
const FIND: Message = { kind: 'findCoordinator', correlationId: 2, keyType: 'group', key: 'g' }

const RECORDS = [...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([2, 1])]), topicWith('__consumer_offsets', 2, [partitionOf([1, 2])])]

function append(one: CoordinatorStage): Effect[] {
  const end = one.stage.state.seat.quorum?.log.batches.at(-1)?.endOffset ?? -1
  return tell(one, { kind: 'quorumAppend', epoch: 3, prevOffset: end, prevEpoch: 0, highWatermark: end, records: null }, LEADER)
}

/** One of three voters, which has read its disk. */
function voter(): CoordinatorStage {
  const one = coordinatorOn(diskWith(RECORDS), { voters: [0, 1, 2] }, 1)
  one.stage.uptime = 5000
  tell(one, { kind: 'started' })
  work(one)
  return one
}

/** It has followed node 0 until 5000, and its election time-out is over. */
function abandoned(): CoordinatorStage {
  const one = voter()
  append(one)
  one.stage.uptime = one.stage.state.seat.quorum!.electionAt
  tell(one, { kind: 'timerFired', timer: 'quorum' })
  work(one)
  return one
}

test('sends whoever asks away while it may be an election, and tells what it knows when it has gone on for longer', () => {
  const one = abandoned()
  one.stage.uptime = 5000 + PATIENCE_MILLIS - 1
  expect(sentOne(tell(one, ALL), 'notController').controller).toBe(-1)
  one.stage.uptime++
  const { controller, voters, topics, brokers } = sentOne(tell(one, ALL), 'metadataResponse')
  expect({ controller, voters }).toEqual({ controller: -1, voters: [0, 1, 2] })
  expect(topics.map(({ topic, partitions }) => [topic, partitions[0]?.leader])).toEqual([
    ['__consumer_offsets', 1],
    ['t', 2],
  ])
  expect(brokers.map(({ node }) => node)).toEqual([0, 1, 2])
  expect(sentOne(tell(one, FIND), 'findCoordinatorResponse')).toMatchObject({ errorCode: NONE, node: 1, partition: 0 })
})

test('never says that something is not there: it may only not have heard of it', () => {
  const one = abandoned()
  one.stage.uptime = 5000 + PATIENCE_MILLIS
  expect(sentOne(tell(one, { ...ALL, topics: ['t', 'u'] }), 'notController').controller).toBe(-1)
  expect(sentOne(tell(one, { ...FIND, keyType: 'share' }), 'notController').controller).toBe(-1)
})

test('changes nothing, and hears no requests that cannot be any', () => {
  const one = abandoned()
  one.stage.uptime = 5000 + PATIENCE_MILLIS
  const topics = [{ name: 'u', numPartitions: 1, replicationFactor: 1, configs: {} }]
  sentOne(tell(one, { kind: 'createTopics', correlationId: 3, topics, validateOnly: false }), 'notController')
  sentOne(tell(one, { ...ALL, topics: [7] } as unknown as Message), 'notController')
})

test('knows nothing for certain before it has heard of a leader, however long that takes', () => {
  const one = voter()
  one.stage.uptime = 100_000
  expect(sentOne(tell(one, ALL), 'notController').controller).toBe(-1)
})

test('names the leader as soon as there is one again', () => {
  const one = abandoned()
  one.stage.uptime = 5000 + PATIENCE_MILLIS
  sentOne(tell(one, ALL), 'metadataResponse')
  append(one)
  expect(sentOne(tell(one, ALL), 'notController').controller).toBe(0)
})
