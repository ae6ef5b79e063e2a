// A node whose thread hangs (its disk does not answer, say) holds up nobody but itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { hangNode, terminateNode } from '../../../edge/client/testing.ts'
import { inSync } from './cluster-support.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

test('another node that dies is up again soon, and all three are in sync when it goes on', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  await cluster.admin.createTopic('t', { partitions: 3, replicationFactor: 3 })
  await using producer = cluster.producer({ value: string })
  let isOver = false
  const goesOn = hangNode(cluster, 0, 8000).then(() => (isOver = true))
  await sleep(500)
  const isUp = new Promise((resolve) => cluster.on('nodeUp', resolve))
  await terminateNode(cluster, 1)
  expect(await isUp).toEqual({ node: 1, restarts: 1 })
  await Promise.all([0, 1, 2].map((partition) => producer.send({ topic: 't', partition, value: 'x' })))
  expect(isOver).toBe(false)
  await goesOn
  await inSync(cluster)
})

test('others are removed and inspected, and it does not come to vote', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 5 })
  const { admin } = cluster
  let isOver = false
  const goesOn = hangNode(cluster, 4, 8000).then(() => (isOver = true))
  const [inspected, failure] = await Promise.all([cluster.inspect(), failureOf(() => admin.addVoter(4)), admin.removeNode(3)])
  expect(isOver).toBe(false)
  expect(Object.keys(inspected['nodes'] as object)).toEqual(expect.arrayContaining(['0', '1', '2']))
  expect(Object.keys(inspected['nodes'] as object)).not.toContain('4')
  expect(failure).toMatchObject({ name: 'REQUEST_TIMED_OUT', message: expect.stringMatching(/^node 4 .*hangs/) as string })
  await admin.removeNode(4)
  await goesOn
  const { nodes, voters } = await admin.describeCluster()
  expect([nodes.map(({ node }) => node), voters]).toEqual([
    [0, 1, 2],
    [0, 1, 2],
  ])
})

test(
  'who decides is waited for as long as a record may take, and no longer, whatever else waits before it',
  { timeout: 60_000 },
  async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
    for (const topic of ['t', 'u']) await cluster.admin.createTopic(topic, { replicationFactor: 3 })
    await using producer = cluster.producer({ value: string, deliveryTimeoutMillis: 1000 })
    await using patient = cluster.producer({ value: string })
    let isOver = false
    const goOn = Promise.all([0, 1, 2].map((node) => hangNode(cluster, node, 5000))).then(() => (isOver = true))
    const waited = patient.send({ topic: 't', value: 'y' })
    const begun = performance.now()
    const failed = async (topic: string): Promise<number> => {
      const error = await failureOf(() => producer.send({ topic, value: 'x' }))
      expect(error).toMatchObject({ name: 'REQUEST_TIMED_OUT', message: expect.stringMatching(/deliveryTimeoutMillis \(1000\)/) as string })
      return performance.now() - begun
    }
    const first = [failed('t'), failed('u')]
    await sleep(500)
    const later = failed('t')
    for (const millis of await Promise.all([...first, later])) expect(millis).toBeGreaterThan(990)
    expect(await later).toBeGreaterThan(1490)
    expect(isOver).toBe(false)
    await goOn
    expect(await waited).toMatchObject({ offset: 0 })
  },
)

// It hears of all of it at once, before any of its replicas has run.
test('a topic is deleted and created again, several times, and the node keeps the last one only', { timeout: 60_000 }, async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  const errors: string[] = []
  cluster.on('error', ({ node, actor, error }) => void errors.push(`${node} ${actor}: ${error.message}`))
  await cluster.admin.createTopic('again', { replicationFactor: 3 })
  const { controller } = await cluster.admin.describeCluster()
  const node = controller === 2 ? 1 : 2
  const goesOn = hangNode(cluster, node, 1500)
  for (let time = 0; time < 3; time++) {
    await cluster.admin.deleteTopic('again')
    await cluster.admin.createTopic('again', { replicationFactor: 3 })
  }
  await goesOn
  await vi.waitFor(async () => {
    const { nodes } = (await cluster.inspect()) as { nodes: Record<string, Record<string, { topicId: number }>> }
    const { topicId } = nodes[controller]!['replica/again-0']!
    expect(nodes[node]).toMatchObject({ 'replica/again-0': { topicId, phase: expect.stringMatching(/leading|following/) as string } })
  }, 20_000)
  expect(errors).toEqual([])
})

// Kafka's brokers answer from their image of the metadata.
test(
  'while most voters hang, the cluster is described as it was, and who comes anew reads what others lead',
  { timeout: 60_000 },
  async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
    const { admin } = cluster
    await admin.createTopic('t', { partitions: 3, replicationFactor: 1 })
    await using producer = cluster.producer({ value: string })
    await Promise.all([0, 1, 2].map((partition) => producer.send({ topic: 't', partition, value: `${partition}` })))
    const { partitions } = await admin.describeTopic('t')
    const { partition } = partitions.find(({ leader }) => leader === 2)!
    let isOver = false
    const goOn = Promise.all([0, 1].map((node) => hangNode(cluster, node, 12_000))).then(() => (isOver = true))
    const { controller, nodes } = await admin.describeCluster()
    expect([controller, nodes.map(({ node }) => node)]).toEqual([-1, [0, 1, 2]])
    await using consumer = cluster.consumer({ value: string })
    consumer.assign([{ topic: 't', partition }])
    const records = await consumer.poll({ timeoutMillis: 8000 })
    expect(records.map(({ value }) => value)).toEqual([`${partition}`])
    expect(isOver).toBe(false)
    const missing = failureOf(() => admin.describeTopic('none'))
    await goOn
    // Nobody says that there is no such topic who may only not have heard of it.
    expect(await missing).toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await vi.waitFor(async () => expect((await admin.describeCluster()).controller).toBeGreaterThanOrEqual(0), 10_000)
  },
)
