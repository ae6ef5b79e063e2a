// A node that leads partitions and the metadata quorum is taken away while producers write: with threads and files.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, RecordMetadata } from '../../../edge/client/index.ts'
import { openCluster, take, temporaryDirectory } from './support.ts'

const PARTITIONS = 3

/** Records under way: enough that there are always some. */
const OUTSTANDING_MAX = 300

/** Writes until it is told to stop; then what each record was acknowledged with, by partition, in the order of sending. */
function load(cluster: Cluster): { readonly sent: () => number; readonly stop: () => Promise<RecordMetadata[][]> } {
  const acknowledged: Promise<RecordMetadata>[][] = Array.from({ length: PARTITIONS }, () => [])
  const producer = cluster.producer({ value: string, acks: 'quorum' })
  let count = 0
  let isOver = false
  const writing = (async () => {
    while (!isOver) {
      const turn = Array.from({ length: OUTSTANDING_MAX / PARTITIONS }, () => {
        const partition = count % PARTITIONS
        const one = producer.send({ topic: 't', partition, value: `${count++}` })
        acknowledged[partition]!.push(one)
        return one
      })
      await Promise.all(turn)
    }
  })()
  const stop = async (): Promise<RecordMetadata[][]> => {
    isOver = true
    await writing
    await producer.close()
    return Promise.all(acknowledged.map((of) => Promise.all(of)))
  }
  return { sent: () => count, stop }
}

async function valuesOf(cluster: Cluster, partition: number, count: number): Promise<(string | null)[]> {
  await using consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 't', partition }])
  return (await take(consumer, count)).map(({ value }) => value)
}

test(
  'a node that leads everything is drained, stops voting and is removed under load: nothing is lost, late or twice',
  { timeout: 60_000 },
  async () => {
    const cluster = await openCluster(temporaryDirectory(), { nodes: 4 })
    await cluster.admin.createTopic('t', { partitions: PARTITIONS, replicationFactor: 3, config: { minInsyncReplicas: 2 } })
    const { controller: leaving } = await cluster.admin.describeCluster()
    const others = [0, 1, 2, 3].filter((node) => node !== leaving)
    for (let partition = 0; partition < PARTITIONS; partition++)
      await cluster.admin.reassign('t', partition, [leaving, others[partition]!, others[(partition + 1) % others.length]!])
    while ((await cluster.admin.listReassignments()).length > 0);
    const running = load(cluster)
    while (running.sent() < 3000) await new Promise(setImmediate)
    await cluster.admin.drainNode(leaving)
    await cluster.admin.removeVoter(leaving)
    await cluster.admin.removeNode(leaving)
    const before = running.sent()
    while (running.sent() < before + 3000) await new Promise(setImmediate)
    const acknowledged = await running.stop()
    const { nodes, controller } = await cluster.admin.describeCluster()
    expect([nodes.map(({ node }) => node), others.includes(controller)]).toEqual([others, true])
    for (const [partition, all] of acknowledged.entries()) {
      expect(all.map(({ offset }) => offset)).toEqual(all.map((_, index) => index))
      expect(await valuesOf(cluster, partition, all.length)).toEqual(all.map((_, index) => String(index * PARTITIONS + partition)))
    }
  },
)
