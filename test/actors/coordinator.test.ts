// The coordinator: nothing is decided before the log is read, and nothing is told before it is written.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/coordinator.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import { encodeMetadataRecord } from '../../coordinator/metadata.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import { codeOf, errorOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { created, fetched } from '../coordinator/support.ts'
import { lines, sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

/** A coordinator whose log holds these records. */
function loaded(records: readonly MetadataRecord[] = [], nodeCount = 2): Stage<CoordinatorState> {
  const stage = stageOf(actor, { node: 0, actor: 'coordinator' }, { nodeCount, offsetsPartitions: 4 })
  stage.deliver({ kind: 'started' })
  stage.deliver(fetched(records.length === 0 ? null : bytesOf(records), records.length))
  return stage
}

function bytesOf(records: readonly MetadataRecord[]): Uint8Array {
  const values = records.map((record) => ({ key: null, value: encodeMetadataRecord(record) }))
  return appendRequest(openStateLog(0, 'm', 0, 0), 1, values, 0).records
}

function create(stage: Stage<CoordinatorState>, correlationId: number, name: string): Effect[] {
  return stage.deliver({ kind: 'createTopics', correlationId, topics: [{ name, numPartitions: 3, configs: {} }], validateOnly: false })
}

function written(stage: Stage<CoordinatorState>, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? 0 : codeOf(error)
  return stage.deliver({
    kind: 'produceResponse',
    correlationId: 0,
    errorCode,
    errorMessage: null,
    baseOffset: 0,
    logAppendTime: -1,
    logStartOffset: 0,
  })
}

/** What the records of a write say. */
function types(effects: readonly Effect[]): string[] {
  return sent(effects, 'produce').flatMap(({ records }) =>
    readRecords(records, 0).map(({ value }) => (JSON.parse(new TextDecoder().decode(value ?? new Uint8Array(0))) as MetadataRecord).type),
  )
}

/** The errors of an answer; null where there is none. */
function results(effects: readonly Effect[]): (string | null)[] {
  return sentOne(effects, 'adminResponse').results.map(({ errorCode }) => (errorCode === 0 ? null : errorOf(errorCode).name))
}

describe('loading', () => {
  test('starts the replica of the metadata log and reads it to its end', () => {
    const stage = stageOf(actor, { node: 0, actor: 'coordinator' }, { nodeCount: 1, offsetsPartitions: 4 })
    expect(lines(stage.deliver({ kind: 'started' }))).toEqual([
      'spawn replica/__cluster_metadata-0',
      'to replica/__cluster_metadata-0: fetch #1 from 0',
    ])
    expect(lines(stage.deliver(fetched(null, 0, { errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })))).toEqual(['timer load in 5 ms'])
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'load' }))).toEqual(['to replica/__cluster_metadata-0: fetch #2 from 0'])
    expect(lines(stage.deliver(fetched(bytesOf([created('a', 1)]), 2)))).toEqual(['to replica/__cluster_metadata-0: fetch #3 from 1'])
    expect(stage.state.log.loaded).toBe(false)
  })

  test('brings the image of the log', () => {
    const { state } = loaded([created('a', 1), { type: 'producerIdsReserved', nextProducerId: 2001 }])
    expect([...state.image.topics.keys()]).toEqual(['a'])
    expect(state).toMatchObject({ freeProducerId: 2001, image: { endOffset: 2 } })
  })

  test('refuses writes and reads meanwhile, in a way that can be tried again', () => {
    const stage = stageOf(actor, { node: 0, actor: 'coordinator' }, { nodeCount: 1, offsetsPartitions: 4 })
    expect(results(create(stage, 1, 'a'))).toEqual(['COORDINATOR_LOAD_IN_PROGRESS'])
    expect(lines(stage.deliver({ kind: 'metadata', correlationId: 2, topics: null }))).toEqual(['to client: undeliverable #2'])
    expect(lines(stage.deliver({ kind: 'findCoordinator', correlationId: 3, group: 'g' }))).toEqual([
      'to client: findCoordinatorResponse #3 COORDINATOR_NOT_AVAILABLE',
    ])
    expect(lines(stage.deliver({ kind: 'initProducerId', correlationId: 4 }))).toEqual([
      'to client: initProducerIdResponse #4 COORDINATOR_LOAD_IN_PROGRESS',
    ])
  })
})

