/**
 * Question: how long does it take to open a directory with 4 GiB of log whose process was killed (SIGKILL) while it was writing? From `open` until a
 * record is produced and one is fetched. After each run the next process goes on writing and is killed again, so no run opens what a clean close left.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '../../edge/client/index.ts'
import { inChild, startChild } from '../child.ts'
import type { Task } from '../child.ts'
import { interleave, scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { TOPIC, VALUE_BYTES, benchRecord, writeRecords } from '../records.ts'
import { logBytesBelow, makeWorkspace } from '../workspace.ts'

const PARTITIONS = 4
const LOG_BYTES = 2 ** 32
/** What each further process writes before it is killed. */
const MORE_BYTES = 2 ** 29
const POLL_MILLIS = 20
/** More than any run can write: the writer is killed before. */
const RECORDS_WITHOUT_END = 1e12

/** How long a crash keeps the user waiting. */
export const recovery: Question = {
  name: 'recovery',
  question: 'How long does open take after kill -9 with 4 GiB of log?',
  results: ['open'],
  goals: [{ kind: 'atMost', result: 'open', value: 500 }],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: PARTITIONS,
    logBytes: `${scaled(LOG_BYTES, options)}, and ${scaled(MORE_BYTES, options)} more before each further run`,
    'page cache': 'warm',
    measured: 'open, one record produced and one fetched; modules loaded, nothing warmed up',
  }),
  run,
}

/** Writes to a directory until somebody kills it. */
export const fillTask: Task<string, void> = { url: import.meta.url, name: 'fillTask', run: fill }

/** Measures one opening, in milliseconds. */
export const recoverTask: Task<string, number> = { url: import.meta.url, name: 'recoverTask', run: recover }

async function run(options: RunOptions): Promise<Measurement[]> {
  const moreBytes = scaled(MORE_BYTES, options)
  let targetBytes = scaled(LOG_BYTES, options)
  using workspace = makeWorkspace(targetBytes + options.runs * moreBytes)
  return await interleave(['open'], 'ms', options, async () => {
    await fillAndKill(workspace.directory, targetBytes)
    targetBytes = logBytesBelow(workspace.directory) + moreBytes
    return await inChild(recoverTask, workspace.directory)
  })
}

async function fillAndKill(directory: string, targetBytes: number): Promise<void> {
  const writer = startChild(fillTask, directory)
  let hasEnded = false
  writer.outcome.catch(() => (hasEnded = true))
  while (!hasEnded && logBytesBelow(directory) < targetBytes) await sleep(POLL_MILLIS)
  if (hasEnded) await writer.outcome
  await writer.kill()
}

async function fill(directory: string): Promise<void> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions: PARTITIONS, config: { flush: 'os' }, ifNotExists: true })
  await using producer = cluster.producer()
  await writeRecords(producer, RECORDS_WITHOUT_END)
}

async function recover(directory: string): Promise<number> {
  const startedAt = performance.now()
  await using cluster = await open(directory)
  await using producer = cluster.producer()
  const { partition } = await producer.send(benchRecord())
  await using consumer = cluster.consumer()
  consumer.assign([{ topic: TOPIC, partition }])
  const fetched = await consumer.poll({ timeoutMillis: 60_000 })
  const elapsedMillis = performance.now() - startedAt
  if (fetched[0]?.value?.length !== VALUE_BYTES) throw new Error('nothing was fetched')
  return elapsedMillis
}
