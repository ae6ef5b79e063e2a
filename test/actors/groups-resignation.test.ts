// A coordinator of groups whose reign is over: whoever waits for an answer of it looks elsewhere at once.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { encodeSubscription } from '../../coordinator/groups/classic/consumer-protocol.ts'
import type { JoinGroupRequest } from '../../protocol/messages/classic-group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { fetched } from '../coordinator/support.ts'
import { bareStage, beat, commit, commitOf, heartbeat, loaded, written } from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'

const RESIGN: Message = { kind: 'resign', correlationId: 77, leaderEpoch: 0 }

/** The correlation ids of those who hear that nobody is here. */
function refused(effects: readonly Effect[]): number[] {
  return sent(effects, 'undeliverable').map(({ correlationId }) => correlationId)
}

function joinOf(group: string, correlationId: number): JoinGroupRequest {
  const metadata = encodeSubscription({ topics: ['t'], userData: null, ownedPartitions: [], generationId: -1, rackId: null })
  const protocols = [{ name: 'range', metadata }]
  const times = { sessionTimeoutMillis: 1000, rebalanceTimeoutMillis: 5000, requiresKnownMemberId: true, supportsSkippingAssignment: true }
  const asked = { group, clientId: 'a', memberId: '', instanceId: 'i', protocolType: 'consumer', protocols }
  return { kind: 'joinGroup', correlationId, ...asked, ...times }
}

test('a commit, an offset of a transaction, a name and a farewell that are on their way are refused', () => {
  const stage = bareStage()
  stage.deliver({ kind: 'started' })
  stage.deliver(fetched(null, 0))
  written(stage, sentOne(beat(stage, 'm', 0), 'produce').correlationId)
  const outside = { offsets: [commitOf(0, 5)], memberId: '', memberEpoch: -1 }
  stage.deliver({ kind: 'offsetCommit', correlationId: 11, group: 'another', ...outside })
  const transaction = { transactionalId: 'x', transactorNode: 0, transactorPartition: 0 }
  const producer = { producerId: 1, producerEpoch: 0, transaction }
  stage.deliver({
    kind: 'transactionalOffsetCommit',
    correlationId: 12,
    group: 'other',
    member: null,
    ...producer,
    offsets: [commitOf(1, 5)],
  })
  const joins = heartbeat('n', 0)
  stage.deliver(joins)
  const leaves = heartbeat('m', -1)
  stage.deliver(leaves)
  const effects = stage.deliver(RESIGN)
  expect(refused(effects).toSorted((a, b) => a - b)).toEqual([11, 12, joins.correlationId, leaves.correlationId].toSorted((a, b) => a - b))
  expect(sentOne(effects, 'resigned').correlationId).toBe(77)
})

test('members of a classic group that wait for others are refused', () => {
  const stage = loaded()
  stage.deliver(topicsAnswer({ t: [0, 0] }))
  stage.deliver(joinOf('g', 21))
  expect(refused(stage.deliver(RESIGN))).toEqual([21])
})

test('whoever was asked twice leaves the second question to its successor, which is not meant', () => {
  const stage = loaded()
  expect(stage.deliver({ kind: 'resign', correlationId: 77, leaderEpoch: -1 })).toEqual([])
  expect(sentOne(beat(stage, 'm', 0), 'consumerGroupHeartbeatResponse').memberEpoch).toBe(1)
})

test('nothing is done after that, and every request is refused', () => {
  const stage = loaded()
  beat(stage, 'm', 0)
  expect(refused(stage.deliver(RESIGN))).toEqual([])
  expect(refused(commit(stage, 31, [commitOf(0, 5)]))).toEqual([31])
  stage.uptime = 60_000
  expect(stage.deliver({ kind: 'timerFired', timer: 'sessions' })).toEqual([])
  expect(sentOne(stage.deliver(RESIGN), 'resigned').correlationId).toBe(77)
})
