// A broker and the coordinators of groups: they are where their partition is led, for one leader epoch, and wait for members where somebody may still be alive who knew them.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { NONE } from '../../protocol/errors.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import {
  answerHeartbeat,
  brokerOn,
  change,
  coordinatorAt,
  diskOf,
  joined,
  metadata,
  more,
  moreEffects,
  register,
  tell,
} from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { lines, sent, sentOne } from './stage.ts'

describe('groups', () => {
  const offsets = topicWith('__consumer_offsets', 1, [partitionOf([1, 0])])

  test('are coordinated where their partition is led, from when the node is registered', () => {
    const one = joined([])
    expect(more(one, offsets)).toEqual(['spawn replica/__consumer_offsets-0', 'spawn groups/0'])
    expect(more(joined([]), topicWith('__consumer_offsets', 1, [partitionOf([0, 1])]))).toEqual(['spawn replica/__consumer_offsets-0'])
    const early = brokerOn(diskOf())
    tell(early, { kind: 'started' })
    tell(early, metadata(0, 100, [offsets, ...nodes([1])]), coordinatorAt(0))
    expect(early.stage.state.groups.size).toBe(0)
    register(early, 101)
    expect([...early.stage.state.groups]).toEqual([[0, 0]])
  })

  test('hear for how long nobody else can be in charge, when the metadata of that time is here', () => {
    const one = joined([offsets])
    one.stage.uptime = 250
    const { correlationId } = sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat')
    const { image } = one.stage.state
    const answer = { kind: 'brokerHeartbeatResponse', correlationId, errorCode: NONE, shouldShutDown: false, voters: [] } as const
    const effects = tell(one, { ...answer, metadataOffset: image.endOffset + 1 }, coordinatorAt(0))
    expect(sent(effects, 'leaseExtended')).toEqual([])
    expect(sent(moreEffects(one, ...nodes([2])), 'leaseExtended')).toEqual([{ kind: 'leaseExtended', until: 450 }])
    expect(sent(moreEffects(one, ...nodes([2])), 'leaseExtended')).toEqual([])
  })

  test('are found by who asks on this node', () => {
    const found = sentOne(
      tell(joined([offsets]), { kind: 'findCoordinator', correlationId: 4, keyType: 'group', key: 'g' }),
      'findCoordinatorResponse',
    )
    expect(found).toMatchObject({ errorCode: NONE, node: 1, partition: 0, topicId: 1 })
    const unknown = tell(joined([]), { kind: 'findCoordinator', correlationId: 4, keyType: 'group', key: 'g' })
    expect(lines(unknown)).toEqual(['to client: findCoordinatorResponse #4 COORDINATOR_NOT_AVAILABLE'])
  })

  /** The coordinator of groups that is asked to resign by these effects does so. */
  function resigned(one: BrokerStage, effects: readonly Effect[]): Effect[] {
    const { correlationId } = sentOne(effects, 'resign')
    return tell(one, { kind: 'resigned', correlationId }, { node: 1, actor: 'groups/0' })
  }

  test('end with the leader epoch in which they began, and begin anew in the next, as soon as they have resigned', () => {
    const one = joined([offsets])
    expect(more(one, change([1, 0], { isr: [1], partitionEpoch: 1 }))).toEqual([])
    const again = moreEffects(one, change([1, 0], { leaderEpoch: 1, partitionEpoch: 2 }))
    expect(again).toHaveLength(1)
    expect(lines(resigned(one, again))).toEqual(['stop groups/0', 'spawn groups/0'])
    const away = moreEffects(one, change([1, 0], { leader: 0, leaderEpoch: 2, partitionEpoch: 3 }))
    expect(lines(resigned(one, away))).toEqual(['stop groups/0'])
  })

  test('that are not there need not resign, and who does not answer is asked again', () => {
    const one = joined([offsets])
    const { correlationId } = sentOne(moreEffects(one, change([1, 0], { leaderEpoch: 1, partitionEpoch: 2 })), 'resign')
    one.stage.uptime = 250
    tell(one, { kind: 'timerFired', timer: 'coordinator' })
    expect(sentOne(answerHeartbeat(one), 'resign')).toMatchObject({ correlationId, leaderEpoch: 0 })
    expect(lines(tell(one, { kind: 'undeliverable', correlationId }))).toEqual(['stop groups/0', 'spawn groups/0'])
    expect(lines(tell(one, { kind: 'resigned', correlationId }))).toEqual([])
  })

  /** The grace of groups that come to node 1 from node 0, after something has happened. */
  function graceAfter(happens: (one: BrokerStage) => unknown, epoch = 1): unknown {
    const one = joined([topicWith('__consumer_offsets', 1, [partitionOf([0, 1])])])
    happens(one)
    const moved = change([0, 1], { isr: [1], leader: 1, leaderEpoch: epoch, partitionEpoch: epoch })
    const effects = moreEffects(one, { type: 'brokerFenced', node: 0, fenced: true }, moved)
    const spawn = effects.find((effect) => effect.kind === 'spawn' && effect.actor === 'groups/0')
    return spawn?.kind === 'spawn' ? spawn.config : null
  }

  test('wait with partitions when the node that they come from may be alive, for its members may not know yet', () => {
    expect(graceAfter(() => [])).toMatchObject({ partition: 0, leaderEpoch: 1, graceMillis: 100 })
    expect(graceAfter((one) => tell(one, { kind: 'nodeDown', node: 0 }))).toMatchObject({ graceMillis: 10, expectMillis: 100 })
  })

  test('do not wait for a node that has begun anew', () => {
    const again: MetadataRecord = { type: 'brokerRegistered', node: 0, brokerEpoch: 150, incarnation: 5, rack: null }
    expect(graceAfter((one) => more(one, again))).toMatchObject({ graceMillis: 10 })
  })

  test('do not wait for a dead node although what is heard next is something else', () => {
    const other = topicWith('other', 7, [partitionOf([0, 1])])
    expect(graceAfter((one) => [tell(one, { kind: 'nodeDown', node: 0 }), more(one, other)])).toMatchObject({ graceMillis: 10 })
  })

  /** The grace of groups that come to node 1 when these changes come at once, after node 0 was heard to be dead. */
  function graceOfMoves(led: PartitionImage, ...moves: readonly MetadataRecord[]): unknown {
    const one = joined([topicWith('__consumer_offsets', 1, [led])])
    tell(one, { kind: 'nodeDown', node: 0 })
    const spawn = moreEffects(one, ...moves).find((effect) => effect.kind === 'spawn' && effect.actor === 'groups/0')
    return spawn?.kind === 'spawn' ? spawn.config : null
  }

  test('wait when somebody has led whom this node never saw lead', () => {
    const toTwo = change([0, 2, 1], { isr: [2, 1], leader: 2, leaderEpoch: 1, partitionEpoch: 1 })
    const toOne = change([0, 2, 1], { isr: [2, 1], leader: 1, leaderEpoch: 2, partitionEpoch: 2 })
    expect(graceOfMoves(partitionOf([0, 2, 1]), toTwo, toOne)).toMatchObject({ leaderEpoch: 2, graceMillis: 100 })
  })

  test('do not wait for a dead node when nobody has led since', () => {
    const one = joined([topicWith('__consumer_offsets', 1, [partitionOf([0, 1])])])
    tell(one, { kind: 'nodeDown', node: 0 })
    more(one, change([0, 1], { isr: [1], leader: -1, leaderEpoch: 1, partitionEpoch: 1 }))
    const effects = moreEffects(one, change([0, 1], { isr: [1], leader: 1, leaderEpoch: 2, partitionEpoch: 2 }))
    expect(effects).toContainEqual(
      expect.objectContaining({ kind: 'spawn', config: expect.objectContaining({ graceMillis: 10 }) as unknown }),
    )
  })

  test('wait when this node itself led before: its members do not know that it is over', () => {
    const again = change([1, 0], { leaderEpoch: 1, partitionEpoch: 1 })
    const one = joined([offsets])
    const [, spawn] = resigned(one, moreEffects(one, again))
    expect(spawn).toMatchObject({ kind: 'spawn', config: { leaderEpoch: 1, graceMillis: 100 } })
  })

  test('wait for a node that was dead and leads again in another life', () => {
    const back = (one: BrokerStage): unknown => [
      tell(one, { kind: 'nodeDown', node: 0 }),
      more(one, { type: 'brokerRegistered', node: 0, brokerEpoch: 150, incarnation: 5, rack: null }),
      more(one, change([0, 1], { leaderEpoch: 1, partitionEpoch: 1 })),
    ]
    expect(graceAfter(back, 2)).toMatchObject({ graceMillis: 100 })
  })
})
