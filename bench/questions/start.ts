/**
 * Question: how long does it take from `open` to the first acknowledged record, in memory and in a new directory? A fresh process for each run, and the
 * clock starts when the modules are loaded; with loading them is printed beside. What is measured is the built package, as it is installed: from the
 * sources, taking the types out of each file would be most of the time. It must NOT import the engine before it measures that.
 */
import type { open as Open } from '../../edge/client/index.ts'
import { build } from '../built.ts'
import { inChild } from '../child.ts'
import type { Task } from '../child.ts'
import { interleave } from '../question.ts'
import type { Measurement, Question, RunOptions } from '../question.ts'
import { median } from '../statistics.ts'
import { makeWorkspace } from '../workspace.ts'

interface StartTimes {
  readonly importMillis: number
  readonly startMillis: number
}

const SPACE_BYTES = 2 ** 26

const isSource = import.meta.url.endsWith('.ts')

/** The package's main module. */
const packageUrl = new URL(isSource ? '../../dist/edge/client/index.js' : '../../edge/client/index.js', import.meta.url)

/** How long the first record takes. */
export const start: Question = {
  name: 'start',
  question: 'How long does it take from open to the first acknowledged record?',
  results: ['memory', 'directory'],
  goals: [
    { kind: 'atMost', result: 'memory', value: 50 },
    { kind: 'atMost', result: 'directory', value: 150 },
  ],
  conditions: () => ({
    threads: 'caller + 1 node',
    acks: 'quorum',
    flush: 'commit',
    partitions: 1,
    directory: 'new',
    measured: 'the built package: open, create a topic, send one record, acknowledged; modules loaded, nothing warmed up',
  }),
  run,
}

/** Measures one start at a directory or ':memory:'. */
export const startTask: Task<string, StartTimes> = { url: import.meta.url, name: 'startTask', run: measure }

async function run(options: RunOptions): Promise<Measurement[]> {
  build()
  const withImport: Record<string, number[]> = { memory: [], directory: [] }
  const measurements = await interleave(start.results, 'ms', options, async (name) => {
    using workspace = makeWorkspace(SPACE_BYTES)
    const { importMillis, startMillis } = await inChild(startTask, name === 'memory' ? ':memory:' : workspace.directory)
    withImport[name]?.push(importMillis + startMillis)
    return startMillis
  })
  for (const [name, samples] of Object.entries(withImport)) {
    options.note(`${name}, including the import of the package: median ${median(samples).toFixed(1)} ms`)
  }
  return measurements
}

async function measure(directory: string): Promise<StartTimes> {
  const importedAt = performance.now()
  const { open } = (await import(packageUrl.href)) as { readonly open: typeof Open }
  const startedAt = performance.now()
  await using cluster = await open(directory)
  await cluster.admin.createTopic('first')
  await using producer = cluster.producer()
  await producer.send({ topic: 'first', value: new Uint8Array(100) })
  return { importMillis: startedAt - importedAt, startMillis: performance.now() - startedAt }
}
