/**
 * Replays a recording: all its threads, in the order of the time that their clocks showed, up to the first input of which something else comes than was recorded.
 * Behind that nothing means anything: the actor's state is another one.
 */
import type { Address } from '../../actors/actor.ts'
import type { Entry } from '../../protocol/recording/entries.ts'
import { openRecordingFiles } from './recording-files.ts'
import type { RecordingFile } from './recording-files.ts'
import { ReplayedThread } from './replayed-thread.ts'
import type { Divergence, ReplayedStep } from './replayed-thread.ts'

/** What to replay, and who hears of it. */
export interface ReplayOptions {
  readonly directory: string
  /** Only actors of that name, `broker`, or `broker@1` for that of one node; null: all. */
  readonly actor: string | null
  /** Hears of every input that is replayed, the last one being the one that differs, if there is one. */
  readonly onStep: (thread: string, step: ReplayedStep, millis: number) => void
  /** Hears how much of the files has been read, 0 to 1. */
  readonly onProgress: (share: number) => void
}

/** What a replay has shown. */
export interface ReplayReport {
  readonly directory: string
  /** Versions of the package that has recorded. */
  readonly odradek: readonly string[]
  readonly threads: number
  readonly actors: number
  readonly inputs: number
  readonly effects: number
  /** From the first input to the last one, by the clocks of then. */
  readonly virtualSeconds: number
  /** Bytes at the ends of files that a process that was killed did not complete. */
  readonly tornBytes: number
  /** Nodes that others have heard, and of which nothing is there: their files are missing, or hold nothing. */
  readonly missingNodes: readonly number[]
  readonly identical: boolean
  readonly divergence: Divergence | null
}

interface Source {
  readonly file: RecordingFile
  readonly thread: ReplayedThread
  next: Entry | null
  /** Wall clock of the last input. */
  time: number
}

/** Who has sent something, and whose actors were recorded. */
interface Nodes {
  readonly heard: Set<number>
  readonly there: Set<number>
}

/** Replays all of it. Throws the errors of recording-files.ts and replayed-thread.ts. */
export function replay(options: ReplayOptions): ReplayReport {
  const isWanted = wantedActors(options.actor)
  const files = openRecordingFiles(options.directory)
  try {
    const sources = files.map((file): Source => ({ file, thread: new ReplayedThread(nameOf(file), isWanted), next: file.next(), time: 0 }))
    const clock = { first: Infinity, last: 0 }
    const nodes: Nodes = { heard: new Set(), there: new Set() }
    const divergence = replayAll(sources, clock, nodes, options)
    return {
      directory: options.directory,
      odradek: [...new Set(files.flatMap(({ header }) => header?.odradek ?? []))],
      threads: files.length,
      actors: sum(sources, ({ thread }) => thread.actorCount),
      inputs: sum(sources, ({ thread }) => thread.replayedCount),
      effects: sum(sources, ({ thread }) => thread.effectCount),
      virtualSeconds: Math.max(0, clock.last - clock.first) / 1000,
      tornBytes: sum(files, ({ tornBytes }) => tornBytes),
      missingNodes: [...nodes.heard].filter((node) => node >= 0 && !nodes.there.has(node)).toSorted((a, b) => a - b),
      identical: divergence === null,
      divergence,
    }
  } finally {
    for (const file of files) file.close()
  }
}

/** The threads take turns: the next input is that of the earliest clock. Within a thread the order is that of the recording, whatever its clock did. */
function replayAll(
  sources: readonly Source[],
  clock: { first: number; last: number },
  nodes: Nodes,
  options: ReplayOptions,
): Divergence | null {
  const total = sum(sources, ({ file }) => file.sizeBytes)
  for (let source = earliest(sources); source !== null; source = earliest(sources)) {
    const entry = source.next!
    const step = source.thread.apply(entry)
    nodes.there.add(entry.node)
    if (entry.kind === 'step') {
      nodes.heard.add(entry.context.from.node)
      source.time = entry.context.now
      clock.first = Math.min(clock.first, source.time)
      clock.last = Math.max(clock.last, source.time)
    }
    if (step !== null) options.onStep(source.thread.name, step, source.time - clock.first)
    if (step !== null && step.divergence !== null) return step.divergence
    const { readBytes } = source.file
    source.next = source.file.next()
    if (source.file.readBytes !== readBytes) options.onProgress(sum(sources, ({ file }) => file.readBytes) / total)
  }
  return null
}

function earliest(sources: readonly Source[]): Source | null {
  let found: Source | null = null
  let foundTime = Infinity
  for (const source of sources) {
    const { next, time } = source
    if (next === null) continue
    const nextTime = next.kind === 'step' ? next.context.now : time
    if (found === null || nextTime < foundTime) {
      found = source
      foundTime = nextTime
    }
  }
  return found
}

function wantedActors(wanted: string | null): (actor: Address) => boolean {
  return ({ node, actor }) => wanted === null || actor === wanted || `${actor}@${node}` === wanted
}

function nameOf({ header }: RecordingFile): string {
  if (header === null) return 'a thread'
  return `thread ${header.thread}${header.life === 1 ? '' : `, life ${header.life}`}`
}

function sum<Item>(items: readonly Item[], valueOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0)
}
