/**
 * What a CPU profile of one thread says: how much of its time it worked, and in which functions. Waiting for a doorbell or for the clock looks like work to the profiler, for the
 * thread is inside of a function meanwhile; here it is none.
 */

/** A profile as V8 writes it (`node --cpu-prof`); times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** The node of each sample. */
  readonly samples: readonly number[]
  /** How long before each sample the one before it was. */
  readonly timeDeltas: readonly number[]
}

/** A function that was called in a certain way. */
interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

/** What one thread did. */
export interface ThreadSummary {
  /** After the function that only such a thread runs. */
  readonly thread: string
  readonly seconds: number
  /** The part of it in which the thread worked, 0 to 1. */
  readonly busy: number
  /** Of the work, 0 to 1, the largest part first. */
  readonly parts: readonly { readonly what: string; readonly share: number }[]
}

/** Who runs such a function is that thread; whoever runs none of them is the caller. */
const THREADS: ReadonlyMap<string, string> = new Map([
  ['runtime/job-worker compact', 'job'],
  ['runtime/worker run', 'node'],
  ['bench/latency-pacer pace', 'pacer'],
])

/** Functions in which a thread waits: module, or nothing for V8's own, and name. */
const WAITS: ReadonlySet<string> = new Set([
  '(idle)',
  '(program)',
  '(root)',
  'runtime/doorbell waitBlocking',
  'bench/latency-pacer pace',
  'node_modules/piscina/dist/worker atomicsWaitLoop',
])

/** Sums a profile up. `root` is the URL below which the project's modules are. */
export function summarise({ nodes, samples, timeDeltas }: CpuProfile, root: string): ThreadSummary {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, root)]))
  const micros = new Map<string, number>()
  let [total, busy] = [0, 0]
  samples.forEach((id, i) => {
    const [name, delta] = [names.get(id) ?? '(root)', timeDeltas[i] ?? 0]
    total += delta
    if (WAITS.has(name)) return
    busy += delta
    micros.set(name, (micros.get(name) ?? 0) + delta)
  })
  const known = [...names.values()].find((name) => THREADS.has(name)) ?? ''
  const thread = THREADS.get(known) ?? 'caller'
  const parts = [...micros].toSorted(([, a], [, b]) => b - a).map(([what, part]) => ({ what, share: part / busy }))
  return { thread, seconds: total / 1e6, busy: total === 0 ? 0 : busy / total, parts }
}

/** As lines: the thread, and its largest parts. */
export function linesOf({ thread, seconds, busy, parts }: ThreadSummary, count: number): string[] {
  const head = `${thread}: ${seconds.toFixed(1)} s, works ${percent(busy)} of it, there`
  return [head, ...parts.slice(0, count).map(({ what, share }) => `${percent(share).padStart(8)}  ${what}`)]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

function nameOf({ functionName, url }: ProfileNode['callFrame'], root: string): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  const module = moduleOf(url, root)
  return module === '' ? name : `${module} ${name}`
}

function moduleOf(url: string, root: string): string {
  return url.startsWith(root) ? url.slice(root.length).replace(/\.[jt]s$/, '') : url
}
