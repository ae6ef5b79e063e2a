/**
 * The program that the test of the package runs in an empty project: writes a thousand records to a directory, reads them back, and says so.
 * Run again, it begins with the record at which it had stopped: that one was never said to be done.
 * It closes by hand, because the oldest Node that is supported does not know `await using`.
 */
import { json, open, string } from 'odradek'
import type { Cluster, ProducerRecord } from 'odradek'
import { simulate } from 'odradek/testing'

const COUNT = 1000

const cluster = await open(process.argv[2] ?? './data')
try {
  await run(cluster)
} finally {
  await cluster.close()
}
const { seeds } = await simulate(async ({ cluster: simulated }) => run(simulated), { seed: 1, runs: 2, faults: 'none' })
console.log(`simulated ${seeds} seeds`)

async function run(cluster: Cluster): Promise<void> {
  await cluster.admin.createTopic('numbers', { ifNotExists: true })
  const producer = cluster.producer({ key: string, value: json<number>() })
  const written = await producer.send(Array.from({ length: COUNT }, (_, number) => recordOf(number)))

  const consumer = cluster.consumer({ group: 'readers', topics: ['numbers'], key: string, value: json<number>() })
  let first = -1
  let count = 0
  for await (const record of consumer) {
    if (first < 0) first = record.offset
    count += 1
    if (record.offset === written.at(-1)?.offset) break
  }
  await consumer.close()
  console.log(`read ${count}, the first at offset ${first}`)
}

function recordOf(number: number): ProducerRecord<string, number> {
  return { topic: 'numbers', key: `${number}`, value: number }
}
