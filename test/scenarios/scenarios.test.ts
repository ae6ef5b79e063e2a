// Golden transcripts: what is said, and how states change, in a few conversations that a newcomer should know. They are compared to the letter;
// ODRADEK_GOLDEN=write writes them anew.

import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { actor as broker } from '../../actors/broker.ts'
import { actor as consumer } from '../../actors/consumer.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { actor as coordinator } from '../../actors/coordinator.ts'
import { actor as producer } from '../../actors/producer.ts'
import { actor as replica } from '../../actors/replica.ts'
import type { ReplicaConfig } from '../../partitions/replica-state.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import { logFileName } from '../../partitions/log.ts'
import { batchAt, concat, configOf } from '../partitions/support.ts'
import { CLIENTS, NODE, World } from './world.ts'

const client = { node: CLIENTS, actor: 'client' }

function expectGolden(name: string, { lines }: World): void {
  const path = new URL(`${name}.txt`, import.meta.url)
  const text = `${lines.join('\n')}\n`
  if (process.env['ODRADEK_GOLDEN'] === 'write') writeFileSync(path, text)
  expect(text).toBe(readFileSync(path, 'utf8'))
}

/** A running cluster with the topic `t`. */
function clusterWith(partitions: number): World {
  const world = new World()
  world.spawn(NODE, 'coordinator', coordinator.url, {
    defaultReplicationFactor: 1,
    sessionTimeoutMillis: 1000,
    offsetsPartitions: 1,
    voters: [NODE],
  })
  world.spawn(NODE, 'broker', broker.url, {
    voters: [NODE],
    rack: null,
    bootId: 'boot',
    groupGraceMillis: 0,
    groupStartGraceMillis: 0,
    offsetsRetentionMillis: -1,
    heartbeatMillis: 100,
    replicaLagMillis: 1000,
  })
  world.advance(500)
  const topics = [{ name: 't', numPartitions: partitions, replicationFactor: 1, configs: {} }]
  world.send('coordinator', { kind: 'createTopics', correlationId: 1, topics, validateOnly: false })
  world.advance(100)
  return world
}

function addProducer(world: World, transactionalId: string | null = null): void {
  const times = { requestTimeoutMillis: 1000, deliveryTimeoutMillis: 60_000, isIdempotent: true, transactionalId, transactionTimeoutMillis: 60_000, retryBackoffMillis: 100 }
  world.spawn(CLIENTS, 'producer', producer.url, { client, coordinatorNodes: [NODE], acks: 'leader', ...times })
  world.advance(10)
}

function addConsumer(world: World, name: string, group: string | null, isolationLevel: IsolationLevel = 'read_uncommitted'): void {
  const config: ConsumerConfig = {
    client,
    coordinatorNodes: [NODE],
    group,
    memberId: name,
    instanceId: null,
    assignor: null,
    autoOffsetReset: 'earliest',
    autoCommit: true,
    autoCommitIntervalMillis: 100_000,
    sessionTimeoutMillis: 10_000,
    rebalanceTimeoutMillis: 60_000,
    heartbeatIntervalMillis: 1000,
    fetchMinBytes: 1,
    fetchMaxBytes: 1_000_000,
    bufferMemoryBytes: 1_000_000,
    fetchMaxWaitMillis: 5000,
    fetchMode: 'range',
    isolationLevel,
    requestTimeoutMillis: 2000,
    retryBackoffMillis: 100,
  }
  world.spawn(CLIENTS, name, consumer.url, config)
  world.run()
}

/** The replica of `t-0` starts on its node, where nothing else runs: the test is its broker. */
function startLoneReplica(world: World): void {
  const config: ReplicaConfig = { topic: 't', topicId: 1, partition: 0, topicConfig: configOf(), replicaLagMillis: 1000 }
  world.spawn(NODE, 'replica/t-0', replica.url, config)
  world.run()
  const known = { leader: NODE, leaderEpoch: 0, partitionEpoch: 0, replicas: [NODE], isr: [NODE], elr: [], minInsync: 1 }
  const role = { ...known, brokerEpoch: 1, throttleBytesPerSecond: 0 }
  world.send('replica/t-0', { kind: 'leaderAndIsr', topicId: 1, ...role }, { node: NODE, actor: 'broker' })
}

