// Arguments that no TypeScript caller could give: each is refused at the door with a KafkaError that names it and says what is allowed, and
// nothing has been sent.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { ClusterOptions, ErrorName } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

/** A method as JavaScript sees it. */
type Method = (...given: unknown[]) => unknown
type Case = readonly [method: string, given: readonly unknown[], reason: RegExp, name?: ErrorName]

/** Calls by name: what is given has no types, as in JavaScript. */
function call(target: object, method: string, given: readonly unknown[]): unknown {
  const found = (target as Record<string, Method>)[method]!
  return found.apply(target, [...given])
}

async function expectRefusal(target: object, [method, given, reason, name]: Case): Promise<void> {
  const error = await failureOf(() => call(target, method, given))
  expect([error.name, error.message]).toEqual([name ?? 'INVALID_REQUEST', expect.stringMatching(reason)])
}

const RECORD = { topic: 't', partition: 0, offset: 0, timestamp: 1, key: null, value: 'x', headers: [] }

/** An array with a hole: `every` and `map` do not see it. */
const HOLED = Object.assign([], { 1: 'a' })

const LIST = /^the setting deleteOnceConsumedBy must be a text, a number, true or false, or a list of texts, not \[/

const REPLICAS = /^replicas must be null or a list of one or more different nodes/
const ALTER = /^alterGroupOffsets takes a list of \{ topic, partition, offset, metadata \}, not /
const NODE = /^a node is a whole number from 0 on, not /

const DELETE = /^deleteRecords takes a list of \{ topic, partition, beforeOffset \}, not /

const ABORT = /^abortTransaction takes a transaction \{ topic, partition, startOffset \}, not /

const ADMIN_CASES: readonly Case[] = [
  ...[undefined, null, 't', [], { topic: 't', partition: 0 }, { topic: 't', partition: 0, startOffset: '0' }].map((given): Case => [
    'abortTransaction',
    [given],
    ABORT,
  ]),
  ['abortTransaction', [{ topic: '', partition: 0, startOffset: 0 }], /^a topic name /, 'INVALID_TOPIC_EXCEPTION'],
  ['abortTransaction', [{ topic: 't', partition: -1, startOffset: 0 }], /^a partition is /, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['abortTransaction', [{ topic: 't', partition: 0, startOffset: 0.5 }], /^an offset is /, 'OFFSET_OUT_OF_RANGE'],
  ['findHangingTransactions', [null], /^a topic name is a string, not /, 'INVALID_TOPIC_EXCEPTION'],
  ['describeProducers', [5, 0], /^a topic name is a string, not /, 'INVALID_TOPIC_EXCEPTION'],
  ['describeProducers', ['t', '0'], /^a partition is /, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ...[undefined, 't', {}, [null], [{ topic: 't', partition: 0 }], [{ topic: 't', partition: 0, beforeOffset: '1' }]].map((given): Case => [
    'deleteRecords',
    [given],
    DELETE,
  ]),
  ...[-2, 1.5].map((beforeOffset): Case => [
    'deleteRecords',
    [[{ topic: 't', partition: 0, beforeOffset }]],
    /^an offset is a whole number from 0 on, not /,
    'OFFSET_OUT_OF_RANGE',
  ]),
  ...[1, 'x', {}, Number.NaN, undefined].map((replicas): Case => ['reassign', ['t', 0, replicas], REPLICAS]),
  ...[[], [1.5], ['a'], [-1], [0, 0], [null]].map((replicas): Case => [
    'reassign',
    ['t', 0, replicas],
    REPLICAS,
    'INVALID_REPLICA_ASSIGNMENT',
  ]),
  ...['0', -1, 1.5, null].map((partition): Case => [
    'reassign',
    ['t', partition, [0]],
    /^a partition is a whole number from 0 on, not /,
    'UNKNOWN_TOPIC_OR_PARTITION',
  ]),
  ['reassign', [5, 0, [0]], /a topic name is a string, not number/, 'INVALID_TOPIC_EXCEPTION'],
  ...[5, null, undefined, [{}], [RECORD.topic], [{ topic: 't', partition: 0 }]].map((offsets): Case => [
    'alterGroupOffsets',
    ['g', offsets],
    ALTER,
  ]),
  ['alterGroupOffsets', ['g', [{ topic: 't', partition: 0, offset: 1, metadata: 5 }]], /^metadata must be a string, not 5$/],
  ['alterGroupOffsets', ['g', [{ topic: 't', partition: 0, offset: -1 }]], /^an offset is a whole number/, 'OFFSET_OUT_OF_RANGE'],
  ...['drainNode', 'removeNode', 'addVoter', 'removeVoter'].flatMap((method) =>
    [null, undefined, '0', -1, {}].map((node): Case => [method, [node], NODE]),
  ),
  ['drainNode', [0, null], /^drainNode options must be an object, not null$/, 'INVALID_OPTION'],
  ['rebalance', [null], /^rebalance options must be an object, not null$/, 'INVALID_OPTION'],
  ['rebalance', ['x'], /^rebalance options must be an object, not "x"$/, 'INVALID_OPTION'],
  ['rebalance', [{ by: 'weight' }], /^rebalance option by must be one of 'replicas', 'bytes', not "weight"$/, 'INVALID_OPTION'],
  ['rebalance', [{ signal: 5 }], /^rebalance option signal must be an AbortSignal, not 5$/, 'INVALID_OPTION'],
  [
    'createTopic',
    ['u', { partition: 7 }],
    /^createTopic has no option "partition"; it has partitions, replicationFactor, config, ifNotExists$/,
    'INVALID_OPTION',
  ],
  ['createTopic', ['u', 5], /^createTopic options must be an object, not 5$/, 'INVALID_OPTION'],
  ['createTopic', ['u', null], /^createTopic options must be an object, not null$/, 'INVALID_OPTION'],
  ['createTopic', ['u', { config: 5 }], /^createTopic option config must be an object, not 5$/, 'INVALID_OPTION'],
  ['createTopic', ['u', { config: null }], /^createTopic option config must be an object, not null$/, 'INVALID_OPTION'],
  ['createTopic', ['u', { config: ['x'] }], /^config must be an object of settings, not /],
  ['createTopic', ['u', { config: { deleteOnceConsumedBy: HOLED } }], LIST, 'INVALID_CONFIG'],
  ['alterConfig', ['t', { deleteOnceConsumedBy: HOLED }], LIST, 'INVALID_CONFIG'],
  ['alterConfig', ['t', { deleteOnceConsumedBy: [5] }], LIST, 'INVALID_CONFIG'],
  ['reassign', ['t', 0, HOLED], REPLICAS, 'INVALID_REPLICA_ASSIGNMENT'],
  ['deleteRecords', [HOLED], DELETE],
  ['alterConfig', ['t', 5], /^config must be an object of settings, not 5$/],
  ['alterConfig', ['t', null], /^config must be an object of settings, not null$/],
  ['listTopics', [null], /^listTopics options must be an object, not null$/, 'INVALID_OPTION'],
  ['listTopics', [{ intern: true }], /^listTopics has no option "intern"; it has internal$/, 'INVALID_OPTION'],
  ['listOffsets', ['t'], /^a timestamp is 'earliest', 'latest' or a whole number of milliseconds since 1970, not undefined$/],
  ['listOffsets', ['t', 'newest'], /^a timestamp is 'earliest', 'latest' or .*, not "newest"$/],
]

const COMMIT = /^commit takes nothing, a batch, or a list of \{ topic, partition, offset, metadata \}, not /

const CONSUMER_CASES: readonly Case[] = [
  ...[5, null, 't', {}, RECORD, [RECORD.topic], [{}], [null], [{ topic: 't', partition: 0 }]].map((what): Case => [
    'commit',
    [what],
    COMMIT,
  ]),
  ['commit', [[{ topic: 't', partition: 0, offset: 1, metadata: 5 }]], /^metadata must be a string, not 5$/],
  ['poll', [null], /^poll options must be an object, not null$/, 'INVALID_OPTION'],
  ['poll', [{ timeout: 5 }], /^poll has no option "timeout"; it has signal, timeoutMillis$/, 'INVALID_OPTION'],
  ['poll', [{ timeoutMillis: '5' }], /^poll option timeoutMillis must be a number from 0 on, not "5"$/, 'INVALID_OPTION'],
  ...['assign', 'pause', 'resume', 'committed'].flatMap((method) =>
    ['t', 5, null, [{}], ['t'], [{ topic: 't' }]].map((given): Case => [
      method,
      [given],
      new RegExp(`^${method} takes a list of \\{ topic, partition \\}, not `),
    ]),
  ),
  ['seekToTimestamp', [0, 't'], /^seekToTimestamp takes a list of \{ topic, partition \}, not "t"$/],
  ['seek', [null, 0], /^seek takes a partition \{ topic, partition \}, not null$/],
  ['position', ['t'], /^position takes a partition \{ topic, partition \}, not "t"$/],
]

const CLUSTER_CASES: readonly Case[] = [
  ['on', ['leaderchanged', () => undefined], /^there is no event "leaderchanged"; there are nodeDown, nodeUp, .*leaderChanged, .*error$/],
  ['on', ['toString', () => undefined], /^there is no event "toString"/],
  ['on', ['nodeUp', undefined], /^the listener of nodeUp must be a function, not undefined$/],
]

const FIELDS = /^a record has no field "(vlaue|offset)"; it has topic, key, value, headers, partition, timestamp$/

const PRODUCER_CASES: readonly Case[] = [
  ...[null, 5, 'h', ['h'], new Map([['h', 'x']])].map((headers): Case => [
    'send',
    [{ topic: 't', value: 'x', headers }],
    /^headers must be an object of names and values, not /,
    'INVALID_RECORD',
  ]),
  ['send', [Object.assign([], { length: 1 })], /^a record is an object such as \{ topic, key, value \}$/, 'INVALID_RECORD'],
  ['send', [{ topic: 't', vlaue: 'x' }], FIELDS, 'INVALID_RECORD'],
  ['send', [{ topic: 't', value: 'x', offset: 5 }], FIELDS, 'INVALID_RECORD'],
  ['write', [{ topic: 't', value: 'x', offset: 5 }], FIELDS, 'INVALID_RECORD'],
]

describe('what JavaScript may give and nothing can take is refused', () => {
  test('by the administration; afterwards it still works', async () => {
    const { admin } = await openCluster()
    await admin.createTopic('t')
    for (const one of ADMIN_CASES) await expectRefusal(admin, one)
    expect(await admin.listTopics()).toEqual(['t'])
    expect(await admin.listGroups()).toEqual([])
  })

  test('by a consumer, which may still be assigned, read and commit', async () => {
    const cluster = await openCluster()
    await cluster.admin.createTopic('t')
    await cluster.producer({ value: string }).send({ topic: 't', value: 'x' })
    const consumer = cluster.consumer({ group: 'g', value: string })
    for (const one of CONSUMER_CASES) await expectRefusal(consumer, one)
    for (const lane of [consumer.records(null as never), consumer.batches(null as never)]) {
      const error = await failureOf(() => lane[Symbol.asyncIterator]().next())
      expect([error.name, error.message]).toEqual(['INVALID_OPTION', expect.stringMatching(/options must be an object, not null$/)])
    }
    consumer.assign([{ topic: 't', partition: 0 }])
    expect((await consumer.poll({ timeoutMillis: 10_000 })).map(({ value }) => value)).toEqual(['x'])
    await consumer.commit([{ topic: 't', partition: 0, offset: 1 }])
    expect(await consumer.committed()).toEqual([{ topic: 't', partition: 0, offset: 1, metadata: '' }])
  })

  test('by a cluster, which takes no listener for it', async () => {
    const cluster = await openCluster()
    for (const one of CLUSTER_CASES) await expectRefusal(cluster, one)
  })

  test('by a producer, before and after it knows the topic', async () => {
    const cluster = await openCluster()
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string })
    for (const one of PRODUCER_CASES) await expectRefusal(producer, one)
    expect((await producer.send({ topic: 't', value: 'x' })).offset).toBe(0)
    for (const one of PRODUCER_CASES) await expectRefusal(producer, one)
    expect((await producer.send({ topic: 't', value: 'y' })).offset).toBe(1)
  })
})

test('a serde that is none is refused where it is given', async () => {
  const cluster = await openCluster()
  const reason =
    /^(producer|consumer|shareConsumer) option (key|value) must be a serde, an object with the function (serialize|deserialize), not /
  for (const none of [{}, [], new Date(0), new Map(), { serialize: 5, deserialize: 5 }, null, 'string', () => undefined]) {
    for (const options of [{ key: none }, { value: none }]) {
      for (const method of ['producer', 'consumer']) await expectRefusal(cluster, [method, [options], reason, 'INVALID_OPTION'])
      await expectRefusal(cluster, ['shareConsumer', [{ group: 'g', topics: ['t'], ...options }], reason, 'INVALID_OPTION'])
    }
  }
  class Upper {
    serialize(value: string | null): Uint8Array | null {
      return string.serialize(value)
    }
    deserialize(bytes: Uint8Array): string {
      return string.deserialize(bytes).toUpperCase()
    }
  }
  await cluster.consumer({ key: new Upper(), value: new Upper() }).close()
  const half = { serialize: (value: string | null) => string.serialize(value) }
  await cluster.producer({ value: half as typeof string }).close()
})

test('the metadata of an offset may be left out', async () => {
  const { admin } = await openCluster()
  await admin.createTopic('t')
  await admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 0 }])
  expect((await admin.describeGroup('g')).offsets).toEqual([{ topic: 't', partition: 0, offset: 0, metadata: '' }])
})