describe('a write', () => {
  test('is answered, and told to the brokers, when it is in the log', () => {
    const stage = loaded()
    stage.deliver({ kind: 'registerBroker', node: 1, metadataOffset: -1 })
    expect(types(create(stage, 7, 'a'))).toEqual(['topicCreated'])
    expect(stage.state.image.topics.size).toBe(0)
    const effects = written(stage)
    expect(results(effects)).toEqual([null])
    expect(sentOne(effects, 'assignPartitions')).toMatchObject({ metadataOffset: 1, partitions: [{ topic: 'a', partition: 1 }] })
  })

  test('is judged when the one before it is in the log', () => {
    const stage = loaded()
    create(stage, 1, 'a')
    expect(create(stage, 2, 'a')).toEqual([])
    expect(stage.deliver({ kind: 'deleteTopics', correlationId: 3, topics: ['a'] })).toEqual([])
    const effects = written(stage)
    expect(sent(effects, 'adminResponse').map(({ correlationId, results: [one] }) => [correlationId, one?.errorCode])).toEqual([
      [1, 0],
      [2, codeOf('TOPIC_ALREADY_EXISTS')],
    ])
    expect(types(effects)).toEqual(['topicDeleted'])
    written(stage)
    expect(stage.state.image.topics.size).toBe(0)
  })

  test('that the log refuses changes nothing', () => {
    const stage = loaded()
    create(stage, 1, 'a')
    expect(results(written(stage, 'KAFKA_STORAGE_ERROR'))).toEqual(['KAFKA_STORAGE_ERROR'])
    expect(stage.state.image).toMatchObject({ endOffset: 0, nextTopicId: 1 })
    expect(types(create(stage, 2, 'a'))).toEqual(['topicCreated'])
  })

  test('that is refused, or only judged, writes nothing', () => {
    const stage = loaded([created('a', 1)])
    expect(results(create(stage, 1, 'a'))).toEqual(['TOPIC_ALREADY_EXISTS'])
    const topics = [{ name: 'b', numPartitions: 1, configs: {} }]
    expect(results(stage.deliver({ kind: 'createTopics', correlationId: 2, topics, validateOnly: true }))).toEqual([null])
    expect(results(stage.deliver({ kind: 'createPartitions', correlationId: 3, topics: [{ name: 'a', count: 1 }] }))).toEqual([
      'INVALID_PARTITIONS',
    ])
    expect(results(stage.deliver({ kind: 'incrementalAlterConfigs', correlationId: 4, topic: 'a', configs: { flush: 'x' } }))).toEqual([
      'INVALID_CONFIG',
    ])
    expect(stage.state.queue).toEqual([])
  })

  test('that nobody asked for but an answer came to is a bug', () => {
    expect(() => written(loaded())).toThrow('M4')
  })
})

describe('producer ids', () => {
  function ask(stage: Stage<CoordinatorState>, correlationId: number): number[] {
    return sent(stage.deliver({ kind: 'initProducerId', correlationId }), 'initProducerIdResponse').map(({ producerId }) => producerId)
  }

  test('are reserved in the log by blocks, and never given twice', () => {
    const stage = loaded()
    expect(ask(stage, 1)).toEqual([])
    expect(ask(stage, 2)).toEqual([])
    expect(sentOne(written(stage), 'initProducerIdResponse')).toMatchObject({ correlationId: 1, producerId: 1 })
    const second = sentOne(written(stage), 'initProducerIdResponse')
    const given = [1, second.producerId]
    for (let id = 3; id < 1100; id++) {
      const [now] = ask(stage, id)
      given.push(now ?? sentOne(written(stage), 'initProducerIdResponse').producerId)
    }
    expect(new Set(given).size).toBe(given.length)
    const next = loaded([{ type: 'producerIdsReserved', nextProducerId: stage.state.image.nextProducerId }])
    ask(next, 1)
    expect(Math.max(...given)).toBeLessThan(sentOne(written(next), 'initProducerIdResponse').producerId)
  })

  test('are not taken by writes of others', () => {
    const stage = loaded()
    ask(stage, 1)
    written(stage)
    create(stage, 2, 'a')
    written(stage)
    expect(ask(stage, 3)).toEqual([2])
  })

  test('are not given when the log refuses the block', () => {
    const stage = loaded()
    ask(stage, 1)
    expect(sentOne(written(stage, 'KAFKA_STORAGE_ERROR'), 'initProducerIdResponse')).toMatchObject({ producerId: -1 })
  })
})

describe('brokers', () => {
  test('hear their partitions when they register, unless they know them', () => {
    const stage = loaded([created('a', 1, [0, 1, 0])])
    const effects = stage.deliver({ kind: 'registerBroker', node: 0, metadataOffset: -1 })
    expect(sentOne(effects, 'assignPartitions').partitions.map(({ partition }) => partition)).toEqual([0, 2])
    expect(stage.deliver({ kind: 'registerBroker', node: 0, metadataOffset: 1 })).toEqual([])
  })
})

describe('metadata', () => {
  test('names the leaders of brokers that have registered', () => {
    const stage = loaded([created('a', 1, [0, 1])])
    stage.deliver({ kind: 'registerBroker', node: 1, metadataOffset: 1 })
    const [a, b] = sentOne(stage.deliver({ kind: 'metadata', correlationId: 1, topics: ['a', 'b'] }), 'metadataResponse').topics
    expect(a?.partitions.map(({ leader }) => leader)).toEqual([-1, 1])
    expect(b).toMatchObject({ topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [] })
  })

  test('of all topics is sorted by name', () => {
    const stage = loaded([created('b', 1), created('a', 2)])
    const { topics } = sentOne(stage.deliver({ kind: 'metadata', correlationId: 1, topics: null }), 'metadataResponse')
    expect(topics.map(({ topic }) => topic)).toEqual(['a', 'b'])
  })
})

describe('the coordinator of a group', () => {
  test('is found by the hash of its name, once the offsets topic is there', () => {
    const stage = loaded()
    const find = (correlationId: number): Effect[] => stage.deliver({ kind: 'findCoordinator', correlationId, group: 'orders' })
    expect(lines(find(1)).map((line) => line.replace(/ numbered.*/, ''))).toEqual([
      'to replica/__cluster_metadata-0: produce #2: 1 record',
      'to client: findCoordinatorResponse #1 COORDINATOR_NOT_AVAILABLE',
    ])
    expect(lines(find(2))).toEqual(['to client: findCoordinatorResponse #2 COORDINATOR_NOT_AVAILABLE'])
    written(stage)
    // hashCode('orders') = -1008770331; without its sign bit, modulo 4: partition 1, on node 1 of two.
    expect(sentOne(find(3), 'findCoordinatorResponse')).toMatchObject({ errorCode: 0, partition: 1, node: 1, topicId: 1 })
  })
})
