// A cluster in memory for each test about transactions, who writes to it, and what is read of it.

import { afterEach, beforeEach } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import type { Cluster, Producer, ProducerOptions } from '../../../edge/client/index.ts'

let opened: Cluster | null = null

/** Opens a cluster with the topics t (two partitions) and u (one) before each test of the file, and closes it afterwards. */
export function useCluster(): void {
  beforeEach(async () => {
    opened = await open(':memory:')
    await opened.admin.createTopic('t', { partitions: 2 })
    await opened.admin.createTopic('u', { partitions: 1 })
  })
  afterEach(() => opened?.close())
}

/** The cluster of the test. */
export function clusterOfTest(): Cluster {
  if (opened === null) throw new Error('no test is running')
  return opened
}

/** A producer of transactions. */
export function producer(options: ProducerOptions<string, string> = {}): Producer<string, string> {
  return clusterOfTest().producer({ transactionalId: 'x', key: string, value: string, ...options })
}

/** The values that a topic has, in the order of the alphabet. */
export async function read(topic: string, isolationLevel: 'read_committed' | 'read_uncommitted' = 'read_committed'): Promise<string[]> {
  await using consumer = clusterOfTest().consumer({ value: string, isolationLevel })
  const { partitions } = await clusterOfTest().admin.describeTopic(topic)
  consumer.assign(partitions.map(({ partition }) => ({ topic, partition })))
  const values: string[] = []
  for (let records = await consumer.poll(); records.length > 0; records = await consumer.poll({ timeoutMillis: 200 }))
    values.push(...records.map(({ value }) => value ?? ''))
  return values.toSorted()
}
