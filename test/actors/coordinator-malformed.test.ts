// Whatever reaches the coordinator as a request is answered, or left unanswered; it never stops the coordinator, and what it accepts can be applied.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeOf, errorOf } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { active, tell, work } from './coordinator-support.ts'
import { sentOne } from './stage.ts'

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, '', 'x', 'orders', OFFSETS_TOPIC, -1, 0.5, Number.NaN, 2 ** 60, Infinity),
  fc.array(fc.constantFrom<unknown>(null, 0, 1, 'orders', {}), { maxLength: 3 }),
  fc.constantFrom<unknown>({}, { name: 'orders' }, { flush: 'os' }),
)
const node = fc.constantFrom(0, 1, 2, 7)
const name = fc.constantFrom('orders', OFFSETS_TOPIC, 'new', 'o.ders', '')
const small = fc.integer({ min: -1, max: 4 })
const epoch = fc.constantFrom(-1, 0, 1, 2, 100, 101, 102)
const flag = fc.boolean()

/** A field that is most often what it should be. */
function mostly(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: junk })
}

function requestOf(kind: string, fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Message> {
  const drawn = fc.record(Object.fromEntries(Object.entries(fields).map(([field, good]) => [field, mostly(good)])))
  return drawn.map((values) => ({ kind, correlationId: 9, ...values }) as unknown as Message)
}

function listOf(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  return fc.array(fc.record(Object.fromEntries(Object.entries(fields).map(([field, good]) => [field, mostly(good)]))), { maxLength: 3 })
}

const configs = fc.dictionary(fc.constantFrom('flush', 'minInsyncReplicas', 'segment.bytes', '__proto__'), junk, { maxKeys: 2 })

const requests = fc.oneof(
  requestOf('createTopics', { topics: listOf({ name, numPartitions: small, replicationFactor: small, configs }), validateOnly: flag }),
  requestOf('deleteTopics', { topics: fc.array(name, { maxLength: 3 }) }),
  requestOf('createPartitions', { topics: listOf({ name, count: small }) }),
  requestOf('incrementalAlterConfigs', { topic: name, configs }),
  requestOf('alterPartitionReassignments', {
    partitions: listOf({ topic: name, partition: small, replicas: fc.option(fc.array(node, { maxLength: 3 })) }),
  }),
  requestOf('rebalance', { drain: fc.option(node) }),
  requestOf('throttleReassignments', { bytesPerSecond: fc.option(small) }),
  requestOf('unregisterBroker', { node, validateOnly: flag }),
  requestOf('alterClientQuotas', {
    entries: listOf({
      entity: fc.dictionary(fc.constantFrom('clientId', 'user', 'group', 'ip'), mostly(fc.option(name)), { maxKeys: 2 }),
      ops: listOf({ key: fc.constantFrom('producerByteRate', 'consumerByteRate', 'requestPercentage'), value: fc.option(small) }),
    }),
    validateOnly: flag,
  }),
  requestOf('describeClientQuotas', { version: small }),
  requestOf('addRaftVoter', { node }),
  requestOf('removeRaftVoter', { node }),
  requestOf('metadata', { topics: fc.option(fc.array(name, { maxLength: 3 })) }),
  requestOf('findCoordinator', { group: fc.string({ maxLength: 3 }) }),
  requestOf('watchMetadata', { metadataOffset: small }),
  requestOf('initProducerId', {}),
  requestOf('brokerHeartbeat', { node, brokerEpoch: epoch, metadataOffset: small, wantShutDown: flag }),
  requestOf('registerBroker', { node, incarnation: epoch, rack: fc.option(name), previousBrokerEpoch: epoch, isUnsyncedSafe: flag }),
  requestOf('alterPartition', {
    node,
    brokerEpoch: epoch,
    topicId: fc.constantFrom(1, 2, 3),
    partition: small,
    leaderEpoch: epoch,
    partitionEpoch: epoch,
    isr: fc.option(listOf({ node, brokerEpoch: epoch })),
  }),
)

test('whatever is asked, the coordinator goes on', () => {
  const image = [
    ...nodes([0, 1, 2]),
    topicWith('orders', 1, [partitionOf([0, 1]), partitionOf([1, 2])]),
    topicWith(OFFSETS_TOPIC, 2, [partitionOf([0, 1, 2])]),
  ]
  fc.assert(
    fc.property(fc.array(requests, { minLength: 1, maxLength: 6 }), (asked) => {
      const one = active(image)
      for (const request of asked) {
        tell(one, request, { node: 1, actor: 'somebody' })
        work(one)
      }
      const effects = tell(one, { kind: 'metadata', correlationId: 77, topics: null })
      expect(sentOne(effects, 'metadataResponse').correlationId).toBe(77)
    }),
    { numRuns: 2000, seed: 4 },
  )
})

test('a partition that stands twice in a request is moved once: two changes in one batch could not be applied', () => {
  const one = active([...nodes([0, 1, 2]), topicWith('orders', 1, [partitionOf([0, 1])])])
  const partitions = [[1, 2], [2], null].map((replicas) => ({ topic: 'orders', partition: 0, replicas }))
  tell(one, { kind: 'alterPartitionReassignments', correlationId: 3, partitions })
  const { results } = sentOne(work(one), 'adminResponse')
  expect(results.map(({ errorCode }) => errorOf(errorCode).name)).toEqual(['NONE', 'INVALID_REQUEST', 'INVALID_REQUEST'])
})

test('a wrong value is named', () => {
  const one = active(nodes([0]))
  const request = { kind: 'createTopics', correlationId: 3, topics: [null], validateOnly: false } as unknown as Message
  expect(sentOne(tell(one, request), 'adminResponse')).toEqual({
    kind: 'adminResponse',
    correlationId: 3,
    results: [{ name: '', topicId: -1, errorCode: codeOf('INVALID_REQUEST'), errorMessage: 'the request createTopics has no such topics' }],
  })
})
