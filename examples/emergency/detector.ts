/**
 * A member of the group that judges the reports. Its memory lives in this process only: for a partition that it has just been given, it rereads
 * the last two windows from the log. Alerts are acknowledged before the reports that caused them count as processed.
 */
import { string } from '../../edge/client/index.ts'
import type { Cluster, ConsumerRecord, ProducerRecord } from '../../edge/client/index.ts'
import { MEMORY_MILLIS, observe } from './detection.ts'
import type { Alert, Watch } from './detection.ts'
import type { Report } from './earthquakes.ts'
import { ALERTS, EARTHQUAKES, SENT_AT, alertSerde, pollUntil, readRange, reportSerde, sentAtOf } from './topics.ts'

/** The group of the detectors. */
export const DETECTORS = 'detectors'

/** How often processed reports are committed. */
const COMMIT_MILLIS = 200

/** What is remembered of a partition, and the offset up to which it is true. */
interface PartitionWatch {
  readonly watch: Watch
  nextOffset: number
}

/** Judges what the group gives it until the signal ends it; then it leaves the group. Says which partitions it holds, whenever that changes. */
export async function detect(cluster: Cluster, onPartitions: (partitions: readonly number[]) => void, signal: AbortSignal): Promise<void> {
  await using producer = cluster.producer({ key: string, value: alertSerde })
  await using consumer = cluster.consumer({
    group: DETECTORS,
    topics: [EARTHQUAKES],
    key: string,
    value: reportSerde,
    autoCommitIntervalMillis: COMMIT_MILLIS,
    onAssigned: () => onPartitions(held()),
    onRevoked: (revoked) => onPartitions(held().filter((partition) => !revoked.some((gone) => gone.partition === partition))),
  })
  const held = (): number[] => consumer.assignment().map(({ partition }) => partition)
  const watches = new Map<number, PartitionWatch>()
  while (!signal.aborted) {
    const records = await pollUntil(consumer, signal)
    const alerts: ProducerRecord<string, Alert>[] = []
    for (const record of records) {
      const watch = await watchFor(cluster, watches, record)
      alerts.push(...judge(watch, record))
    }
    if (alerts.length > 0) await producer.send(alerts)
  }
}

/** A watch that is true up to this record: the one we have, or one that is rebuilt. */
async function watchFor(
  cluster: Cluster,
  watches: Map<number, PartitionWatch>,
  record: ConsumerRecord<string, Report>,
): Promise<PartitionWatch> {
  const known = watches.get(record.partition)
  if (known?.nextOffset === record.offset) return known
  const rebuilt = { watch: await remember(cluster, record), nextOffset: record.offset }
  watches.set(record.partition, rebuilt)
  return rebuilt
}

async function remember(cluster: Cluster, { partition, offset, timestamp }: ConsumerRecord<string, Report>): Promise<Watch> {
  const starts = await cluster.admin.listOffsets(EARTHQUAKES, timestamp - MEMORY_MILLIS)
  const begin = new Map([[partition, starts.get(partition) ?? offset]])
  const watch: Watch = new Map()
  const before = await readRange(cluster, EARTHQUAKES, reportSerde, begin, new Map([[partition, offset]]))
  for (const { value } of before) if (value !== null) observe(watch, value)
  return watch
}

function judge(state: PartitionWatch, record: ConsumerRecord<string, Report>): ProducerRecord<string, Alert>[] {
  state.nextOffset = record.offset + 1
  const alerts = record.value === null ? [] : observe(state.watch, record.value)
  const headers = { [SENT_AT]: String(sentAtOf(record)) }
  return alerts.map((alert) => ({ topic: ALERTS, key: alert.region, value: alert, headers }))
}
