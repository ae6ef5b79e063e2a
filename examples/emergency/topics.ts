/**
 * The two topics of the example, and how parts of them are read by offset, beside any group.
 */
import { json, string } from '../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerRecord, Serde } from '../../edge/client/index.ts'
import type { Alert } from './detection.ts'
import type { Report } from './earthquakes.ts'

/** Reports, keyed by region: the earthquakes of a region keep their order. */
export const EARTHQUAKES = 'earthquakes'

/** Alerts, in one partition: in the order in which they were raised. */
export const ALERTS = 'alerts'

/** Two detectors share so many partitions. */
export const EARTHQUAKE_PARTITIONS = 4

/** When a report was sent, in milliseconds since 1970 with fractions: alerts take it along, so that their delay can be told. */
export const SENT_AT = 'sent-at'

/** Reports as JSON. */
export const reportSerde: Serde<Report> = json<Report>()

/** Alerts as JSON. */
export const alertSerde: Serde<Alert> = json<Alert>()

/** How long one poll may take: the end of a range, and Ctrl-C, are noticed at least so often. */
export const POLL_MILLIS = 100

/** Makes the topics if they are not there. They are kept for ever, because the events of 2018 are older than any retention. */
export async function createTopics({ admin }: Cluster): Promise<void> {
  const config = { flush: 'commit', retentionMillis: -1 }
  await admin.createTopic(EARTHQUAKES, { partitions: EARTHQUAKE_PARTITIONS, config, ifNotExists: true })
  await admin.createTopic(ALERTS, { partitions: 1, config, ifNotExists: true })
}

/** Wall clock with fractions of a millisecond. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now()
}

/** What the header of a record says about when its report was sent. */
export function sentAtOf(record: ConsumerRecord<string, unknown>): number {
  const header = record.headers.find(({ key }) => key === SENT_AT)
  return Number(new TextDecoder().decode(header?.value ?? new Uint8Array(0)))
}

/** Polls, and answers with nothing when the signal ends it. */
export async function pollUntil<V>(consumer: Consumer<string, V>, signal: AbortSignal): Promise<ConsumerRecord<string, V>[]> {
  try {
    return await consumer.poll({ timeoutMillis: POLL_MILLIS, signal })
  } catch (error) {
    if (signal.aborted) return []
    throw error
  }
}

/** The records of a topic from some offsets up to others, by partition; partitions that are missing in either are left out. */
export async function readRange<V>(
  cluster: Cluster,
  topic: string,
  value: Serde<V>,
  begin: ReadonlyMap<number, number>,
  end: ReadonlyMap<number, number>,
): Promise<ConsumerRecord<string, V>[]> {
  const open = new Map([...end].filter(([partition, offset]) => (begin.get(partition) ?? offset) < offset))
  if (open.size === 0) return []
  await using consumer = cluster.consumer({ key: string, value })
  consumer.assign([...open.keys()].map((partition) => ({ topic, partition })))
  for (const partition of open.keys()) consumer.seek({ topic, partition }, begin.get(partition) ?? 0)
  const found: ConsumerRecord<string, V>[] = []
  while (open.size > 0) {
    const records = await consumer.poll({ timeoutMillis: POLL_MILLIS })
    found.push(...records.filter(({ partition, offset }) => offset < (open.get(partition) ?? 0)))
    for (const [partition, offset] of open) if ((consumer.position({ topic, partition }) ?? 0) >= offset) open.delete(partition)
  }
  return found
}

/** The alerts below an offset of their topic, each once. */
export async function alertIds(cluster: Cluster, end: number): Promise<Set<string>> {
  const records = await readRange(cluster, ALERTS, alertSerde, new Map([[0, 0]]), new Map([[0, end]]))
  return new Set(records.map(({ value }) => value?.id ?? ''))
}
