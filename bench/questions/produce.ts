/**
 * Question: how many records of 100 bytes does one producer write per second, by lane and by durability? It does NOT vary partitions or amounts:
 * questions of their own do.
 */
import { inChild } from '../child.ts'
import { PROMISES_IN_FLIGHT, produceTask } from '../produce-task.ts'
import type { ProduceLane } from '../produce-task.ts'
import { interleave, scaled } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

interface Way {
  readonly flush: 'os' | 'commit'
  readonly lane: ProduceLane
  readonly recordCount: number
}

const PARTITIONS = 4

/** Of the records that are measured, so many more are written before, to warm the code up. */
const WARM_UP_FRACTION = 0.1

const WAYS: Readonly<Record<string, Way>> = {
  os: { flush: 'os', lane: 'write', recordCount: 10_000_000 },
  commit: { flush: 'commit', lane: 'write', recordCount: 10_000_000 },
  'promise-os': { flush: 'os', lane: 'promises', recordCount: 3_000_000 },
  'one-by-one-os': { flush: 'os', lane: 'oneByOne', recordCount: 60_000 },
  'one-by-one-commit': { flush: 'commit', lane: 'oneByOne', recordCount: 10_000 },
}

/** How fast records are written. */
export const produce: Question = {
  name: 'produce',
  question: 'How many records does one producer get acknowledged per second?',
  results: Object.keys(WAYS),
  goals: [
    { kind: 'atLeast', result: 'os', value: 4_000_000 },
    { kind: 'atLeast', result: 'commit', value: 3_000_000 },
    { kind: 'atLeast', result: 'promise-os', value: 1_000_000 },
    { kind: 'atLeast', result: 'one-by-one-os', value: 20_000 },
    { kind: 'atLeast', result: 'one-by-one-commit', value: 5_000 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    acks: 'quorum',
    valueBytes: VALUE_BYTES,
    keys: 'none',
    partitions: PARTITIONS,
    producers: 1,
    'promises in flight': PROMISES_IN_FLIGHT,
    records: Object.entries(WAYS)
      .map(([name, { recordCount }]) => `${name} ${scaled(recordCount, options)}`)
      .join(', '),
    'warm-up': `${WARM_UP_FRACTION * 100} % more`,
    measured: 'first write to last acknowledgement, a fresh process and directory for each run',
  }),
  run: (options) => interleave(Object.keys(WAYS), 'records/s', options, (name) => measure(name, options)),
}

async function measure(name: string, options: RunOptions): Promise<Measurement['samples'][number]> {
  const way = WAYS[name]
  if (way === undefined) throw new Error(`no way of producing is called ${name}`)
  const recordCount = scaled(way.recordCount, options)
  const warmUpCount = Math.ceil(recordCount * WARM_UP_FRACTION)
  using workspace = makeWorkspace((recordCount + warmUpCount) * STORED_RECORD_BYTES)
  return await inChild(produceTask, { ...way, directory: workspace.directory, partitions: PARTITIONS, recordCount, warmUpCount })
}
