/**
 * Question: what do many groups cost that nobody is in? Ten thousand groups have committed ten offsets each; after a restart the clock stops when all of them
 * are known, and the resident size is read.
 */
import { open } from '../../edge/client/index.ts'
import type { Admin } from '../../edge/client/index.ts'
import { inBuiltChild } from '../built.ts'
import type { Task } from '../child.ts'
import { scaled } from '../question.ts'
import type { Question } from '../question.ts'
import { TOPIC } from '../records.ts'
import { makeWorkspace } from '../workspace.ts'

interface GroupsParameters {
  readonly directory: string
  readonly groups: number
}

interface LoadOutcome {
  readonly loadMillis: number
  readonly rssMegabytes: number
}

const GROUPS = 10_000
const OFFSETS_PER_GROUP = 10

/** Commits of so many groups are under way at once. */
const PARALLEL = 200

/** Log files that grow ahead, and what is in them. */
const WORKSPACE_BYTES = 2 ** 28

/** What groups cost after a restart. */
export const groups: Question = {
  name: 'groups',
  question:
    'How much memory do 10,000 groups with 100,000 committed offsets take after a restart, and how long does it take until they are known?',
  results: ['rss', 'load'],
  goals: [
    { kind: 'atMost', result: 'rss', value: 100 },
    { kind: 'atMost', result: 'load', value: 500 },
  ],
  conditions: (options) => ({
    threads: 'caller + 1 node',
    groups: scaled(GROUPS, options),
    offsets: scaled(GROUPS, options) * OFFSETS_PER_GROUP,
    measured:
      'the built package: from when open() is done (question start) until listGroups() has answered with all of them; resident size then (1 MB = 1,000,000 bytes)',
  }),
  run: async (options) => {
    const count = scaled(GROUPS, options)
    const sizes: number[] = []
    const times: number[] = []
    using workspace = makeWorkspace(WORKSPACE_BYTES)
    const parameters = { directory: workspace.directory, groups: count }
    options.progress('committing')
    await inBuiltChild(commitTask, parameters)
    for (let run = 1; run <= options.runs; run++) {
      options.progress(`run ${run} of ${options.runs}`)
      const { rssMegabytes, loadMillis } = await inBuiltChild(loadTask, parameters)
      sizes.push(rssMegabytes)
      times.push(loadMillis)
    }
    return [
      { name: 'rss', unit: 'MB', samples: sizes },
      { name: 'load', unit: 'ms', samples: times },
    ]
  },
}

/** Has all groups commit. */
export const commitTask: Task<GroupsParameters, number> = { url: import.meta.url, name: 'commitTask', run: commitAll }

/** Opens the directory, and waits until all groups are known. */
export const loadTask: Task<GroupsParameters, LoadOutcome> = { url: import.meta.url, name: 'loadTask', run: load }

async function commitAll({ directory, groups: count }: GroupsParameters): Promise<number> {
  await using cluster = await open(directory)
  await cluster.admin.createTopic(TOPIC, { partitions: OFFSETS_PER_GROUP })
  let next = 0
  const work = async (admin: Admin): Promise<void> => {
    while (next < count) {
      const group = `group-${next++}`
      await admin.alterGroupOffsets(
        group,
        Array.from({ length: OFFSETS_PER_GROUP }, (_, partition) => ({ topic: TOPIC, partition, offset: 0 })),
      )
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, () => work(cluster.admin)))
  return count
}

async function load({ directory, groups: count }: GroupsParameters): Promise<LoadOutcome> {
  await using cluster = await open(directory)
  const startedAt = performance.now()
  const listed = await cluster.admin.listGroups()
  const loadMillis = performance.now() - startedAt
  if (listed.length !== count) throw new Error(`${listed.length} of ${count} groups are known`)
  return { loadMillis, rssMegabytes: process.memoryUsage.rss() / 1e6 }
}
