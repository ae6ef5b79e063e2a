/**
 * Which of the files in a log's directory are the log. Compaction writes a segment anew under another name, one generation later, and a file has its name only when
 * it is whole and durable; so after a crash there may be both what was cleaned and what came of it. What the newest checkpoint lists is the log,
 * if all of it is there: what it replaces waits until that checkpoint is safe. Where no checkpoint speaks of these files, the latest generation counts: whatever
 * mixture there is, each file covers whole segments.
 */
import type { Checkpoint } from './checkpoint.ts'
import { baseOffsetOfFile, filesOfSegment, indexFileName, logFileName } from './log.ts'
import type { Segment } from './log.ts'

/** A log file by its name. */
export interface LogFile {
  readonly baseOffset: number
  readonly generation: number
}

/** What is there. */
export interface FoundFiles {
  /** By offset; one for each base offset. */
  readonly chosen: readonly LogFile[]
  /** Names of files that the newest checkpoint does without. */
  readonly superseded: readonly string[]
  /** The latest generation of which there is a file, whole or not. */
  readonly generation: number
}

/** A file that a cleaning is writing, or has left behind. */
const UNFINISHED = /^\d{20}\.(\d+)\.log\.cleaned$/

/** The name under which a cleaning writes a segment, until it is whole and durable. */
export function unfinishedName(file: string): string {
  return `${file}.cleaned`
}

/** Chooses among the files of a directory. */
export function chooseFiles(names: Iterable<string>, checkpoint: Checkpoint | null): FoundFiles {
  const all: LogFile[] = []
  let generation = checkpoint?.cleaning.generation ?? 0
  for (const name of names) {
    const unfinished = UNFINISHED.exec(name)
    if (unfinished !== null) generation = Math.max(generation, Number(unfinished[1]))
    const baseOffset = baseOffsetOfFile(name)
    if (baseOffset !== null) all.push({ baseOffset, generation: generationOf(name) })
  }
  for (const file of all) generation = Math.max(generation, file.generation)
  all.sort((a, b) => a.baseOffset - b.baseOffset || a.generation - b.generation)
  const isListed = listed(all, checkpoint)
  const chosen = isListed === null ? latest(all) : all.filter(isListed)
  const isChosen = new Set(chosen)
  const superseded = isListed === null ? [] : all.filter((file) => !isChosen.has(file)).flatMap(filesOfSegment)
  return { chosen, superseded, generation }
}

/** Which of the segments that the checkpoint lists is this file; -1: none. */
export function findSummary(checkpoint: Checkpoint | null, { baseOffset, generation }: LogFile, sizeBytes: number): number {
  const known = checkpoint?.cleaning.segments.find((one) => one.baseOffset === baseOffset)?.generation ?? 0
  if (checkpoint === null || known !== generation) return -1
  return checkpoint.segments.findIndex((one) => one.baseOffset === baseOffset && one.sizeBytes === sizeBytes)
}

/** Whether a segment begins below the end of what is there: what compaction has made of it covers it. */
export function isReplaced(segments: readonly Segment[], endOffset: number, baseOffset: number): boolean {
  return baseOffset < endOffset && segments.some(({ generation }) => generation > 0)
}

/**
 * Every file that is part of no segment of the recovered log, nor kept for other reasons, and every index file that may speak of another life of its segment:
 * an index is not synced, so a power loss can bring back an older one, sound but wrong. What a cleaning has left unfinished is among them.
 */
export function strayFiles(names: Iterable<string>, segments: readonly Segment[], keep: readonly string[], indexLoaded: boolean): string[] {
  const kept = new Set(keep)
  for (const { baseOffset, generation, index } of segments) {
    kept.add(logFileName(baseOffset, generation))
    if (index === null || indexLoaded) kept.add(indexFileName(baseOffset, generation))
  }
  return [...names].filter((name) => isLogPart(name) && !kept.has(name)).toSorted()
}

/** Whether anything is in any of these files. One that is empty was begun, and nothing of it was synced: it says nothing of what was before it. */
export function holdsAny(sizes: ReadonlyMap<string, number>, those: readonly LogFile[]): boolean {
  return those.some(({ baseOffset, generation }) => (sizes.get(logFileName(baseOffset, generation)) ?? 0) > 0)
}

/**
 * Whether nothing of a file is above the start of its log: the next one begins there, or the checkpoint has it no more. That is so of the last one, too, when everything was deleted: the log goes on in a new segment then, which has no
 * file yet, and what was not synced of the last one may be lost.
 */
export function isDropped({ logStartOffset, segments }: Checkpoint, file: LogFile, next: LogFile | undefined): boolean {
  const begin = segments[0]?.baseOffset ?? 0
  return (next?.baseOffset ?? Infinity) <= logStartOffset || file.baseOffset < begin
}

/** Whether a file is one of those that the checkpoint speaks of, or was begun later; null if the checkpoint speaks of others, or compaction was never here. */
function listed(all: readonly LogFile[], checkpoint: Checkpoint | null): ((file: LogFile) => boolean) | null {
  if (checkpoint === null) return null
  const { segments, recoveryPoint, cleaning } = checkpoint
  if (cleaning.segments.length === 0 && all.every(({ generation }) => generation === 0)) return null
  const generations = new Map(segments.map(({ baseOffset }) => [baseOffset, 0]))
  for (const { baseOffset, generation } of cleaning.segments) generations.set(baseOffset, generation)
  const isListed = (file: LogFile): boolean => {
    const generation = generations.get(file.baseOffset)
    return generation === undefined ? file.generation === 0 && file.baseOffset >= recoveryPoint : generation === file.generation
  }
  const there = new Set(all.filter(isListed).map(({ baseOffset }) => baseOffset))
  // An empty segment has no file yet.
  const isWhole = segments.every(({ baseOffset, sizeBytes }) => sizeBytes === 0 || baseOffset >= recoveryPoint || there.has(baseOffset))
  return isWhole ? isListed : null
}

/** Of each base offset the latest generation. */
function latest(all: readonly LogFile[]): LogFile[] {
  return all.filter(({ baseOffset }, i) => all[i + 1]?.baseOffset !== baseOffset)
}

/** Whether a file of that name is part of a log, was meant to be, or is being removed. */
function isLogPart(name: string): boolean {
  return /^\d{20}(?:\.\d+)?\.(?:log|index)(?:\.deleted)?$/.test(name) || UNFINISHED.test(name)
}

function generationOf(name: string): number {
  const between = name.slice(21, -4)
  return between === '' ? 0 : Number(between)
}
