/**
 * Question: how many records of 100 bytes does one producer get acknowledged per second when three nodes have each of them? It does NOT measure what a
 * slow node costs: all three are on this machine and alive.
 */
import { inChild } from '../child.ts'
import { produceTask } from '../produce-task.ts'
import { interleave, scaled } from '../question.ts'
import type { Question, RunOptions } from '../question.ts'
import { REPLICAS, STORED_RECORD_BYTES, VALUE_BYTES } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

const PARTITIONS = 4
const RECORDS = 5_000_000
const WARM_UP_RECORDS = 500_000
const FLUSHES = ['os', 'commit'] as const

/** How fast records are written to three nodes. */
export const replicatedProduce: Question = {
  name: 'replicated-produce',
  question: 'How many records does one producer get acknowledged per second by the quorum of three nodes?',
  results: FLUSHES,
  goals: [
    { kind: 'atLeast', result: 'os', value: 2_000_000 },
    { kind: 'atLeast', result: 'commit', value: 1_200_000 },
  ],
  conditions: (options) => ({
    threads: `caller + ${REPLICAS} nodes`,
    acks: 'quorum',
    replicas: REPLICAS,
    valueBytes: VALUE_BYTES,
    keys: 'none',
    partitions: PARTITIONS,
    producers: 1,
    records: scaled(RECORDS, options),
    'warm-up': `${scaled(WARM_UP_RECORDS, options)} records`,
    measured: 'first write to last acknowledgement, a fresh process and directory for each run',
  }),
  run: (options) => interleave(FLUSHES, 'records/s', options, (flush) => measure(flush === 'commit' ? 'commit' : 'os', options)),
}

async function measure(flush: 'os' | 'commit', options: RunOptions): Promise<number> {
  const recordCount = scaled(RECORDS, options)
  const warmUpCount = scaled(WARM_UP_RECORDS, options)
  using workspace = makeWorkspace((recordCount + warmUpCount) * STORED_RECORD_BYTES * REPLICAS)
  const { directory } = workspace
  const parameters = { directory, nodes: REPLICAS, partitions: PARTITIONS, flush, lane: 'write', recordCount, warmUpCount } as const
  return await inChild(produceTask, parameters)
}
