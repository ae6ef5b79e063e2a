/**
 * The pipeline of a soak test: a group of two reads a topic, and writes what it makes of each record to another one, exactly once. Whatever happened to the
 * process and its nodes, the output is, record by record and byte by byte, what the input says it must be.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, ConsumerRecord, Outlet } from '../../edge/client/index.ts'
import type { Report } from './load.ts'

const INPUT = 'pipe-in'
const OUTPUT = 'pipe-out'
const GROUP = 'pipeline'
const PARTITIONS = 4
const MEMBERS = 2

/** A value: the number of its record in the partition, and bytes that follow from it. */
const VALUE_BYTES = 24

/** Between two looks at the pace. */
const PACE_RECORDS = 512

/** Transactions are small, so that many of them are open when something ends. */
const COMMIT_MILLIS = 40
const POLL_RECORDS = 2000

/** A transaction that a dead process left open holds readers up for so long. */
const TRANSACTION_TIMEOUT_MILLIS = 10_000
const LOOK_MILLIS = 50

/** Writes the input, unless it is there. */
export async function writeInput(cluster: Cluster, recordCount: number): Promise<void> {
  const { admin } = cluster
  await admin.createTopic(INPUT, { partitions: PARTITIONS, replicationFactor: 1, config: { flush: 'os' } })
  await admin.createTopic(OUTPUT, { partitions: PARTITIONS, config: { flush: 'commit' } })
  await using producer = cluster.producer()
  for (let n = 0; n < recordCount / PARTITIONS; n++) {
    for (let partition = 0; partition < PARTITIONS; partition++)
      if (!producer.write({ topic: INPUT, partition, value: valueOf(n, partition) })) await producer.drained()
  }
  await producer.flush()
}

/** Runs the members until they are told to stop. Rejects with the first error of a handler, a producer or a group. */
export async function runPipeline(cluster: Cluster, perSecond: number, signal: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: MEMBERS }, (_, member) => runMember(cluster, member, perSecond / MEMBERS, signal)))
}

async function runMember(cluster: Cluster, member: number, perSecond: number, signal: AbortSignal): Promise<void> {
  await using consumer = cluster.consumer({
    group: GROUP,
    topics: [INPUT],
    isolationLevel: 'read_committed',
    maxPollRecords: POLL_RECORDS,
    sessionTimeoutMillis: 2000,
    heartbeatIntervalMillis: 100,
  })
  const startedAt = performance.now()
  let handled = 0
  const pace = async (): Promise<void> => {
    const aheadMillis = (handled / perSecond) * 1000 - (performance.now() - startedAt)
    if (aheadMillis > 1) await sleep(aheadMillis)
  }
  const handle = ({ partition, value }: ConsumerRecord, outlet: Outlet): void | Promise<void> => {
    const hasRoom = outlet.write({ topic: OUTPUT, partition, value: made(value) })
    if (++handled % PACE_RECORDS === 0) return pace()
    if (!hasRoom) return outlet.drained()
  }
  const output = { transactionalId: `${GROUP}-${member}`, transactionTimeoutMillis: TRANSACTION_TIMEOUT_MILLIS }
  await consumer.process(handle, { guarantee: 'exactly-once', commitIntervalMillis: COMMIT_MILLIS, output, signal })
}

/** Resolves when the group has read everything. */
export async function untilDone({ admin }: Cluster): Promise<void> {
  for (;;) {
    const { lags } = await admin.describeGroup(GROUP)
    if (lags.length === PARTITIONS && lags.every(({ lag }) => lag === 0)) return
    await sleep(LOOK_MILLIS)
  }
}

/** Reads the whole output, and says how much of it is what it must be, what is missing, what is there twice, and what is something else. */
export async function verifyOutput(cluster: Cluster, recordCount: number, report: Report): Promise<void> {
  await using consumer = cluster.consumer({ isolationLevel: 'read_committed', maxPollRecords: 10_000 })
  consumer.assign(Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: OUTPUT, partition })))
  const next = Array.from({ length: PARTITIONS }, () => 0)
  const found = { acknowledged: 0, lost: 0, duplicated: 0, reordered: 0 }
  for (
    let records = await consumer.poll({ timeoutMillis: 20_000 });
    records.length > 0;
    records = await consumer.poll({ timeoutMillis: 2000 })
  ) {
    for (const { partition, value } of records) {
      const expected = next[partition]!
      const n = value === null || value.length !== VALUE_BYTES ? -1 : numberOf(value)
      if (n < 0 || Buffer.compare(value!, made(valueOf(n, partition))) !== 0) found.reordered++
      else if (n < expected) found.duplicated++
      else {
        found.lost += n - expected
        found.acknowledged++
        next[partition] = n + 1
      }
    }
  }
  found.lost += next.reduce((sum, count) => sum + recordCount / PARTITIONS - count, 0)
  report({ kind: 'output', ...found })
}

/** The n-th value of a partition of the input. */
function valueOf(n: number, partition: number): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES)
  const view = new DataView(value.buffer)
  view.setUint32(0, n)
  for (let at = 4, bits = (n + 1) * (partition + 7); at < VALUE_BYTES; at += 4) {
    bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d) ^ at
    view.setUint32(at, bits >>> 0)
  }
  return value
}

function numberOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0)
}

/** What the pipeline makes of a value: the number as it was, all other bits turned. */
function made(value: Uint8Array | null): Uint8Array {
  return (value ?? new Uint8Array(0)).map((byte, at) => (at < 4 ? byte : byte ^ 0xff))
}
