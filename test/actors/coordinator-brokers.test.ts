// What the active coordinator does for the nodes of the cluster: registrations, heartbeats, metadata, fencing, and what leaders propose.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { CoordinatorConfig } from '../../actors/coordinator.ts'
import { applyBatches, emptyImage, isLive } from '../../coordinator/metadata.ts'
import type { MetadataBatch, MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { PartitionImage } from '../../coordinator/partition-image.ts'
import { codeOf, errorOf, NONE } from '../../protocol/errors.ts'
import type { AlterPartitionRequest, MetadataUpdate, RegisterBroker } from '../../protocol/messages/broker.ts'
import { created, nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { active, coordinatorOn, diskWith, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'
import { lines, sent, sentOne } from './stage.ts'

/** An active coordinator of three nodes, some of which may be fenced, with a session of 1000 ms. */
function cluster(
  records: readonly MetadataRecord[] = [],
  fenced: readonly number[] = [],
  config: Partial<CoordinatorConfig> = {},
): CoordinatorStage {
  return active([...nodes([0, 1, 2], fenced), ...records], config)
}

function image({ stage }: CoordinatorStage): MetadataImage {
  return stage.state.seat.image
}

/** Partition 0 of topic 1, named `t`. */
function partition(one: CoordinatorStage): PartitionImage | undefined {
  return image(one).topics.get('t')?.partitions[0]
}

function registration(node: number, changes: Partial<RegisterBroker> = {}): RegisterBroker {
  const incarnation = 7000 + node
  return {
    kind: 'registerBroker',
    correlationId: 4,
    node,
    incarnation,
    rack: null,
    previousBrokerEpoch: -1,
    isUnsyncedSafe: false,
    ...changes,
  }
}

/** A node is alive; by default it has all the metadata, and is in the incarnation that the coordinator knows. */
function beat(one: CoordinatorStage, node: number, metadataOffset = image(one).endOffset, brokerEpoch?: number): Effect[] {
  const known = brokerEpoch ?? image(one).brokers.get(node)?.brokerEpoch ?? -1
  return tell(
    one,
    { kind: 'brokerHeartbeat', correlationId: 1, node, brokerEpoch: known, metadataOffset, wantShutDown: 'no' },
    { node, actor: 'broker' },
  )
}

/** Time passes; the coordinator looks after the nodes, and what it writes is written. */
function look(one: CoordinatorStage, millis: number): Effect[] {
  const effects: Effect[] = []
  // As often as the timer does: who does not look cannot have listened.
  for (let left = millis; left > 0; left -= 50) {
    one.stage.uptime += Math.min(left, 50)
    effects.push(...tell(one, { kind: 'timerFired', timer: 'brokers' }), ...work(one))
  }
  return effects
}

/** Creates a topic, to have something written. */
function create(one: CoordinatorStage, name: string): Effect[] {
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, configs: {} }]
  return [...tell(one, { kind: 'createTopics', correlationId: 9, topics, validateOnly: false }), ...work(one)]
}

/** The nodes that are sent something of a kind. */
function addressees(effects: readonly Effect[], kind: 'metadataUpdate' | 'brokerHeartbeatResponse'): number[] {
  return effects.flatMap((effect) => (effect.kind === 'send' && effect.message.kind === kind ? [effect.to.node] : []))
}

function batchesOf({ records }: MetadataUpdate): MetadataBatch[] {
  return JSON.parse(new TextDecoder().decode(records)) as MetadataBatch[]
}

describe('a registration', () => {
  test('is answered when it is committed, with the epoch of the incarnation', () => {
    const one = cluster()
    const { endOffset } = image(one)
    expect(tell(one, registration(3))).toEqual([])
    const effects = work(one)
    expect(sentOne(effects, 'brokerRegistered')).toEqual({
      kind: 'brokerRegistered',
      correlationId: 4,
      errorCode: NONE,
      brokerEpoch: endOffset + 1,
    })
    expect(image(one).brokers.get(3)).toMatchObject({ brokerEpoch: endOffset + 1, incarnation: 7003, fenced: true })
  })

  test('that comes twice is done once', () => {
    const one = cluster()
    tell(one, registration(3))
    const [first] = sent(work(one), 'brokerRegistered')
    const [second] = sent(tell(one, registration(3, { correlationId: 5 })), 'brokerRegistered')
    expect(second).toEqual({ ...first, correlationId: 5 })
    expect(one.pending).toEqual([])
    // Even when the second comes while the first is being written.
    tell(one, registration(4))
    tell(one, registration(4, { correlationId: 5 }))
    const epochs = sent(work(one), 'brokerRegistered').map(({ brokerEpoch }) => brokerEpoch)
    expect(epochs[1]).toBe(epochs[0])
  })

  test('of another incarnation ends the one before', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([1, 2])])])
    tell(one, registration(1, { previousBrokerEpoch: 101 }))
    work(one)
    expect(partition(one)).toMatchObject({ isr: [2], leader: 2 })
    expect(errorOf(sentOne(beat(one, 1, 0, 101), 'brokerHeartbeatResponse').errorCode).name).toBe('STALE_BROKER_EPOCH')
  })

  test('is refused by one that is not active', () => {
    const one = coordinatorOn(diskWith([]))
    expect(sentOne(tell(one, registration(1)), 'notController')).toMatchObject({ correlationId: 4, isUncertain: false })
  })
})

