// What is told of a topic while somebody who leads one of its partitions is not there.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { TopicDescription } from '../../../edge/client/index.ts'
import { string } from '../../../edge/client/index.ts'
import { hangNode } from '../../../edge/client/testing.ts'
import { openCluster, temporaryDirectory } from './support.ts'

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20)
}

type Ends = Record<number, readonly (number | null)[]>

/** By leader: where their logs begin and end. */
function endsOf({ partitions }: TopicDescription): Ends {
  return Object.fromEntries(partitions.map(({ leader, beginOffset, endOffset }) => [leader, [beginOffset, endOffset]]))
}

test('a partition whose data are gone is told without offsets, and the others with theirs', { timeout: 60_000 }, async () => {
  const directory = temporaryDirectory()
  {
    await using cluster = await openCluster(directory, { nodes: 3 })
    await cluster.admin.createTopic('t', { partitions: 3, replicationFactor: 1 })
    const led = (await cluster.admin.describeTopic('t')).partitions
    await using producer = cluster.producer({ value: string })
    await Promise.all(led.map(({ partition }) => producer.send({ topic: 't', partition, value: 'x' })))
    await cluster.admin.alterGroupOffsets(
      'g',
      led.map(({ partition }) => ({ topic: 't', partition, offset: 0 })),
    )
    expect(endsOf(await cluster.admin.describeTopic('t'))).toEqual({ 0: [0, 1], 1: [0, 1], 2: [0, 1] })
  }
  rmSync(join(directory, 'node-2'), { recursive: true })
  await using cluster = await openCluster(directory)
  expect(endsOf(await cluster.admin.describeTopic('t'))).toEqual({ 0: [0, 1], 1: [0, 1], [-1]: [null, null] })
  const lost = (await cluster.admin.describeTopic('t')).partitions.find(({ leader }) => leader < 0)!
  expect(lost).toMatchObject({ leader: -1, replicas: [2], isr: [], lags: [{ node: 2, lag: null }] })
  expect(await cluster.admin.describeCluster()).toMatchObject({
    offlinePartitions: 1,
    offline: [{ topic: 't', partition: lost.partition }],
  })
  const there = [0, 1, 2].filter((partition) => partition !== lost.partition)
  expect(await cluster.admin.listOffsets('t', 'latest', { partitions: there })).toEqual(new Map(there.map((partition) => [partition, 1])))
  const failure = (partitions: unknown): Promise<string> =>
    cluster.admin.listOffsets('t', 'latest', { partitions: partitions as number[] }).then(String, ({ name }: Error) => name)
  expect(await Promise.all([failure([3]), failure([-1]), failure(0)])).toEqual([
    'UNKNOWN_TOPIC_OR_PARTITION',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'INVALID_OPTION',
  ])
  const { lags } = await cluster.admin.describeGroup('g')
  const known = { endOffset: 1, lag: 1 }
  expect(lags).toMatchObject([0, 1, 2].map((partition) => (partition === lost.partition ? { endOffset: null, lag: null } : known)))
})

test('a leader that does not answer soon does not keep the others waiting', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3, nodeSessionTimeoutMillis: 60_000 })
  const { controller } = await cluster.admin.describeCluster()
  await cluster.admin.createTopic('t', { partitions: 3, replicationFactor: 1 })
  const whole = endsOf(await cluster.admin.describeTopic('t'))
  expect(whole).toEqual({ 0: [0, 0], 1: [0, 0], 2: [0, 0] })
  const silent = (controller + 1) % 3
  const goesOn = hangNode(cluster, silent, 6000)
  expect(endsOf(await cluster.admin.describeTopic('t'))).toEqual({ ...whole, [silent]: [null, null] })
  await goesOn
  expect(endsOf(await cluster.admin.describeTopic('t'))).toEqual(whole)
})

test('how far replicas are behind is told of each, and how many have to be in sync', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3, nodeSessionTimeoutMillis: 60_000, replicaLagMillis: 60_000 })
  const { controller } = await cluster.admin.describeCluster()
  await cluster.admin.createTopic('t')
  await cluster.admin.reassign('t', 0, [controller, (controller + 1) % 3, (controller + 2) % 3])
  await using producer = cluster.producer({ value: string })
  const lags = async (): Promise<Record<number, number | null>> => {
    const { partitions } = await cluster.admin.describeTopic('t')
    expect(partitions[0]).toMatchObject({ minInsync: 2 })
    return Object.fromEntries((partitions[0]?.lags ?? []).map(({ node, lag }) => [node, lag]))
  }
  await until(async () => (await cluster.admin.describeTopic('t')).partitions[0]?.leader === controller)
  await producer.send({ topic: 't', value: 'x' })
  await until(async () => Object.values(await lags()).join() === '0,0,0')
  const silent = (controller + 1) % 3
  const goesOn = hangNode(cluster, silent, 3000)
  for (let i = 0; i < 5; i++) await producer.send({ topic: 't', value: 'y' }, { acks: 'leader' })
  expect(await lags()).toMatchObject({ [controller]: 0, [silent]: 5 })
  await goesOn
  await until(async () => Object.values(await lags()).join() === '0,0,0')
})
