// A broker: it runs exactly what its image of the metadata says, tells replicas what they are, and removes what nobody wants here.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { codeOf } from '../../protocol/errors.ts'
import { created, nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import {
  brokerOn,
  change,
  coordinatorAt,
  diskOf,
  joined,
  metadata,
  more,
  register,
  replicaAt,
  replicaStarted,
  tell,
} from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { filesOf } from './disk.ts'
import { lines, sent, sentOne } from './stage.ts'

/** The actors that run on the node, as far as the broker knows. */
function replicas({ stage }: BrokerStage): string[] {
  return [...stage.state.replicas.keys()]
}

/** A replica of the node cannot go on leading. */
function failed(one: BrokerStage, name: string, topicId: number, isDamaged = false): Effect[] {
  return tell(one, { kind: 'replicaFailed', topicId, leaderEpoch: 0, isDamaged }, replicaAt(name))
}

describe('the replicas of a node', () => {
  test('are those of the image, whoever leads them', () => {
    const one = joined([created('a', 1, [0, 1, 1]), topicWith('b', 2, [partitionOf([0, 1]), partitionOf([0, 2])])])
    expect(replicas(one)).toEqual(['replica/a-1', 'replica/a-2', 'replica/b-0'])
    expect(more(one, created('c', 3, [1]))).toEqual(['spawn replica/c-0'])
  })

  test('are not started twice, and not touched by what concerns others', () => {
    const one = joined([created('a', 1, [1])])
    replicaStarted(one, 'a-0')
    expect(more(one, created('b', 2, [0]), { type: 'producerIdsReserved', nextProducerId: 1001 })).toEqual([])
    expect(lines(tell(one, metadata(0, 300, [...nodes([0, 1, 2]), created('a', 1, [1])]), coordinatorAt(0)))).toEqual([])
  })

  test('are stopped when they are not wanted here any more, and their files go', () => {
    const one = joined([topicWith('a', 1, [partitionOf([0, 1])]), created('b', 2, [1])])
    filesOf(one.disk, 'a-0.1').set('0.log', new Uint8Array(1))
    filesOf(one.disk, 'b-0.2').set('0.log', new Uint8Array(1))
    expect(more(one, change([0, 2], { partitionEpoch: 1 }))).toEqual(['stop replica/a-0'])
    expect([filesOf(one.disk, 'a-0.1').size, filesOf(one.disk, 'b-0.2').size]).toEqual([0, 1])
    expect(more(one, { type: 'topicDeleted', topicId: 2 })).toEqual(['stop replica/b-0'])
    expect(replicas(one)).toEqual([])
  })

  test('of a topic that is gone go also when a snapshot says so, by saying nothing', () => {
    const one = joined([created('a', 1, [1]), created('b', 2, [1])])
    const snapshot = metadata(0, 300, [...nodes([0, 1, 2]), created('b', 2, [1])])
    expect(lines(tell(one, snapshot, coordinatorAt(0)))).toEqual(['stop replica/a-0'])
  })

  test('are not touched before the metadata knows of this life of the node: what is older may not be true any more', () => {
    const one = joined([created('a', 1, [1])])
    filesOf(one.disk, 'a-0.1').set('0.log', new Uint8Array(1))
    const again = brokerOn(one.disk)
    tell(again, { kind: 'started' }, again.stage.self)
    register(again, 210)
    const moved = [created('a', 1, [1]), change([0], { partitionEpoch: 1 })]
    expect(lines(tell(again, metadata(0, 200, [...nodes([0, 1, 2]), ...moved]), coordinatorAt(0)))).toEqual([])
    const registered: MetadataRecord = { type: 'brokerRegistered', node: 1, brokerEpoch: 210, incarnation: 7, rack: null }
    expect(more(again, change([0, 1], { partitionEpoch: 2 }), registered)).toEqual(['spawn replica/a-0'])
    expect(filesOf(one.disk, 'a-0.1').size).toBe(1)
  })

  test('of a topic with the same name but another id take the place of the former', () => {
    const one = joined([created('a', 1, [1])])
    filesOf(one.disk, 'a-0.1').set('0.log', new Uint8Array(1))
    expect(more(one, { type: 'topicDeleted', topicId: 1 }, created('a', 7, [1]))).toEqual(['stop replica/a-0', 'spawn replica/a-0'])
    expect(filesOf(one.disk, 'a-0.1').size).toBe(0)
  })

  test('are told of settings that have changed, and only they are', () => {
    const one = joined([created('a', 1, [1]), created('b', 2, [1])])
    replicaStarted(one, 'a-0')
    replicaStarted(one, 'b-0', 2)
    expect(more(one, { type: 'topicConfigured', topicId: 1, configs: { flush: 'os' } })).toEqual([
      'to replica/a-0: configureReplica',
      expect.stringMatching(/^to replica\/a-0: leaderAndIsr/),
    ])
  })
})

describe('what a replica is', () => {
  test('it is told when it has started, with the incarnation of its node', () => {
    const one = joined([topicWith('a', 1, [partitionOf([0, 1, 2], { isr: [0, 1], leaderEpoch: 3, partitionEpoch: 7 })])])
    expect(sentOne(replicaStarted(one, 'a-0'), 'leaderAndIsr')).toEqual({
      kind: 'leaderAndIsr',
      topicId: 1,
      leader: 0,
      leaderEpoch: 3,
      partitionEpoch: 7,
      replicas: [0, 1, 2],
      isr: [0, 1],
      elr: [],
      minInsync: 2,
      brokerEpoch: 101,
      throttleBytesPerSecond: 0,
    })
  })

  test('shares the limit for reassignments with all that are brought here, until it is in sync', () => {
    const moving = (change = {}): PartitionImage => partitionOf([0, 1], { isr: [0], adding: [1], ...change })
    const one = joined([topicWith('a', 1, [moving(), moving(), partitionOf([0, 1])])], { reassignmentBytesPerSecond: 1001 })
    const shares = (effects: readonly Effect[]): number[] => sent(effects, 'leaderAndIsr').map((role) => role.throttleBytesPerSecond)
    expect([0, 1, 2].flatMap((partition) => shares(replicaStarted(one, `a-${partition}`)))).toEqual([501, 501, 0])
    const joins = moving({ isr: [0, 1], adding: [], partitionEpoch: 1 })
    const effects = tell(one, metadata(200, 201, [{ type: 'partitionChanged', topicId: 1, partition: 0, image: joins }]), coordinatorAt(0))
    expect(shares(effects)).toEqual([0, 1001])
  })

  test('changes the limit for reassignments when the cluster is told another one, and goes back to its own', () => {
    const moving = partitionOf([0, 1], { isr: [0], adding: [1] })
    const one = joined([topicWith('a', 1, [moving])], { reassignmentBytesPerSecond: 1000 })
    expect(sentOne(replicaStarted(one, 'a-0'), 'leaderAndIsr').throttleBytesPerSecond).toBe(1000)
    const limits = [50, 50, 0, null].map((bytesPerSecond, i) => {
      const update = metadata(200 + i, 201 + i, [{ type: 'reassignmentsThrottled', bytesPerSecond }])
      return sent(tell(one, update, coordinatorAt(0)), 'leaderAndIsr').map((role) => role.throttleBytesPerSecond)
    })
    expect(limits).toEqual([[50], [], [0], [1000]])
  })

  test('it is told again with every change, and not before it runs', () => {
    const one = joined([topicWith('a', 1, [partitionOf([0, 1])])])
    expect(more(one, change([0, 1], { isr: [0], partitionEpoch: 1 }))).toEqual([])
    expect(lines(replicaStarted(one, 'a-0'))).toEqual([expect.stringMatching(/^to replica\/a-0: leaderAndIsr/)])
    expect(more(one, change([0, 1], { leader: 1, leaderEpoch: 1, partitionEpoch: 2 }))).toEqual([
      expect.stringMatching(/^to replica\/a-0: leaderAndIsr/),
    ])
  })

  test('counts a majority of those that stay, while a reassignment adds others', () => {
    const one = joined([topicWith('a', 1, [partitionOf([1, 0, 2], { adding: [0, 2] })])])
    expect(sentOne(replicaStarted(one, 'a-0'), 'leaderAndIsr').minInsync).toBe(1)
  })

  test('one that starts again has failed: its leader asks to be relieved', () => {
    const one = joined([topicWith('a', 1, [partitionOf([1, 0], { leaderEpoch: 4, partitionEpoch: 6 })])])
    expect(lines(replicaStarted(one, 'a-0'))).toEqual([expect.stringMatching(/^to replica\/a-0: leaderAndIsr/)])
    const effects = replicaStarted(one, 'a-0')
    expect(sentOne(effects, 'leaderAndIsr').leaderEpoch).toBe(4)
    expect(sentOne(effects, 'alterPartition')).toMatchObject({
      node: 1,
      brokerEpoch: 101,
      topicId: 1,
      partition: 0,
      leaderEpoch: 4,
      partitionEpoch: 6,
      isr: null,
    })
  })

  test('one that does not lead fails without a word to the coordinator', () => {
    const one = joined([topicWith('a', 1, [partitionOf([0, 1])])])
    replicaStarted(one, 'a-0')
    expect(sent(replicaStarted(one, 'a-0'), 'alterPartition')).toEqual([])
    expect(failed(one, 'a-0', 1)).toEqual([])
  })

  test('a leader whose disk fails asks to be relieved', () => {
    const one = joined([topicWith('a', 1, [partitionOf([1, 0])])])
    replicaStarted(one, 'a-0')
    expect(sentOne(failed(one, 'a-0', 1), 'alterPartition')).toMatchObject({ leaderEpoch: 0, isr: null })
  })

  test('a replica whose log is damaged asks not to be counted on, whether it leads or not', () => {
    for (const replicas of [
      [0, 1],
      [1, 0],
    ]) {
      const one = joined([topicWith('a', 1, [partitionOf(replicas)])])
      replicaStarted(one, 'a-0')
      expect(sentOne(failed(one, 'a-0', 1, true), 'alterPartition')).toMatchObject({ leaderEpoch: 0, isr: [] })
    }
  })

  test('a replica that nobody knows of is told nothing, nor is one of a former topic of that name', () => {
    expect(replicaStarted(joined(), 'a-0')).toEqual([])
    const one = joined([created('a', 7, [1])])
    expect([...replicaStarted(one, 'a-0', 1), ...failed(one, 'a-0', 1)]).toEqual([])
    expect(lines(replicaStarted(one, 'a-0', 7))).toEqual([expect.stringMatching(/^to replica\/a-0: leaderAndIsr/)])
  })
})

describe('metadata', () => {
  test('that is known is not taken again, and what leaves a gap is not taken at all', () => {
    const one = joined()
    expect(lines(tell(one, metadata(0, 200, [created('a', 1, [1])]), coordinatorAt(0)))).toEqual([])
    expect(lines(tell(one, metadata(201, 202, [created('a', 1, [1])]), coordinatorAt(0)))).toEqual([])
    expect(replicas(one)).toEqual([])
    expect(one.stage.state.image.endOffset).toBe(200)
  })

  test('that begins below what is known is taken as far as it is new', () => {
    const one = joined()
    const batches = [
      [200, [created('a', 1, [1])]],
      [203, [created('b', 2, [1])]],
    ]
    const records = new TextEncoder().encode(JSON.stringify(batches))
    const update = { kind: 'metadataUpdate', beginOffset: 190, endOffset: 205, isSnapshot: false, records } as const
    expect(lines(tell(one, update, coordinatorAt(0)))).toEqual(['spawn replica/b-0'])
    expect(one.stage.state.image.endOffset).toBe(205)
  })

  test('shows where the active coordinator is', () => {
    const one = joined()
    tell(one, metadata(200, 201, []), coordinatorAt(2))
    expect(one.stage.state.controller).toBe(2)
  })
})

describe('directories that nobody is assigned', () => {
  const strays = ['a-0.9', 'gone-3.2']
  const kept = ['__cluster_metadata-0.0', '__broker-0.0', 'a-0.1']

  function withDirectories(): BrokerStage {
    const disk = diskOf()
    for (const log of [...strays, ...kept]) filesOf(disk, log).set('file', new Uint8Array(1))
    return brokerOn(disk)
  }

  function left({ disk }: BrokerStage): string[] {
    return [...disk.logs].flatMap(([log, files]) => (files.has('file') ? [log] : []))
  }

  test('are removed once the node has caught up with its registration, but never those of replicas here, nor the metadata log', () => {
    const one = withDirectories()
    tell(one, { kind: 'started' })
    register(one, 101)
    tell(one, metadata(0, 100, [created('a', 1, [1])]), coordinatorAt(0))
    expect(left(one)).toEqual([...strays, ...kept])
    tell(one, metadata(100, 101, nodes([1])), coordinatorAt(0))
    expect(left(one)).toEqual(kept)
  })

  test('are not looked for by a life of the node that the metadata does not know of: another registration has overtaken its own, and nothing is served yet', () => {
    const one = withDirectories()
    tell(one, { kind: 'started' })
    register(one, 101)
    const overtaken: MetadataRecord = { type: 'brokerRegistered', node: 1, brokerEpoch: 120, incarnation: 9, rack: null }
    tell(one, metadata(0, 121, [created('a', 1, [1]), overtaken]), coordinatorAt(0))
    expect(left(one)).toEqual([...strays, ...kept])
  })

  test('are looked for once', () => {
    const one = withDirectories()
    tell(one, { kind: 'started' })
    register(one, 101)
    tell(one, metadata(0, 101, [created('a', 1, [1]), ...nodes([1])]), coordinatorAt(0))
    filesOf(one.disk, 'a-0.9').set('file', new Uint8Array(1))
    more(one, created('b', 2, [1]))
    expect(left(one)).toContain('a-0.9')
  })
})

describe('what leaders ask of the coordinator', () => {
  const proposal = {
    kind: 'alterPartition',
    correlationId: 3,
    node: 1,
    brokerEpoch: -1,
    topicId: 1,
    partition: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    isr: [{ node: 1, brokerEpoch: 101 }],
  } as const
  const from = replicaAt('a-0')

  test('is carried to it with the incarnation of the node, and the answer comes back', () => {
    const one = joined([topicWith('a', 1, [partitionOf([1, 0])])])
    const [effect] = tell(one, proposal, from)
    expect(effect).toMatchObject({
      to: coordinatorAt(0),
      message: { ...proposal, brokerEpoch: 101, correlationId: expect.any(Number) as number },
    })
    const { correlationId } = sentOne(effect === undefined ? [] : [effect], 'alterPartition')
    const answer = { kind: 'alterPartitionResponse', correlationId, errorCode: codeOf('INELIGIBLE_REPLICA') } as const
    expect(lines(tell(one, answer, coordinatorAt(0)))).toEqual(['to replica/a-0: alterPartitionResponse #3 INELIGIBLE_REPLICA'])
    // It has been answered: another answer is nobody's.
    expect(tell(one, answer, coordinatorAt(0))).toEqual([])
  })

  test('is refused, to be asked again, when the coordinator is not active or not there', () => {
    const one = joined([topicWith('a', 1, [partitionOf([1, 0])])])
    const ask = (): number => sentOne(tell(one, proposal, from), 'alterPartition').correlationId
    const refused = ['to replica/a-0: alterPartitionResponse #3 NOT_CONTROLLER']
    const inactive = { kind: 'notController', correlationId: ask(), controller: 2, isUncertain: true } as const
    expect(lines(tell(one, inactive, coordinatorAt(0)))).toEqual(refused)
    expect(lines(tell(one, { kind: 'undeliverable', correlationId: ask() }, coordinatorAt(0)))).toEqual(refused)
  })
})
