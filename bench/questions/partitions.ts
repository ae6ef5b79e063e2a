/**
 * Question: what does a record cost when a topic has one partition, or ten thousand? Records have no key, so the producer fills a batch, then goes on
 * to another partition; there are enough of them for every partition to be written to. That a partition's first record makes its file is no part of it: each has got one before.
 */
import { inChild } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { interleave, scaled } from '../question.ts'
import type { Question, RunOptions } from '../question.ts'
import { STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

const SIZES: readonly number[] = [1, 100, 1000, 10_000]
const RECORDS = 10_000_000
const WARM_UP_RECORDS = 500_000

/** Each partition has files and blocks of its own, however little is in it. */
const PARTITION_BYTES = 32_768

/** How the cost of a record depends on the number of partitions. */
export const partitions: Question = {
  name: 'partitions',
  question: 'How many records per second are produced to 1, 100, 1,000 and 10,000 partitions?',
  results: SIZES.map(String),
  goals: [{ kind: 'flat', percent: 20 }],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    keys: 'none',
    records: scaled(RECORDS, options),
    'warm-up': `a record to each partition, and ${scaled(WARM_UP_RECORDS, options)} more`,
  }),
  run: (options) => {
    const sizes = options.isQuick ? SIZES.slice(0, -1) : SIZES
    return interleave(sizes.map(String), 'records/s', options, (size) => measure(Number(size), options))
  },
}

async function measure(count: number, options: RunOptions): Promise<number> {
  const recordCount = scaled(RECORDS, options)
  const warmUpCount = scaled(WARM_UP_RECORDS, options)
  using workspace = makeWorkspace((recordCount + warmUpCount) * STORED_RECORD_BYTES + count * PARTITION_BYTES)
  const { directory } = workspace
  return await inChild(produceTask, { directory, partitions: count, flush: 'os', lane: 'write', recordCount, warmUpCount, hasFiles: true })
}
