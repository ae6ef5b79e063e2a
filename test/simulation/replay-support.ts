// What the tests of replay share: a real cluster that is recorded at work, a recording with a change in it, and the command.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open, string } from '../../edge/client/index.ts'
import type { Cluster } from '../../edge/client/index.ts'
import { EntryWriter } from '../../protocol/recording/entries.ts'
import type { Entry } from '../../protocol/recording/entries.ts'
import { RecordingFile } from '../../simulation/replay/recording-files.ts'
import { decodeHeader } from '../../protocol/recording/layout.ts'
import { replay } from '../../simulation/replay/replay.ts'
import type { ReplayReport } from '../../simulation/replay/replay.ts'
import { writeEntry } from '../protocol/recording/support.ts'

/** The module that records until it is killed. */
export const childPath: string = fileURLToPath(new URL('replay-child.ts', import.meta.url))

/** The command line. */
export const cli: string = fileURLToPath(new URL('../../edge/cli/main.ts', import.meta.url))

const main = fileURLToPath(new URL('../../simulation/replay/main.ts', import.meta.url))

/** A place for data and a recording, which `remove` takes away. */
export function scratch(): { readonly data: string; readonly recording: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'odradek-replay-'))
  return { data: join(path, 'data'), recording: join(path, 'recording'), remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Three nodes at work: records, transactions, a group and a share group, a topic whose leader writes the time. */
export async function recordWork(data: string, recording: string, threads: number): Promise<void> {
  const cluster = await open(data, { nodes: 3, threads, record: recording })
  try {
    cluster.on('leaderChanged', () => undefined)
    await cluster.admin.createTopic('orders', { partitions: 3, replicationFactor: 3 })
    await cluster.admin.createTopic('times', { config: { messageTimestampType: 'LogAppendTime', flush: 'os' } })
    await produce(cluster, 300)
    await inTransactions(cluster)
    await consume(cluster)
    await cluster.admin.deleteTopic('times')
  } finally {
    await cluster.close()
  }
}

/** Writes records without waiting for each. */
export async function produce(cluster: Cluster, count: number): Promise<void> {
  await using producer = cluster.producer({ value: string, batchSizeBytes: 512 })
  for (let i = 0; i < count; i++) {
    producer.write({ topic: 'orders', value: `record ${i}` })
    if (i % 10 === 0) await producer.send({ topic: 'times', value: 'now' })
  }
  await producer.flush()
}

async function inTransactions(cluster: Cluster): Promise<void> {
  await using producer = cluster.producer({ value: string, transactionalId: 'shop' })
  for (let i = 0; i < 5; i++) await producer.transaction((transaction) => void transaction.write({ topic: 'orders', value: `bill ${i}` }))
  const aborted = await producer.beginTransaction()
  aborted.write({ topic: 'orders', value: 'never' })
  await aborted.abort()
}

async function consume(cluster: Cluster): Promise<void> {
  await using worker = cluster.shareConsumer({ group: 'workers', topics: ['orders'], autoOffsetReset: 'earliest' })
  await worker.poll()
  await worker.commit()
  await using consumer = cluster.consumer({ group: 'billing', topics: ['orders'], isolationLevel: 'read_committed' })
  let count = 0
  for await (const _ of consumer) if (++count === 305) break
  await consumer.commit()
}

/** Replays all of a recording. */
export function replayed(directory: string): ReplayReport {
  return replay({ directory, actor: null, onStep: () => undefined, onProgress: () => undefined })
}

/** Rewrites one file of a recording; `change` says what becomes of its entries. */
export function rewrite(path: string, change: (entries: Entry[]) => Entry[]): void {
  const bytes = readFileSync(path)
  const outcome = decodeHeader(bytes)
  if (outcome.kind !== 'header') throw new Error(outcome.kind)
  const file = new RecordingFile(path)
  const entries: Entry[] = []
  for (let entry = file.next(); entry !== null; entry = file.next()) entries.push(entry)
  file.close()
  const writer = new EntryWriter()
  for (const entry of change(entries)) writeEntry(writer, entry)
  writeFileSync(path, Buffer.concat([bytes.subarray(0, outcome.end), writer.takeChunk()]))
}

/** What `odradek replay` runs, with these arguments. */
export function runReplay(...parameters: readonly string[]): {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...parameters], { encoding: 'utf8' })
  return { status, stdout, stderr }
}