test('one record, from submit to delivered and to the chunk that its reader gets', () => {
  const world = clusterWith(1)
  addProducer(world)
  addConsumer(world, 'consumer', null)
  world.send('consumer', { kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
  world.advance(100)
  world.listen(/^(producer|consumer|replica\/t-0)$/)
  world.say('a consumer waits at the end of the log; a client submits a batch of one record')
  world.send('producer', { kind: 'submit', token: 1, topic: 't', partition: 0, records: batchAt(0, 1) })
  world.say('the application has read the chunk and wants more')
  world.send('consumer', { kind: 'progress', topic: 't', partition: 0, session: 1, position: 1 })
  world.send('consumer', { kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 1 })
  expectGolden('one-record', world)
})

test('a partition passes from one member of a group to another', () => {
  const world = clusterWith(2)
  addConsumer(world, 'anna', 'g')
  world.send('anna', { kind: 'subscribe', topics: ['t'], topicPattern: null })
  world.advance(3000)
  addConsumer(world, 'bert', 'g')
  world.listen(/^(anna|bert|groups\/0)$/, /^(metadata|fetch|listOffsets|produce|leaseExtended)/)
  world.say('anna has both partitions; bert joins')
  world.send('bert', { kind: 'subscribe', topics: ['t'], topicPattern: null })
  world.say('her next heartbeat tells anna to give one up; bert hears that there is nothing for him yet')
  world.advance(1000)
  world.say('the application of anna lets go; her next heartbeat says so, and the next one of bert brings the partition')
  world.send('anna', { kind: 'released', partitions: [{ topic: 't', partition: 1 }] })
  world.advance(1000)
  expectGolden('hand-over', world)
})

test('a failed sync takes back what is not acknowledged, and the producer sends it again', () => {
  const world = clusterWith(1)
  addProducer(world)
  world.send('producer', { kind: 'submit', token: 1, topic: 't', partition: 0, records: batchAt(0, 1) })
  world.listen(/^(producer|replica\/t-0)$/)
  world.say('record 0 is safe; the disk fails to sync record 1')
  world.disk.failing.set('sync', 'io')
  world.send('producer', { kind: 'submit', token: 2, topic: 't', partition: 0, records: batchAt(0, 1) })
  world.say('the disk recovers; the producer sends the same batch again, which gets the same offset, in a new file')
  world.disk.failing.clear()
  world.advance(200)
  expectGolden('failed-sync', world)
})

test('a torn tail is cut when the log is opened', () => {
  const world = new World()
  const torn = batchAt(3, 2).subarray(0, 50)
  world.disk.logs.set('t-0.1', new Map([[logFileName(0), concat(batchAt(0, 2), batchAt(2, 1), torn)]]))
  world.listen(/^replica\/t-0$/)
  world.say('after a power loss: two whole batches, and 50 bytes of a third that was never acknowledged')
  startLoneReplica(world)
  world.say('the next start scans only the last segment; nobody had called what is in it committed, so it is made durable once more')
  world.stop('replica/t-0')
  startLoneReplica(world)
  expectGolden('torn-tail', world)
})

test('a transaction over two partitions, from its begin to the reader of what is committed', () => {
  const world = clusterWith(2)
  addProducer(world, 'x')
  world.advance(1000)
  addConsumer(world, 'consumer', null, 'read_committed')
  world.send('consumer', { kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
  world.advance(100)
  world.listen(/^(producer|consumer|replica\/t-[01]|transactor\/0)$/, /^(metadata|progress|leaseExtended|sync|read)/)
  world.say('x has a producer id, and the transaction before is over: the next one begins at once')
  world.send('producer', { kind: 'beginTransaction', correlationId: 1 })
  world.say('the first batch waits at the leader until the transactor knows of the partition, and has that in its log')
  world.send('producer', { kind: 'submit', token: 1, topic: 't', partition: 0, records: batchAt(0, 2, { transactional: true }) })
  world.advance(5)
  world.say('another one there needs no such question; one elsewhere does')
  world.send('producer', { kind: 'submit', token: 2, topic: 't', partition: 0, records: batchAt(0, 1, { transactional: true }) })
  world.send('producer', { kind: 'submit', token: 3, topic: 't', partition: 1, records: batchAt(0, 1, { transactional: true }) })
  world.advance(5)
  world.say('the end is decided when it is in the log of the transactor; the producer hears of it, and has its next epoch; markers follow')
  world.send('producer', { kind: 'finishTransaction', correlationId: 2, committed: true })
  world.advance(5)
  expectGolden('transaction', world)
})
