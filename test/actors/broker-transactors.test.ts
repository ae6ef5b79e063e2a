// Transactors follow who leads their partition of `__transaction_state`.

import { expect, test } from 'vitest'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { NONE } from '../../protocol/errors.ts'
import { partitionOf, topicWith } from '../coordinator/support.ts'
import { coordinatorAt, joined, metadata, tell } from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { lines, sentOne } from './stage.ts'

const NAME = '__transaction_state'

function more(one: BrokerStage, record: MetadataRecord): string[] {
  const { endOffset } = one.stage.state.image
  return lines(tell(one, metadata(endOffset, endOffset + 1, [record]), coordinatorAt(0)))
}

function changed(fields: Partial<PartitionImage>): MetadataRecord {
  return { type: 'partitionChanged', topicId: 1, partition: 0, image: partitionOf([1, 0], fields) }
}

test('they live where it is led, for one leader epoch', () => {
  const one = joined([])
  expect(more(one, topicWith(NAME, 1, [partitionOf([1, 0])]))).toEqual([`spawn replica/${NAME}-0`, 'spawn transactor/0'])
  expect(more(joined([]), topicWith(NAME, 1, [partitionOf([0, 1])]))).toEqual([`spawn replica/${NAME}-0`])
  expect(more(one, changed({ isr: [1], partitionEpoch: 1 }))).toEqual([])
  expect(more(one, changed({ leaderEpoch: 1, partitionEpoch: 2 }))).toEqual(['stop transactor/0', 'spawn transactor/0'])
  expect([...one.stage.state.transactors]).toEqual([[0, 1]])
  expect(more(one, changed({ leader: 0, leaderEpoch: 2, partitionEpoch: 3 }))).toEqual(['stop transactor/0'])
})

test('they hear that a node is dead, and so do the replicas that lead here', () => {
  const follower = topicWith('a', 2, [partitionOf([0, 1])])
  const one = joined([topicWith(NAME, 1, [partitionOf([1, 0])]), follower])
  expect(lines(tell(one, { kind: 'nodeDown', node: 0 }))).toEqual([`to replica/${NAME}-0: nodeDown`, 'to transactor/0: nodeDown'])
})

test('they hear for how long nobody else can be in charge, and are found by who asks on this node', () => {
  const one = joined([topicWith(NAME, 1, [partitionOf([1, 0])])])
  one.stage.uptime = 250
  const { correlationId } = sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat')
  const { endOffset: metadataOffset } = one.stage.state.image
  const answer = { kind: 'brokerHeartbeatResponse', correlationId, errorCode: NONE, shouldShutDown: false, voters: [] } as const
  expect(lines(tell(one, { ...answer, metadataOffset }, coordinatorAt(0)))).toContain('to transactor/0: leaseExtended')
  const found = tell(one, { kind: 'findCoordinator', correlationId: 4, keyType: 'transaction', key: 't' })
  expect(sentOne(found, 'findCoordinatorResponse')).toMatchObject({ errorCode: NONE, node: 1, partition: 0, topicId: 1 })
})
