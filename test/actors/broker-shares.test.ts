// Coordinators of share groups follow who leads their partition of `__share_group_state`.

import { expect, test } from 'vitest'
import type { SharesConfig } from '../../actors/shares-state.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { NONE } from '../../protocol/errors.ts'
import { partitionOf, topicWith } from '../coordinator/support.ts'
import { coordinatorAt, joined, metadata, tell } from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { lines, sentOne } from './stage.ts'

const NAME = '__share_group_state'

function more(one: BrokerStage, record: MetadataRecord): string[] {
  const { endOffset } = one.stage.state.image
  return lines(tell(one, metadata(endOffset, endOffset + 1, [record]), coordinatorAt(0)))
}

function changed(fields: Partial<PartitionImage>): MetadataRecord {
  return { type: 'partitionChanged', topicId: 1, partition: 0, image: partitionOf([1, 0], fields) }
}

test('they live where it is led, for one leader epoch', () => {
  const one = joined([])
  expect(more(one, topicWith(NAME, 1, [partitionOf([1, 0])]))).toEqual([`spawn replica/${NAME}-0`, 'spawn shares/0'])
  expect(more(joined([]), topicWith(NAME, 1, [partitionOf([0, 1])]))).toEqual([`spawn replica/${NAME}-0`])
  expect(more(one, changed({ leaderEpoch: 1, partitionEpoch: 2 }))).toEqual(['stop shares/0', 'spawn shares/0'])
  expect(more(one, changed({ leader: 0, leaderEpoch: 2, partitionEpoch: 3 }))).toEqual(['stop shares/0'])
})

test('they wait for members of one that may be alive, and not for those of one that is dead, or of none', () => {
  const told = (one: BrokerStage, record: MetadataRecord): number[] | null => {
    const { endOffset } = one.stage.state.image
    const spawned = tell(one, metadata(endOffset, endOffset + 1, [record]), coordinatorAt(0)).find(
      (effect) => effect.kind === 'spawn' && effect.actor === 'shares/0',
    )
    if (spawned?.kind !== 'spawn') return null
    const { trustMillis, expectMillis } = spawned.config as SharesConfig
    return [trustMillis, expectMillis]
  }
  const one = joined([])
  expect(told(one, topicWith(NAME, 1, [partitionOf([1, 0])]))).toEqual([10, 0])
  expect(told(one, changed({ leader: 0, leaderEpoch: 1, partitionEpoch: 2 }))).toBeNull()
  expect(told(one, changed({ leader: 1, leaderEpoch: 2, partitionEpoch: 3 }))).toEqual([100, 100])
  // Its own members are told nothing, either.
  expect(told(one, changed({ leader: 1, leaderEpoch: 3, partitionEpoch: 4 }))).toEqual([100, 100])
  const other = joined([topicWith(NAME, 1, [partitionOf([0, 1])])])
  tell(other, { kind: 'nodeDown', node: 0 })
  expect(told(other, changed({ leader: 1, leaderEpoch: 1, partitionEpoch: 2 }))).toEqual([10, 100])
})

test('they hear for how long nobody else can be in charge', () => {
  const one = joined([topicWith(NAME, 1, [partitionOf([1, 0])])])
  one.stage.uptime = 250
  const { correlationId } = sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat')
  const { endOffset: metadataOffset } = one.stage.state.image
  const answer = { kind: 'brokerHeartbeatResponse', correlationId, errorCode: NONE, shouldShutDown: false, voters: [] } as const
  expect(lines(tell(one, { ...answer, metadataOffset }, coordinatorAt(0)))).toContain('to shares/0: leaseExtended')
})
