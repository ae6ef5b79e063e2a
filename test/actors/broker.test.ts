// A broker: it serves exactly what the newest assignment says, removes what nobody is assigned, and drains.

import { describe, expect, test } from 'vitest'
import { actor } from '../../actors/broker.ts'
import type { BrokerState } from '../../actors/broker.ts'
import type { PartitionAssignment } from '../../protocol/messages/lifecycle.ts'
import { configOf } from '../partitions/support.ts'
import { lines, sent, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

function broker(node = 1): Stage<BrokerState> {
  return stageOf(actor, { node, actor: 'broker' }, { coordinatorNodes: [0], groupGraceMillis: 100 })
}

function partition(topic: string, topicId = 1, changes: Parameters<typeof configOf>[0] = {}): PartitionAssignment {
  return { topic, topicId, partition: 0, leaderEpoch: 0, config: configOf(changes) }
}

function assign(stage: Stage<BrokerState>, metadataOffset: number, ...partitions: readonly PartitionAssignment[]): string[] {
  return lines(stage.deliver({ kind: 'assignPartitions', metadataOffset, partitions }))
}

describe('a broker', () => {
  test('shows itself to the coordinator, often until it is answered', () => {
    const stage = broker()
    expect(lines(stage.deliver({ kind: 'started' }))).toEqual(['to coordinator: registerBroker', 'timer register in 20 ms'])
    assign(stage, 3)
    const effects = stage.deliver({ kind: 'timerFired', timer: 'register' })
    expect(sent(effects, 'registerBroker')).toEqual([{ kind: 'registerBroker', node: 1, metadataOffset: 3 }])
    expect(lines(effects)[1]).toBe('timer register in 1000 ms')
  })

  test('starts what it is assigned, and looks once for what it is not', () => {
    const stage = broker()
    expect(assign(stage, 1, partition('a'), partition('b', 2))).toEqual(['spawn replica/a-0', 'spawn replica/b-0', 'listLogs'])
    expect(assign(stage, 2, partition('a'), partition('b', 2), partition('c', 3))).toEqual(['spawn replica/c-0'])
  })

  test('ignores an assignment that is not newer', () => {
    const stage = broker()
    assign(stage, 5, partition('a'))
    expect(assign(stage, 5)).toEqual([])
    expect(assign(stage, 4)).toEqual([])
    expect([...stage.state.replicas.keys()]).toEqual(['replica/a-0'])
  })

  test('stops what is no longer assigned, then removes its files', () => {
    const stage = broker()
    assign(stage, 1, partition('a'), partition('b', 2))
    expect(assign(stage, 2, partition('b', 2))).toEqual(['stop replica/a-0', 'remove all of a-0.1'])
  })

  test('stops a topic of the same name but another id before it starts the new one', () => {
    const stage = broker()
    assign(stage, 1, partition('a', 1))
    expect(assign(stage, 2, partition('a', 7))).toEqual(['stop replica/a-0', 'remove all of a-0.1', 'spawn replica/a-0'])
  })

  test('hands on settings that have changed, and only them', () => {
    const stage = broker()
    assign(stage, 1, partition('a'), partition('b', 2))
    expect(assign(stage, 2, partition('a', 1, { flush: 'os' }), partition('b', 2))).toEqual(['to replica/a-0: configureReplica'])
  })
})

describe('directories that nobody is assigned', () => {
  const listed = { kind: 'logsListed', token: 1, logs: ['__cluster_metadata-0.0', 'a-0.1', 'a-0.9', 'gone-3.2'] } as const

  test('are removed, but never those of partitions here, nor the metadata log', () => {
    const stage = broker()
    assign(stage, 1, partition('a'))
    expect(lines(stage.deliver(listed))).toEqual(['remove all of a-0.9', 'remove all of gone-3.2'])
  })

  test('are not judged before the first assignment: a listing that a former life asked for removes nothing', () => {
    expect(broker().deliver(listed)).toEqual([])
  })
})

describe('groups', () => {
  const request = { kind: 'ensureGroup', correlationId: 4, group: 'g', partition: 0, topicId: 2 } as const

  test('are started where their partition is led, once', () => {
    const stage = broker()
    assign(stage, 1, partition('__consumer_offsets', 2))
    expect(lines(stage.deliver(request))).toEqual(['spawn group/g', 'to client: groupEnsured #4'])
    expect(lines(stage.deliver(request))).toEqual(['to client: groupEnsured #4'])
    expect(sent(stage.deliver({ kind: 'listGroups', correlationId: 5 }), 'groupsListed')[0]?.groups).toEqual(['g'])
  })

  test('are refused elsewhere, and for an offsets topic that is not the present one', () => {
    const stage = broker()
    expect(lines(stage.deliver(request))).toEqual(['to client: groupEnsured #4 NOT_COORDINATOR'])
    assign(stage, 1, partition('__consumer_offsets', 9))
    expect(lines(stage.deliver(request))).toEqual(['to client: groupEnsured #4 NOT_COORDINATOR'])
  })
})

describe('a clean stop', () => {
  test('is over when every replica has drained; assignments no longer count', () => {
    const stage = broker()
    assign(stage, 1, partition('a'), partition('b', 2))
    expect(lines(stage.deliver({ kind: 'drain' }))).toEqual(['to replica/a-0: drain', 'to replica/b-0: drain'])
    expect(assign(stage, 2)).toEqual([])
    expect(stage.deliver({ kind: 'drained' })).toEqual([])
    expect(lines(stage.deliver({ kind: 'drained' }))).toEqual(['to client: drained'])
  })

  test('is over at once when there is nothing to drain', () => {
    expect(lines(broker(0).deliver({ kind: 'drain' }))).toEqual(['to client: drained'])
  })
})