test('a serde or a partitioner that throws fails its record with what it threw, before and after the topic is known', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const cause = new TypeError('no such thing')
  const fail = (): never => {
    throw cause
  }
  const bad = { serialize: fail, deserialize: fail }
  const good = cluster.producer({ value: string })
  const cases = [
    [cluster.producer<string, string>({ key: string, value: bad }), /^the serde of the value has failed: no such thing$/],
    [cluster.producer<string, string>({ key: bad, value: string }), /^the serde of the key has failed/],
    [cluster.producer<string, string>({ key: string, value: string, partitioner: fail }), /^the partitioner has failed/],
  ] as const
  for (const [producer, reason] of cases) {
    for (let again = 0; again < 2; again++) {
      const error = await failureOf(() => producer.send({ topic: 't', key: 'k', value: 'x' }))
      expect([error.name, error.cause, error.message]).toEqual(['SERIALIZATION_FAILED', cause, expect.stringMatching(reason)])
    }
  }
  expect((await good.send({ topic: 't', value: 'x' })).offset).toBe(0)
})

test.runIf(existsSync('/proc'))('a directory that cannot be made is refused with what the system says', async () => {
  const error = await failureOf(() => openCluster('/proc/odradek'))
  expect(error.message).not.toContain('mustExist')
  expect(error.message).toMatch(/^the directory \/proc\/odradek cannot be made: ENOENT|^\/proc\/odradek cannot be written/)
})

