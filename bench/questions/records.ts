/**
 * Question: what does a record cost when it is one of a million, or of a hundred million? The largest run writes more than ten gigabytes, so it also
 * meets the moment when the system begins to write dirty pages back.
 */
import { inChild } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { interleave, scaled } from '../question.ts'
import type { Question, RunOptions } from '../question.ts'
import { STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

const SIZES: Readonly<Record<string, number>> = { '1M': 1_000_000, '10M': 10_000_000, '100M': 100_000_000 }
const PARTITIONS = 4
const WARM_UP_RECORDS = 500_000

/** How the cost of a record depends on how many there are. */
export const records: Question = {
  name: 'records',
  question: 'How many records per second are produced when there are 1 M, 10 M and 100 M of them?',
  results: Object.keys(SIZES),
  goals: [{ kind: 'flat', percent: 20 }],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    keys: 'none',
    partitions: PARTITIONS,
    'warm-up': `${scaled(WARM_UP_RECORDS, options)} records`,
  }),
  run: (options) => {
    const names = Object.keys(SIZES)
    return interleave(options.isQuick ? names.slice(0, -1) : names, 'records/s', options, (name) => measure(SIZES[name] ?? 0, options))
  },
}

async function measure(count: number, options: RunOptions): Promise<number> {
  const recordCount = scaled(count, options)
  const warmUpCount = scaled(WARM_UP_RECORDS, options)
  using workspace = makeWorkspace((recordCount + warmUpCount) * STORED_RECORD_BYTES)
  const { directory } = workspace
  return await inChild(produceTask, { directory, partitions: PARTITIONS, flush: 'os', lane: 'write', recordCount, warmUpCount })
}
