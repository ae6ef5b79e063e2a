/**
 * Question: what does it cost that a record that is sent again is not written again? Producers with and without idempotence write the same, in turn.
 */
import { inChild } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

const PARTITIONS = 4
const RECORDS = 5_000_000
const WARM_UP_FRACTION = 0.2

/** What idempotence costs. */
export const idempotence: Question = {
  name: 'idempotence',
  question: 'How fast is an idempotent producer against a plain one?',
  results: ['ratio', 'idempotent', 'plain'],
  goals: [{ kind: 'atLeast', result: 'ratio', value: 0.97 }],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    acks: 'quorum',
    flush: 'os',
    valueBytes: VALUE_BYTES,
    partitions: PARTITIONS,
    records: scaled(RECORDS, options),
    'warm-up': `${WARM_UP_FRACTION * 100} % more`,
    ratio: 'idempotent to plain, of two runs that follow each other, each in a process of its own',
  }),
  run,
}

async function run(options: RunOptions): Promise<Measurement[]> {
  const samples: { idempotent: number[]; plain: number[]; ratio: number[] } = { idempotent: [], plain: [], ratio: [] }
  for (let run = 1; run <= options.runs; run++) {
    options.progress(`run ${run} of ${options.runs}`)
    // Who comes first has the disk as the other one left it: they take turns.
    const isFirst = run % 2 === 0
    const first = await measure(isFirst, options)
    const second = await measure(!isFirst, options)
    const [idempotent, plain] = isFirst ? [first, second] : [second, first]
    samples.idempotent.push(idempotent)
    samples.plain.push(plain)
    samples.ratio.push(idempotent / plain)
  }
  return [
    { name: 'ratio', unit: 'x', samples: samples.ratio },
    { name: 'idempotent', unit: 'records/s', samples: samples.idempotent },
    { name: 'plain', unit: 'records/s', samples: samples.plain },
  ]
}

async function measure(enableIdempotence: boolean, options: RunOptions): Promise<number> {
  const recordCount = scaled(RECORDS, options)
  const warmUpCount = Math.ceil(recordCount * WARM_UP_FRACTION)
  using workspace = makeWorkspace((recordCount + warmUpCount) * STORED_RECORD_BYTES)
  const { directory } = workspace
  return await inChild(produceTask, {
    directory,
    partitions: PARTITIONS,
    flush: 'os',
    lane: 'write',
    recordCount,
    warmUpCount,
    enableIdempotence,
  })
}