test('racks are one per node, or none: nothing is written where they are not', async () => {
  const directory = temporaryDirectory()
  for (const where of [':memory:', directory]) {
    for (const racks of [[], ['a'], ['a', 'b'], ['a', 'b', 'c', 'd']]) {
      const error = await failureOf(() => openCluster(where, { nodes: 3, racks }))
      const reason = /^open option racks must be a list of names, one per node: 3 for the nodes 0,1,2, not \d$/
      expect([error.name, error.message]).toEqual(['INVALID_OPTION', expect.stringMatching(reason)])
    }
    expect((await failureOf(() => openCluster(where, { nodes: 2, racks: ['a', ''] }))).message).toMatch(/^open option racks must be/)
    expect((await failureOf(() => openCluster(where, { nodes: 2, racks: HOLED }))).message).toMatch(/^open option racks must be/)
  }
  const absent = join(directory, 'data')
  const record = join(directory, 'recording')
  expect((await failureOf(() => openCluster(absent, { nodes: 3, racks: ['a'], record }))).name).toBe('INVALID_OPTION')
  expect((await failureOf(() => openCluster(absent, { nodes: 3, racks: ['a'], mustExist: true }))).name).toBe('FOREIGN_DIRECTORY')
  expect(readdirSync(directory)).toEqual([])
  const racksOf = async (options: ClusterOptions): Promise<(string | null)[]> => {
    await using cluster = await openCluster(directory, options)
    return (await cluster.admin.describeCluster()).nodes.map(({ rack }) => rack)
  }
  expect(await racksOf({ nodes: 3, racks: ['a', null, 'b'] })).toEqual(['a', null, 'b'])
  expect((await failureOf(() => openCluster(directory, { nodes: 4, racks: ['a', 'b', 'c'] }))).name).toBe('INVALID_OPTION')
  expect(await racksOf({})).toEqual(['a', null, 'b'])
})
