/**
 * The third consumer: shows alerts as they come, each once, even if it was raised twice because a detector crashed between raising and committing.
 * It commits what it has shown; what was raised but not shown before a crash is shown now.
 */
import { string } from '../../edge/client/index.ts'
import type { Cluster } from '../../edge/client/index.ts'
import type { Alert } from './detection.ts'
import { ALERTS, alertIds, alertSerde, pollUntil, preciseNow, sentAtOf } from './topics.ts'

/** What the display has done; `nextOffset` is where it stands in the topic. */
export interface DisplayProgress {
  nextOffset: number
  shown: number
  /** Milliseconds from sending a report to showing its alert. */
  readonly delays: number[]
}

const DISPLAY = 'display'
const PARTITION = { topic: ALERTS, partition: 0 }

/** Shows alerts until the signal ends it. */
export async function display(
  cluster: Cluster,
  show: (alert: Alert, isLate: boolean) => void,
  progress: DisplayProgress,
  signal: AbortSignal,
): Promise<void> {
  await using consumer = cluster.consumer({ group: DISPLAY, key: string, value: alertSerde, autoCommit: false })
  const end = (await cluster.admin.listOffsets(ALERTS, 'latest')).get(0) ?? 0
  consumer.assign([PARTITION])
  const committed = await consumer.committed([PARTITION])
  progress.nextOffset = committed[0]?.offset ?? 0
  const seen = await alertIds(cluster, progress.nextOffset)
  consumer.seek(PARTITION, progress.nextOffset)
  while (!signal.aborted) {
    const records = await pollUntil(consumer, signal)
    for (const record of records) {
      progress.nextOffset = record.offset + 1
      if (record.value === null || seen.has(record.value.id)) continue
      seen.add(record.value.id)
      const isLate = record.offset < end
      if (!isLate) progress.delays.push(preciseNow() - sentAtOf(record))
      show(record.value, isLate)
      progress.shown += 1
    }
    if (records.length > 0) await consumer.commit([{ ...PARTITION, offset: progress.nextOffset, metadata: '' }])
  }
}
