/**
 * Looks at what is there from before: how many records, which run is the newest, and which of its events made it.
 */
import type { Cluster } from '../../edge/client/index.ts'
import { WEEK_MILLIS } from './earthquakes.ts'
import type { Earthquake } from './earthquakes.ts'
import type { Survey } from './replay.ts'
import { ALERTS, EARTHQUAKES, alertIds, readRange, reportSerde } from './topics.ts'

/** What survived. */
export interface Survivors extends Survey {
  readonly reports: number
  readonly alerts: number
}

/** Reads the end of the log, and from there back to the begin of the newest run. */
export async function survey(cluster: Cluster, earthquakes: readonly Earthquake[]): Promise<Survivors> {
  const [begin, end] = await Promise.all([
    cluster.admin.listOffsets(EARTHQUAKES, 'earliest'),
    cluster.admin.listOffsets(EARTHQUAKES, 'latest'),
  ])
  const lastOffsets = new Map([...end].map(([partition, offset]) => [partition, Math.max(begin.get(partition) ?? 0, offset - 1)]))
  const last = await readRange(cluster, EARTHQUAKES, reportSerde, lastOffsets, end)
  const run = Math.max(0, ...last.map(({ value }) => value?.run ?? 0))
  return { run, present: await presentOf(cluster, run, earthquakes), reports: distance(begin, end), alerts: await countAlerts(cluster) }
}

async function presentOf(cluster: Cluster, run: number, earthquakes: readonly Earthquake[]): Promise<Set<number>> {
  if (run === 0) return new Set()
  const runBegin = (earthquakes[0]?.time ?? 0) + (run - 1) * WEEK_MILLIS
  const [begin, end] = await Promise.all([
    cluster.admin.listOffsets(EARTHQUAKES, runBegin),
    cluster.admin.listOffsets(EARTHQUAKES, 'latest'),
  ])
  const records = await readRange(cluster, EARTHQUAKES, reportSerde, begin, end)
  return new Set(records.filter(({ value }) => value?.run === run).map(({ value }) => value?.index ?? -1))
}

/** One that was raised again, because a detector did not get to commit, is the same alert. */
async function countAlerts(cluster: Cluster): Promise<number> {
  const end = await cluster.admin.listOffsets(ALERTS, 'latest')
  return (await alertIds(cluster, end.get(0) ?? 0)).size
}

function distance(begin: ReadonlyMap<number, number>, end: ReadonlyMap<number, number>): number {
  return [...end].reduce((sum, [partition, offset]) => sum + offset - (begin.get(partition) ?? 0), 0)
}
