/**
 * Question: how long does a transaction of one record take, from its beginning until it is committed? One after the other, by one producer.
 */
import { open } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { scaled, together } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { TOPIC, VALUE_BYTES, benchRecord } from '../records.ts'
import { percentile } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface TransactionParameters {
  readonly directory: string
  readonly count: number
  readonly warmUpCount: number
}

const TRANSACTIONS = 10_000
const WARM_UP_TRANSACTIONS = 2000
const SPACE_BYTES = 2 ** 27

/** How long a small transaction takes. */
export const transaction: Question = {
  name: 'transaction',
  question: 'How long does a transaction of one record take, from its beginning until it is committed?',
  results: ['p50', 'p99'],
  goals: [
    { kind: 'atMost', result: 'p50', value: 400 },
    { kind: 'atMost', result: 'p99', value: 3000 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    flush: "os, of the topic and of the transaction log ('__transaction_state')",
    valueBytes: VALUE_BYTES,
    partitions: 1,
    transactions: scaled(TRANSACTIONS, options),
    'warm-up': `${scaled(WARM_UP_TRANSACTIONS, options)} transactions`,
    measured: 'beginTransaction to the end of commit, with one awaited send',
  }),
  run,
}

/** Measures one run: p50 and p99 in microseconds. */
export const transactionTask: Task<TransactionParameters, readonly number[]> = {
  url: import.meta.url,
  name: 'transactionTask',
  run: measure,
}

async function run(options: RunOptions): Promise<Measurement[]> {
  return await together(['p50', 'p99'], 'µs', options, async () => {
    using workspace = makeWorkspace(SPACE_BYTES)
    const { directory } = workspace
    return await inChild(transactionTask, {
      directory,
      count: scaled(TRANSACTIONS, options),
      warmUpCount: scaled(WARM_UP_TRANSACTIONS, options),
    })
  })
}

async function measure({ directory, count, warmUpCount }: TransactionParameters): Promise<readonly number[]> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions: 1, config: { flush: 'os' } })
  await using producer = cluster.producer({ transactionalId: 'bench' })
  // The log of the transactor is made with the first transaction.
  await producer.transaction((one) => one.send(benchRecord()))
  await cluster.admin.alterConfig('__transaction_state', { flush: 'os' })
  const record = benchRecord()
  const micros: number[] = []
  for (let n = -warmUpCount; n < count; n++) {
    const startedAt = performance.now()
    const one = await producer.beginTransaction()
    await one.send(record)
    await one.commit()
    if (n >= 0) micros.push((performance.now() - startedAt) * 1000)
  }
  micros.sort((a, b) => a - b)
  return [percentile(micros, 0.5), percentile(micros, 0.99)]
}
