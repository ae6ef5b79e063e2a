/**
 * Question: for how long does nobody read the partitions of a member that leaves? A hundred members share a thousand partitions; one of them is closed, and a
 * record is written to every partition at that moment: the clock stops when all of them have been read. Partitions of the others must not pause: how many did is
 * a result of its own.
 */
import { open } from '../../edge/client/index.ts'
import type { Cluster, Consumer } from '../../edge/client/index.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { scaled } from '../question.ts'
import type { Question } from '../question.ts'
import { benchRecord, TOPIC } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

interface RebalanceParameters {
  readonly directory: string
  readonly members: number
  readonly partitions: number
}

interface RebalanceOutcome {
  readonly rebalanceMillis: number
  readonly paused: number
}

const MEMBERS = 100
const PARTITIONS = 1000

/** Ten members to a hundred partitions, at least: fewer would have nobody to hand over to. */
const MEMBERS_MIN = 3

/** Files of a partition: they grow ahead of what is written. */
const PARTITION_BYTES = 2 ** 18

/** What has not come by then does not come. */
const WAIT_MILLIS_MAX = 60_000

/** How long the partitions of a member that leaves are read by nobody. */
export const rebalance: Question = {
  name: 'rebalance',
  question: 'How long until all partitions are read again when one of 100 members leaves, and how many others pause meanwhile?',
  results: ['rebalance', 'paused'],
  goals: [
    { kind: 'atMost', result: 'rebalance', value: 100 },
    { kind: 'atMost', result: 'paused', value: 0 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    members: membersOf(scaled(MEMBERS, options)),
    partitions: scaled(PARTITIONS, options),
    flush: 'os',
    heartbeatIntervalMillis: 'the default, 1000',
    measured: 'from close() of a member until a record that was written to each partition then has been read',
  }),
  run: async (options) => {
    const times: number[] = []
    const pauses: number[] = []
    for (let run = 1; run <= options.runs; run++) {
      options.progress(`run ${run} of ${options.runs}`)
      const [members, partitions] = [membersOf(scaled(MEMBERS, options)), scaled(PARTITIONS, options)]
      using workspace = makeWorkspace(partitions * PARTITION_BYTES)
      const { rebalanceMillis, paused } = await inChild(rebalanceTask, { directory: workspace.directory, members, partitions })
      times.push(rebalanceMillis)
      pauses.push(paused)
    }
    return [
      { name: 'rebalance', unit: 'ms', samples: times },
      { name: 'paused', unit: 'partitions', samples: pauses },
    ]
  },
}

/** Measures one run. */
export const rebalanceTask: Task<RebalanceParameters, RebalanceOutcome> = { url: import.meta.url, name: 'rebalanceTask', run: measure }

function membersOf(count: number): number {
  return Math.max(MEMBERS_MIN, count)
}

async function measure({ directory, members: count, partitions }: RebalanceParameters): Promise<RebalanceOutcome> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions, config: { flush: 'os' } })
  let paused = 0
  const read = new ReadPartitions(partitions)
  const members = Array.from({ length: count }, (_, i) =>
    cluster.consumer({ group: 'bench', topics: [TOPIC], onRevoked: (revoked) => void (paused += i === 0 ? 0 : revoked.length) }),
  )
  for (const member of members) void readOn(member, read)
  await untilShared(members, partitions)
  await writeRound(cluster, partitions)
  await read.all
  read.begin()
  paused = 0
  const startedAt = performance.now()
  await Promise.all([members[0]?.close(), writeRound(cluster, partitions)])
  await read.all
  const rebalanceMillis = performance.now() - startedAt
  const outcome = { rebalanceMillis, paused }
  await Promise.all(members.map((member) => member.close()))
  return outcome
}

/** Which partitions have been read in this round. */
class ReadPartitions {
  all: Promise<void> = Promise.resolve()
  readonly #count: number
  #seen: Set<number> = new Set()
  #done: () => void = () => undefined

  constructor(count: number) {
    this.#count = count
    this.begin()
  }

  /** A new round. */
  begin(): void {
    this.#seen = new Set()
    this.all = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${this.#seen.size} partitions were read`)), WAIT_MILLIS_MAX)
      this.#done = (): void => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  add(partition: number): void {
    this.#seen.add(partition)
    if (this.#seen.size === this.#count) this.#done()
  }
}

/** Reads for ever; a consumer that is closed ends by an error. */
async function readOn(member: Consumer, read: ReadPartitions): Promise<void> {
  try {
    for await (const { partition } of member) read.add(partition)
  } catch {
    // It is closed.
  }
}

async function untilShared(members: readonly Consumer[], partitions: number): Promise<void> {
  const most = Math.ceil(partitions / members.length)
  for (const deadline = performance.now() + WAIT_MILLIS_MAX; performance.now() < deadline;) {
    const counts = members.map((member) => member.assignment().length)
    if (counts.reduce((sum, count) => sum + count) === partitions && Math.max(...counts) <= most) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the partitions were not shared out')
}

async function writeRound(cluster: Cluster, partitions: number): Promise<void> {
  await using producer = cluster.producer()
  const record = benchRecord()
  await producer.send(Array.from({ length: partitions }, (_, partition) => ({ ...record, partition })))
}