describe('a heartbeat', () => {
  test('is answered; a node that nobody knows is told so', () => {
    const one = cluster()
    expect(sentOne(beat(one, 1), 'brokerHeartbeatResponse')).toEqual({
      kind: 'brokerHeartbeatResponse',
      correlationId: 1,
      errorCode: NONE,
      shouldShutDown: false,
      voters: [0],
      metadataOffset: expect.any(Number) as number,
    })
    expect(lines(beat(one, 9, 0, 5))).toEqual(['to broker: brokerHeartbeatResponse #1 BROKER_ID_NOT_REGISTERED'])
  })

  test('of another incarnation counts for nothing', () => {
    const one = cluster()
    one.stage.uptime = 900
    expect(lines(beat(one, 1, 0, 99))).toEqual(['to broker: brokerHeartbeatResponse #1 STALE_BROKER_EPOCH'])
    expect(one.stage.state.brokers.sessions.get(1)?.heardAt).toBe(0)
  })

  test('of a fenced node that has caught up with its registration unfences it, once', () => {
    const one = cluster()
    tell(one, registration(3))
    work(one)
    const brokerEpoch = image(one).brokers.get(3)?.brokerEpoch ?? -1
    beat(one, 3, brokerEpoch - 1)
    expect(one.pending).toEqual([])
    beat(one, 3, brokerEpoch)
    beat(one, 3, brokerEpoch)
    expect(one.stage.state.queue).toHaveLength(1)
    work(one)
    expect(isLive(image(one), 3)).toBe(true)
    beat(one, 3)
    expect(one.pending).toEqual([])
  })

  test('does not unfence an incarnation that was registered meanwhile: it may be dead long since', () => {
    const one = cluster([], [1])
    tell(one, registration(1, { incarnation: 9, previousBrokerEpoch: 5 }))
    beat(one, 1, 1000)
    expect(one.stage.state.queue).toHaveLength(2)
    work(one)
    expect(image(one).brokers.get(1)).toMatchObject({ incarnation: 9, fenced: true, activeEpoch: -1 })
  })

  test('brings a node back that was fenced, and it leads where nobody does', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([1], { leader: -1 })])], [1])
    beat(one, 1, 101)
    work(one)
    expect(partition(one)).toMatchObject({ leader: 1, leaderEpoch: 1 })
  })
})

describe('metadata', () => {
  test('goes to every node that is heard, when it is committed: what is new to it', () => {
    const one = cluster()
    const before = image(one).endOffset
    for (const node of [0, 1, 2]) beat(one, node)
    const effects = create(one, 'a')
    expect(addressees(effects, 'metadataUpdate')).toEqual([0, 1, 2])
    for (const update of sent(effects, 'metadataUpdate')) {
      expect(update).toMatchObject({ beginOffset: before, endOffset: before + 1, isSnapshot: false })
      expect(batchesOf(update)).toMatchObject([[before + 1, [{ type: 'topicCreated', name: 'a' }]]])
    }
    expect(sent(create(one, 'b'), 'metadataUpdate').map(({ beginOffset }) => beginOffset)).toEqual([before + 1, before + 1, before + 1])
  })

  test('that a node has missed comes with its next heartbeat, from where it is', () => {
    const one = cluster()
    const before = image(one).endOffset
    for (const name of ['a', 'b', 'c']) create(one, name)
    const update = sentOne(beat(one, 1, before + 1), 'metadataUpdate')
    expect(update).toMatchObject({ beginOffset: before + 1, endOffset: before + 3, isSnapshot: false })
    expect(batchesOf(update).map(([end]) => end)).toEqual([before + 2, before + 3])
    expect(sent(beat(one, 1), 'metadataUpdate')).toEqual([])
  })

  test('is a snapshot for a node that is far behind: it makes the same image', () => {
    const one = cluster([created('a', 1)], [], { snapshotBytes: 1 })
    create(one, 'b')
    const update = sentOne(beat(one, 1, 0), 'metadataUpdate')
    expect(update).toMatchObject({ isSnapshot: true, endOffset: image(one).endOffset })
    const copy = emptyImage()
    applyBatches(copy, batchesOf(update))
    expect(copy).toEqual(image(one))
  })

  test('makes the same image by snapshot and by deltas, wherever a node comes from', () => {
    const one = cluster()
    const copies = Array.from({ length: 4 }, () => emptyImage())
    for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) {
      create(one, name)
      for (const copy of copies.slice(i)) {
        const updates = sent(beat(one, 1, copy.endOffset), 'metadataUpdate')
        if (updates[0]?.isSnapshot === true) Object.assign(copy, emptyImage())
        for (const update of updates) applyBatches(copy, batchesOf(update))
      }
      expect(copies.slice(i)).toEqual(copies.slice(i).map(() => image(one)))
    }
  })
})

