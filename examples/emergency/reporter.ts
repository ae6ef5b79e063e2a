/**
 * The producer: sends reports when they are due, keyed by region. What it counts as acknowledged is on the disk.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { string } from '../../edge/client/index.ts'
import type { Cluster } from '../../edge/client/index.ts'
import { WEEK_MILLIS } from './earthquakes.ts'
import type { Report } from './earthquakes.ts'
import { dueTimes } from './replay.ts'
import { EARTHQUAKES, SENT_AT, preciseNow, reportSerde } from './topics.ts'

/** What is going on, for the screen. */
export interface ReportProgress {
  sent: number
  acknowledged: number
  /** Event time of the last report that was acknowledged; 0 before. */
  eventTime: number
}

/** Sends all reports at their pace, and returns when they are acknowledged, or earlier when the signal ends it. */
export async function reportAll(
  cluster: Cluster,
  reports: readonly Report[],
  secondsPerWeek: number,
  progress: ReportProgress,
  signal: AbortSignal,
): Promise<void> {
  await using producer = cluster.producer({ key: string, value: reportSerde })
  const due = dueTimes(reports, WEEK_MILLIS, secondsPerWeek)
  const started = performance.now()
  const outstanding = new Set<Promise<void>>()
  for (const [index, report] of reports.entries()) {
    await pause((due[index] ?? 0) - (performance.now() - started), signal)
    if (signal.aborted) break
    const { region: key, time: timestamp } = report
    const sending = producer.send({ topic: EARTHQUAKES, key, value: report, timestamp, headers: { [SENT_AT]: String(preciseNow()) } })
    const acknowledged = sending.then(() => {
      progress.acknowledged += 1
      progress.eventTime = Math.max(progress.eventTime, timestamp)
    })
    outstanding.add(acknowledged)
    acknowledged.finally(() => outstanding.delete(acknowledged)).catch(() => undefined)
    progress.sent += 1
  }
  await Promise.all(outstanding)
}

async function pause(millis: number, signal: AbortSignal): Promise<void> {
  if (millis >= 1) await sleep(millis, undefined, { signal }).catch(() => undefined)
}
