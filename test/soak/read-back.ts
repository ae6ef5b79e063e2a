/**
 * Reads what a crash has left, and says what is there: whole partitions, or what has come since the last reading.
 */
import type { Cluster, ConsumerRecord } from '../../edge/client/api.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Run } from './event.ts'
import { TARGETS } from './load.ts'
import type { Report } from './load.ts'
import { decodeValue } from './value.ts'

/** Reads every partition from the offsets given (default: the first) to its end, and reports what is there; answers with the ends. */
export async function readBack(cluster: Cluster, from: Readonly<Record<string, number>>, report: Report): Promise<Record<string, number>> {
  const ends: Record<string, number> = {}
  for (const target of TARGETS) {
    const where = topicPartitionName(target.topic, target.partition)
    ends[where] = await readPartition(cluster, target, from[where] ?? 0, report)
  }
  return ends
}

async function readPartition(cluster: Cluster, target: TopicPartition, begin: number, report: Report): Promise<number> {
  const where = topicPartitionName(target.topic, target.partition)
  const end = (await cluster.admin.listOffsets(target.topic, 'latest')).get(target.partition) ?? 0
  report({ kind: 'reading', where, offset: begin })
  if (begin < end) {
    await using consumer = cluster.consumer()
    consumer.assign([target])
    consumer.seek(target, begin)
    for (let next = begin; next < end;) {
      const records = await consumer.poll({ timeoutMillis: 10_000 })
      if (records.length === 0) throw new Error(`${where} ends at ${end}, but gives nothing at ${next}`)
      for (const run of writtenRuns(records)) report({ kind: 'read', where, ...run })
      next = (records.at(-1)?.offset ?? 0) + 1
    }
  }
  report({ kind: 'readEnd', where, offset: end })
  return end
}

/** Stretches of neighbouring offsets by one author with neighbouring sequences. */
function writtenRuns(records: readonly ConsumerRecord[]): Run[] {
  const runs: { -readonly [Field in keyof Run]: Run[Field] }[] = []
  for (const { offset, value } of records) {
    const { author, sequence } = decodeValue(value)
    const run = runs.at(-1)
    if (run?.author === author && run.offset + run.count === offset && run.sequence + run.count === sequence) run.count++
    else runs.push({ offset, author, sequence, count: 1 })
  }
  return runs
}