describe('a session', () => {
  test('is over when a node has been silent for too long: it is fenced, and others lead', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([1, 0])])])
    for (const node of [0, 2]) {
      one.stage.uptime = 900
      beat(one, node)
    }
    one.stage.uptime = 0
    look(one, 999)
    expect(isLive(image(one), 1)).toBe(true)
    const effects = look(one, 1)
    expect([0, 1, 2].map((node) => isLive(image(one), node))).toEqual([true, false, true])
    expect(partition(one)).toMatchObject({ isr: [0], leader: 0, leaderEpoch: 1 })
    expect(addressees(effects, 'metadataUpdate')).toEqual(expect.arrayContaining([0, 2]))
  })

  test('is looked at twenty times before it may be over', () => {
    expect(lines(look(cluster(), 10))).toEqual(['timer brokers in 50 ms'])
  })

  test('is looked at when it is over', () => {
    const one = cluster()
    expect(
      lines(look(one, 950))
        .filter((line) => line.startsWith('timer'))
        .at(-1),
    ).toBe('timer brokers in 50 ms')
    expect(
      lines(look(one, 20))
        .filter((line) => line.startsWith('timer'))
        .at(-1),
    ).toBe('timer brokers in 30 ms')
  })

  test('is over at once when the process of a node is known to be dead', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([1, 0])])])
    tell(one, { kind: 'nodeDown', node: 1 })
    work(one)
    expect(isLive(image(one), 1)).toBe(false)
    expect(partition(one)).toMatchObject({ leader: 0 })
    // What it had sent comes late, or it lives after all: then it registers again.
    expect(sentOne(beat(one, 1, 101), 'brokerHeartbeatResponse').errorCode).toBe(codeOf('STALE_BROKER_EPOCH'))
    work(one)
    expect(isLive(image(one), 1)).toBe(false)
  })

  test('of a node that is dead already, or of a client, is over without a word', () => {
    const one = cluster([], [1])
    tell(one, { kind: 'nodeDown', node: 1 })
    tell(one, { kind: 'nodeDown', node: -1 })
    expect([one.pending, one.stage.state.queue]).toEqual([[], []])
  })

  test('begins with the reign of a coordinator: it has heard nobody yet', () => {
    const one = coordinatorOn(diskWith(nodes([0, 1])))
    tell(one, { kind: 'started' })
    one.stage.uptime = 5000
    work(one)
    look(one, 999)
    expect([0, 1].map((node) => isLive(image(one), node))).toEqual([true, true])
    look(one, 1)
    expect([0, 1].map((node) => isLive(image(one), node))).toEqual([false, false])
  })
})

describe('leaders', () => {
  test('go back to where they are preferred, now and then', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([1, 0], { leader: 0 })])])
    one.stage.uptime = 900
    for (const node of [0, 1, 2]) beat(one, node)
    look(one, 50)
    expect(partition(one)?.leader).toBe(0)
    look(one, 50)
    expect(partition(one)).toMatchObject({ leader: 1, leaderEpoch: 1 })
  })
})

