// The coordinator: nothing is decided before it leads and the log is read, and nothing is told before it is committed.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { codeOf, errorOf } from '../../protocol/errors.ts'
import { isLive } from '../../coordinator/metadata.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { logFileName } from '../../partitions/log.ts'
import { created, nodes } from '../coordinator/support.ts'
import { active as activeWith, coordinatorOn, diskWith, METADATA_LOG, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'
import { perform } from './disk.ts'
import { lines, sent, sentOne } from './stage.ts'

/** The nodes of the cluster: four records. */
const NODES = nodes([0, 1])

/** An active coordinator of two nodes. */
function active(records: readonly MetadataRecord[] = []): CoordinatorStage {
  return activeWith([...NODES, ...records])
}

function create(one: CoordinatorStage, correlationId: number, name: string): Effect[] {
  const topics = [{ name, numPartitions: 3, replicationFactor: 1, configs: {} }]
  return tell(one, { kind: 'createTopics', correlationId, topics, validateOnly: false })
}

/** A node is alive, and has the metadata below an offset. */
function beat(one: CoordinatorStage, node: number, metadataOffset: number, brokerEpoch = 100 + node): Effect[] {
  return tell(
    one,
    { kind: 'brokerHeartbeat', correlationId: 1, node, brokerEpoch, metadataOffset, wantShutDown: 'no' },
    { node, actor: 'broker' },
  )
}

/** What the records of a write say. */
function types({ pending }: CoordinatorStage): string[] {
  return pending.flatMap((effect) =>
    effect.kind !== 'append'
      ? []
      : readRecords(effect.bytes, 0).map(
          ({ value }) => (JSON.parse(new TextDecoder().decode(value ?? new Uint8Array(0))) as MetadataRecord).type,
        ),
  )
}

/** The errors of an answer; null where there is none. */
function results(effects: readonly Effect[]): (string | null)[] {
  return sentOne(effects, 'adminResponse').results.map(({ errorCode }) => (errorCode === 0 ? null : errorOf(errorCode).name))
}

describe('starting', () => {
  test('reads the disk, is elected, and knows the nodes: each has a whole session to be heard', () => {
    const one = coordinatorOn(diskWith([...NODES, created('a', 1)]))
    expect(tell(one, { kind: 'started' })).toEqual([])
    expect(sentOne(beat(one, 1, 5), 'notController')).toMatchObject({ controller: -1 })
    one.stage.uptime = 700
    expect(lines(work(one))).toContain('timer brokers in 50 ms')
    expect(one.stage.state).toMatchObject({ wasActive: true, seat: { quorum: { role: 'leader', epoch: 1 } } })
    expect([...one.stage.state.brokers.sessions].map(([node, { heardAt }]) => [node, heardAt])).toEqual([
      [0, 700],
      [1, 700],
    ])
    expect([0, 1].map((node) => isLive(one.stage.state.seat.image, node))).toEqual([true, true])
  })

  test('brings the image of a log from before the quorum', () => {
    const { state } = active([created('a', 1), { type: 'producerIdsReserved', nextProducerId: 2001 }]).stage
    expect([...state.seat.image.topics.keys()]).toEqual(['a'])
    expect(state).toMatchObject({ freeProducerId: 2001, seat: { image: { endOffset: 8 } } })
  })

  test('refuses writes and reads meanwhile, in a way that can be tried again', () => {
    const one = coordinatorOn(diskWith([]))
    const refusal = { kind: 'notController', controller: -1, isUncertain: false }
    expect(sentOne(create(one, 1, 'a'), 'notController')).toEqual({ ...refusal, correlationId: 1 })
    for (const message of [
      { kind: 'metadata', correlationId: 2, topics: null },
      { kind: 'findCoordinator', correlationId: 3, keyType: 'group', key: 'g' },
      { kind: 'initProducerId', correlationId: 4 },
    ] as const)
      expect(sentOne(tell(one, message), 'notController')).toEqual({ ...refusal, correlationId: message.correlationId })
  })
})

describe('the disk', () => {
  test('that fails is read again, and what was synced is there', () => {
    const one = active()
    create(one, 1, 'a')
    work(one)
    one.disk.failing.set('append', 'full')
    create(one, 2, 'b')
    const effects = work(one)
    expect(sentOne(effects, 'notController')).toMatchObject({ correlationId: 2, controller: -1, isUncertain: true })
    expect(lines(effects)).toContain('timer reopen in 500 ms')
    expect(sent(create(one, 3, 'c'), 'notController')).toHaveLength(1)
    one.disk.failing.clear()
    tell(one, { kind: 'timerFired', timer: 'reopen' })
    work(one)
    expect([...one.stage.state.seat.image.topics.keys()]).toEqual(['a'])
    create(one, 4, 'b')
    expect(results(work(one))).toEqual([null])
  })

  test('that fails to sync what a former life left is made to write it again: the next sync alone proves nothing', () => {
    const one = coordinatorOn(diskWith(NODES))
    one.disk.failing.set('sync', 'io')
    tell(one, { kind: 'started' })
    work(one)
    expect(one.stage.state.seat.isActive).toBe(false)
    one.disk.failing.clear()
    tell(one, { kind: 'timerFired', timer: 'reopen' })
    const asked: string[] = []
    for (let next = one.pending.shift(); next !== undefined; next = one.pending.shift()) {
      if ('file' in next && next.file === logFileName(0)) asked.push(next.kind)
      tell(one, perform(one.disk, next))
    }
    expect(asked.slice(0, 3)).toEqual(['read', 'rewrite', 'sync'])
    expect(one.stage.state.seat.isActive).toBe(true)
  })

  test('keeps a snapshot instead of a long log', () => {
    const disk = diskWith(NODES)
    const one = coordinatorOn(disk, { snapshotBytes: 500 })
    tell(one, { kind: 'started' })
    work(one)
    for (let i = 0; i < 20; i++) {
      create(one, i, `topic-${i}`)
      work(one)
    }
    tell(one, { kind: 'deleteTopics', correlationId: 99, topics: ['topic-19'] })
    work(one)
    const files = [...(disk.logs.get(METADATA_LOG)?.keys() ?? [])]
    expect(files.filter((name) => name.endsWith('.checkpoint'))).toHaveLength(1)
    expect(files.filter((name) => name.endsWith('.log')).length).toBeLessThan(4)
    const next = coordinatorOn(disk)
    tell(next, { kind: 'started' })
    work(next)
    const { image } = next.stage.state.seat
    expect(image.topics.size).toBe(19)
    expect(image).toMatchObject({ nextTopicId: 21, endOffset: one.stage.state.seat.image.endOffset + 1 })
    expect([0, 1].map((node) => isLive(image, node))).toEqual([true, true])
  })
})

describe('a write', () => {
  test('is answered when it is in the log, and told to the brokers before: whoever is answered finds it there', () => {
    const stage = active()
    beat(stage, 1, 6)
    beat(stage, 0, 6)
    expect(create(stage, 7, 'a')).toEqual([])
    expect(types(stage)).toEqual(['topicCreated'])
    expect(stage.stage.state.seat.image.topics.size).toBe(0)
    const effects = work(stage)
    expect(results(effects)).toEqual([null])
    expect(lines(effects)).toEqual([
      'to broker: metadataUpdate from 6 to 7',
      'to broker: metadataUpdate from 6 to 7',
      'to client: adminResponse #7',
    ])
    expect(effects.map((effect) => effect.kind === 'send' && effect.to.node)).toEqual([0, 1, -1])
    const [update] = sent(effects, 'metadataUpdate')
    expect(update).toMatchObject({ beginOffset: 6, endOffset: 7, isSnapshot: false })
  })

  test('is judged when the one before it is in the log', () => {
    const stage = active()
    create(stage, 1, 'a')
    expect(create(stage, 2, 'a')).toEqual([])
    expect(tell(stage, { kind: 'deleteTopics', correlationId: 3, topics: ['a'] })).toEqual([])
    const effects = work(stage)
    expect(sent(effects, 'adminResponse').map(({ correlationId, results: [one] }) => [correlationId, one?.errorCode])).toEqual([
      [1, 0],
      [2, codeOf('TOPIC_ALREADY_EXISTS')],
      [3, 0],
    ])
    expect(stage.stage.state.seat.image.topics.size).toBe(0)
  })

  test('that the log refuses changes nothing', () => {
    const stage = active()
    create(stage, 1, 'a')
    create(stage, 2, 'b')
    stage.disk.failing.set('sync', 'io')
    const refusals = sent(work(stage), 'notController')
    expect(refusals.map(({ correlationId, isUncertain }) => [correlationId, isUncertain])).toEqual([
      [1, true],
      [2, false],
    ])
    expect(stage.stage.state).toMatchObject({ queue: [], writing: null, seat: { image: { nextTopicId: 1 } } })
  })

  test('that is refused, or only judged, writes nothing', () => {
    const stage = active([created('a', 1)])
    expect(results(create(stage, 1, 'a'))).toEqual(['TOPIC_ALREADY_EXISTS'])
    const topics = [{ name: 'b', numPartitions: 1, replicationFactor: 1, configs: {} }]
    expect(results(tell(stage, { kind: 'createTopics', correlationId: 2, topics, validateOnly: true }))).toEqual([null])
    expect(results(tell(stage, { kind: 'createPartitions', correlationId: 3, topics: [{ name: 'a', count: 1 }] }))).toEqual([
      'INVALID_PARTITIONS',
    ])
    expect(results(tell(stage, { kind: 'incrementalAlterConfigs', correlationId: 4, topic: 'a', configs: { flush: 'x' } }))).toEqual([
      'INVALID_CONFIG',
    ])
    expect(stage.stage.state.queue).toEqual([])
  })

  test('is not begun while another member leads, and the refusal names it', () => {
    const follower = coordinatorOn(diskWith([]), { voters: [0, 1, 2] }, 1)
    tell(follower, { kind: 'started' })
    work(follower)
    const leader = { node: 2, actor: 'coordinator' }
    tell(follower, { kind: 'quorumAppend', epoch: 3, prevOffset: 0, prevEpoch: 0, highWatermark: 0, records: null }, leader)
    expect(sentOne(create(follower, 1, 'a'), 'notController')).toMatchObject({ controller: 2, isUncertain: false })
  })
})

describe('producer ids', () => {
  function ask(stage: CoordinatorStage, correlationId: number): number[] {
    return sent(tell(stage, { kind: 'initProducerId', correlationId }), 'initProducerIdResponse').map(({ producerId }) => producerId)
  }

  test('are reserved in the log by blocks, and never given twice', () => {
    const stage = active()
    expect(ask(stage, 1)).toEqual([])
    expect(ask(stage, 2)).toEqual([])
    const given = sent(work(stage), 'initProducerIdResponse').map(({ producerId }) => producerId)
    expect(given[0]).toBe(1)
    for (let id = 3; id < 1100; id++) {
      const [now] = ask(stage, id)
      given.push(now ?? sentOne(work(stage), 'initProducerIdResponse').producerId)
    }
    expect(new Set(given).size).toBe(given.length)
    const next = active([{ type: 'producerIdsReserved', nextProducerId: stage.stage.state.seat.image.nextProducerId }])
    ask(next, 1)
    expect(Math.max(...given)).toBeLessThan(sentOne(work(next), 'initProducerIdResponse').producerId)
  })

  test('are not taken by writes of others', () => {
    const stage = active()
    ask(stage, 1)
    work(stage)
    create(stage, 2, 'a')
    work(stage)
    expect(ask(stage, 3)).toEqual([2])
  })

  test('are not given when the log refuses the block', () => {
    const stage = active()
    ask(stage, 1)
    stage.disk.failing.set('append', 'full')
    expect(sentOne(work(stage), 'notController')).toMatchObject({ correlationId: 1 })
  })
})

describe('metadata', () => {
  test('names the nodes, and the leaders of those that are not fenced', () => {
    const stage = activeWith([...nodes([0, 1], [0]), created('a', 1, [0, 1])])
    const response = sentOne(tell(stage, { kind: 'metadata', correlationId: 1, topics: ['a', 'b'] }), 'metadataResponse')
    expect(response).toMatchObject({ metadataOffset: 6, controller: 0, nextTopicId: 2 })
    expect(response.brokers.map(({ node, brokerEpoch, fenced }) => [node, brokerEpoch, fenced])).toEqual([
      [0, 100, true],
      [1, 101, false],
    ])
    const [a, b] = response.topics
    expect(a?.partitions.map(({ leader }) => leader)).toEqual([-1, 1])
    const still = { adding: [], removing: [], minInsync: 1 }
    expect(a?.partitions[1]).toEqual({ partition: 1, leader: 1, leaderEpoch: 0, replicas: [1], isr: [1], elr: [], ...still })
    expect(response.voters).toEqual([0])
    expect(b).toMatchObject({ topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [] })
  })

  test('of all topics is sorted by name', () => {
    const stage = active([created('b', 1), created('a', 2)])
    const { topics } = sentOne(tell(stage, { kind: 'metadata', correlationId: 1, topics: null }), 'metadataResponse')
    expect(topics.map(({ topic }) => topic)).toEqual(['a', 'b'])
  })
})

describe('the coordinator of a group', () => {
  test('is found by the hash of its name, once the offsets topic is there', () => {
    const stage = active()
    const find = (correlationId: number): Effect[] =>
      tell(stage, { kind: 'findCoordinator', correlationId, keyType: 'group', key: 'orders' })
    expect(lines(find(1))).toEqual(['to client: findCoordinatorResponse #1 COORDINATOR_NOT_AVAILABLE'])
    expect(types(stage)).toEqual(['topicCreated'])
    expect(lines(find(2))).toEqual(['to client: findCoordinatorResponse #2 COORDINATOR_NOT_AVAILABLE'])
    work(stage)
    // hashCode('orders') = -1008770331; without its sign bit, modulo 4: partition 1, on node 1 of two.
    expect(sentOne(find(3), 'findCoordinatorResponse')).toMatchObject({ errorCode: 0, partition: 1, node: 1, topicId: 1 })
  })

  test('is not that of a transactional id of the same name, which has a topic of its own', () => {
    const stage = active()
    const find = (keyType: 'group' | 'transaction'): Effect[] =>
      tell(stage, { kind: 'findCoordinator', correlationId: 1, keyType, key: 'orders' })
    find('transaction')
    find('group')
    find('group')
    expect(types(stage)).toEqual(['topicCreated'])
    work(stage)
    expect(sentOne(find('transaction'), 'findCoordinatorResponse')).toMatchObject({ errorCode: 0, partition: 1, topicId: 1 })
    expect(sentOne(find('group'), 'findCoordinatorResponse')).toMatchObject({ errorCode: 0, partition: 1, topicId: 2 })
    const { topics } = stage.stage.state.seat.image
    expect([...topics.keys()]).toEqual(['__transaction_state', '__consumer_offsets'])
    expect(topics.get('__transaction_state')?.configs).toEqual(topics.get('__consumer_offsets')?.configs)
    expect(lines(tell(stage, { kind: 'findCoordinator', correlationId: 1, keyType: 'streams' as 'group', key: 'orders' }))).toEqual([
      'to client: findCoordinatorResponse #1 INVALID_REQUEST',
    ])
  })
})