describe('what a leader proposes', () => {
  const topic = topicWith('t', 1, [partitionOf([0, 1], { isr: [0] })])

  function propose(one: CoordinatorStage, changes: Partial<AlterPartitionRequest> = {}): Effect[] {
    const isr = [0, 1].map((node) => ({ node, brokerEpoch: 100 + node }))
    const request = { topicId: 1, partition: 0, leaderEpoch: 0, partitionEpoch: 0, isr, node: 0, brokerEpoch: 100, ...changes }
    const message = { kind: 'alterPartition', correlationId: 6, ...request } as const
    return [...tell(one, message, { node: 0, actor: 'broker' }), ...work(one)]
  }

  function outcome(effects: readonly Effect[]): string | null {
    const { errorCode } = sentOne(effects, 'alterPartitionResponse')
    return errorCode === NONE ? null : errorOf(errorCode).name
  }

  test('is committed, told to everybody, and then answered', () => {
    const one = cluster([topic])
    for (const node of [0, 1, 2]) beat(one, node)
    const effects = propose(one)
    expect(outcome(effects)).toBeNull()
    expect(partition(one)).toMatchObject({ isr: [0, 1], partitionEpoch: 1 })
    const kinds = effects.flatMap((effect) => (effect.kind === 'send' && effect.to.node === 0 ? [effect.message.kind] : []))
    expect(kinds).toEqual(['metadataUpdate', 'alterPartitionResponse'])
  })

  test('is refused without a write when it is not for the partition as it is, or from another incarnation of the leader', () => {
    const one = cluster([topic], [1])
    const { endOffset } = image(one)
    expect(outcome(propose(one))).toBe('INELIGIBLE_REPLICA')
    expect(outcome(propose(one, { partitionEpoch: 3 }))).toBe('INVALID_UPDATE_VERSION')
    expect(outcome(propose(one, { brokerEpoch: 55 }))).toBe('STALE_BROKER_EPOCH')
    expect(image(one).endOffset).toBe(endOffset)
  })

  test('twice is done once: the second comes too late', () => {
    const one = cluster([topic])
    expect([outcome(propose(one)), outcome(propose(one))]).toEqual([null, 'INVALID_UPDATE_VERSION'])
  })

  test('to be relieved is another leader; what is of an older epoch changes nothing', () => {
    const one = cluster([topicWith('t', 1, [partitionOf([0, 1])])])
    expect(outcome(propose(one, { isr: null }))).toBeNull()
    expect(partition(one)).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [0, 1] })
    expect(outcome(propose(one, { isr: null }))).toBeNull()
    expect(partition(one)).toMatchObject({ leader: 1, leaderEpoch: 1 })
  })

  test('is lost with the leadership of the coordinator, and may yet be carried out', () => {
    const one = cluster([topic])
    one.disk.failing.set('sync', 'io')
    expect(sentOne(propose(one), 'notController')).toMatchObject({ correlationId: 6, isUncertain: true })
  })
})

test('a reassignment is answered when it is written, and over when the new replicas are in sync', () => {
  const one = cluster([topicWith('t', 1, [partitionOf([0])])])
  const partitions = [{ topic: 't', partition: 0, replicas: [1] }]
  tell(one, { kind: 'alterPartitionReassignments', correlationId: 2, partitions })
  expect(sentOne(work(one), 'adminResponse').results).toMatchObject([{ name: 't', errorCode: NONE }])
  expect(partition(one)).toMatchObject({ replicas: [1, 0], leader: 0, adding: [1], removing: [0] })
  const isr = [0, 1].map((node) => ({ node, brokerEpoch: 100 + node }))
  const { leaderEpoch = -1, partitionEpoch = -1 } = partition(one) ?? {}
  const proposal = { topicId: 1, partition: 0, leaderEpoch, partitionEpoch, isr, node: 0, brokerEpoch: 100 }
  tell(one, { kind: 'alterPartition', correlationId: 3, ...proposal })
  work(one)
  expect(partition(one)).toMatchObject({ replicas: [1], isr: [1], leader: 1, adding: [], removing: [] })
  const over = {
    kind: 'alterPartitionReassignments',
    correlationId: 4,
    partitions: [{ topic: 't', partition: 0, replicas: null }],
  } as const
  expect(sentOne(tell(one, over), 'adminResponse').results).toMatchObject([{ errorCode: codeOf('NO_REASSIGNMENT_IN_PROGRESS') }])
})

test('a new active coordinator sends no snapshots to nodes that have everything that was written before its reign', () => {
  const one = active(nodes([0, 1, 2]))
  const { endOffset } = one.stage.state.seat.image
  const beat = {
    kind: 'brokerHeartbeat',
    correlationId: 1,
    node: 1,
    brokerEpoch: 101,
    metadataOffset: endOffset - 1,
    wantShutDown: 'no',
  } as const
  expect(sentOne(tell(one, beat), 'metadataUpdate').isSnapshot).toBe(false)
})

test('nor with its first write, before it has heard them', () => {
  const one = active(nodes([0, 1, 2]))
  const topics = [{ name: 'a', numPartitions: 1, replicationFactor: 1, configs: {} }]
  tell(one, { kind: 'createTopics', correlationId: 9, topics, validateOnly: false })
  expect(sent(work(one), 'metadataUpdate').filter(({ isSnapshot }) => isSnapshot)).toEqual([])
})
