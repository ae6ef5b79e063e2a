// A directory in memory, a leader that fills it with real batches, and a recovery that is led through it answer by answer.

import { expect } from 'vitest'
import { checkpointFile, encodeCheckpoint } from '../../partitions/checkpoint.ts'
import { NOT_CLEANED } from '../../partitions/checkpoint-cleaning.ts'
import { copyStates, rememberBatch } from '../../partitions/idempotence.ts'
import type { ProducerStates } from '../../partitions/idempotence.ts'
import { activeSegment, appendBatch, emptyLog, indexFileName, logFileName, mustRoll, roll } from '../../partitions/log.ts'
import type { Log } from '../../partitions/log.ts'
import { numberedBatch } from '../../partitions/numbered-batch.ts'
import { noTransactions } from '../../partitions/transactions.ts'
import { advanceRecovery, beginRecovery } from '../../partitions/recovery.ts'
import type { Recovered } from '../../partitions/recovered.ts'
import type { RecoveryAnswer, RecoveryDemand } from '../../partitions/recovery-demand.ts'
import { encodeIndex } from '../../partitions/segment-index.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'
import * as batch from '../../protocol/record-batch.ts'
import { batchAt, concat, configOf } from './support.ts'
import type { BatchOptions } from './support.ts'

/** Files by name. */
export type Directory = Map<string, Uint8Array>

/** More demands than any of these logs needs: a recovery that never ends fails here. */
const DEMANDS_MAX = 1000

/** Small segments, so that few batches make several. */
export const smallSegments: TopicConfig = configOf({ segmentBytes: 600, indexIntervalBytes: 200 })

/** A leader that writes what it appends into a directory. */
export interface Leader {
  readonly directory: Directory
  readonly log: Log
  readonly producers: ProducerStates
  /** One past the last offset of each batch, ascending. */
  readonly ends: number[]
  sequence: number
}

/** A leader of an empty directory. */
export function newLeader(startOffset = 0): Leader {
  return { directory: new Map(), log: emptyLog(startOffset), producers: new Map(), ends: [], sequence: 0 }
}

/** Appends a batch, rolls before if it must, and writes the index of what it closed. */
export function append(leader: Leader, count: number, options: BatchOptions = {}): void {
  const { log, directory } = leader
  const bytes = batchAt(log.logEndOffset, count, options)
  if (mustRoll(log, smallSegments, bytes.length, 0)) writeIndex(directory, roll(log, 0))
  const extent = { count, sizeBytes: bytes.length, maxTimestamp: options.timestamp ?? 1000 }
  const { segment, baseOffset } = appendBatch(log, smallSegments, extent, 0)
  const file = logFileName(segment.baseOffset)
  directory.set(file, concat(directory.get(file) ?? new Uint8Array(0), bytes))
  const numbered = numberedBatch(bytes, 0, baseOffset)
  if (numbered !== null) rememberBatch(leader.producers, numbered)
  leader.ends.push(log.logEndOffset)
}

/** Five batches of two records in segments of three and two batches: `0:… 6:…`. */
export function fiveBatches(): Leader {
  const leader = newLeader()
  for (let i = 0; i < 5; i++)
    append(leader, 2, { producerId: 7, producerEpoch: 0, baseSequence: 2 * i, timestamp: 1000 + i, valueBytes: 50 })
  return leader
}

/** Writes a checkpoint that vouches for everything there is; a clean one writes the index of the active segment, too. */
export function checkpoint(leader: Leader, clean = false): void {
  const { log, directory } = leader
  const { segments, logStartOffset, logEndOffset: recoveryPoint } = log
  const sequence = ++leader.sequence
  if (clean) writeIndex(directory, activeSegment(log))
  directory.set(
    checkpointFile(sequence),
    encodeCheckpoint({
      sequence,
      clean,
      recoveryPoint,
      logStartOffset,
      segments,
      producers: copyStates(leader.producers),
      epochs: [],
      cleaning: NOT_CLEANED,
      transactions: noTransactions(),
    }),
  )
}

function writeIndex(directory: Directory, { index, baseOffset }: Log['segments'][number]): void {
  if (index !== null) directory.set(indexFileName(baseOffset), encodeIndex(index, baseOffset))
}

/** Cuts, changes or removes one file. */
export function damage(directory: Directory, file: string, change: (bytes: Uint8Array) => Uint8Array | null): void {
  const bytes = change((directory.get(file) ?? new Uint8Array(0)).slice())
  if (bytes === null) directory.delete(file)
  else directory.set(file, bytes)
}

/** What recovery asked for, one short line each, and how it ended. */
export interface Run {
  readonly demands: string[]
  readonly outcome: Extract<RecoveryDemand, { kind: 'done' | 'failed' }>
}

/** Leads a recovery through the directory, which it may cut and clean; what is doubtful is told, and then cut. */
export function run(directory: Directory): Run {
  let recovery = beginRecovery(smallSegments.indexIntervalBytes)
  const demands: string[] = []
  let answer: RecoveryAnswer | null = null
  while (demands.length < DEMANDS_MAX) {
    const demand = advanceRecovery(recovery, answer)
    if (demand.kind === 'doubtful') {
      demands.push('doubtful')
      recovery = beginRecovery(smallSegments.indexIntervalBytes, Infinity, -Infinity)
      answer = null
      continue
    }
    if (demand.kind === 'done' || demand.kind === 'failed') return { demands, outcome: demand }
    demands.push(describe(demand))
    answer = perform(directory, demand)
  }
  throw new Error('recovery does not end')
}

/** Recovers, and expects that it succeeds. */
export function recover(directory: Directory): Recovered {
  const { outcome } = run(directory)
  if (outcome.kind === 'failed') throw new Error(outcome.reason)
  return outcome.recovered
}

/** What the producers had written when the log ended: as of the recovery point, and what is in the batches above it. */
export function producersOf({ producers, tail }: Recovered): ProducerStates {
  const states = copyStates(producers)
  for (const { numbered } of tail) if (numbered !== null) rememberBatch(states, numbered)
  return states
}

/** Recovers, and expects that it refuses; the reason. */
export function refusal(directory: Directory): string {
  const { outcome } = run(directory)
  return outcome.kind === 'failed' ? outcome.reason : `recovered up to ${outcome.recovered.log.logEndOffset}`
}

/** A copy whose files may be damaged without harm to the original. */
export function copyOf(directory: Directory): Directory {
  return new Map([...directory].map(([name, bytes]) => [name, bytes.slice()]))
}

/** Expects that log and files say the same: whole sound batches, contiguous offsets, sizes, indexes, no stray segment. */
export function expectConsistent(directory: Directory, { log }: Recovered): void {
  let expected = log.segments[0]?.baseOffset ?? log.logStartOffset
  for (const segment of log.segments) {
    expect(segment.baseOffset).toBe(expected)
    const bytes = directory.get(logFileName(segment.baseOffset)) ?? new Uint8Array(0)
    expect(bytes.length).toBe(segment.sizeBytes)
    const positions = new Map<number, number>()
    for (let at = 0; at < bytes.length; at += batch.batchSizeBytes(bytes, at)) {
      expect(batch.checkBatch(bytes, at, bytes.length - at).ok && batch.baseOffset(bytes, at)).toBe(expected)
      positions.set(at, expected)
      expected = batch.lastOffset(bytes, at) + 1
    }
    segment.index?.positions.forEach((position, i) => expect(positions.get(position)).toBe(segment.index?.offsets[i]))
  }
  expect(log.logEndOffset).toBe(expected)
  expect(activeSegment(log).index).not.toBeNull()
  const bases = new Set(log.segments.map(({ baseOffset }) => logFileName(baseOffset)))
  expect([...directory.keys()].filter((name) => name.endsWith('.log') && !bases.has(name))).toEqual([])
}

/** Something that the disk can do. */
type Demand = Exclude<RecoveryDemand, { kind: 'done' | 'doubtful' | 'failed' }>

function perform(directory: Directory, demand: Demand): RecoveryAnswer {
  switch (demand.kind) {
    case 'list': {
      const files = [...directory].map(([name, { length }]) => ({ name, sizeBytes: length }))
      return { kind: 'listed', files: files.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }
    }
    case 'read':
      return { kind: 'read', bytes: directory.get(demand.file)!.slice(demand.position, demand.position + demand.sizeBytes) }
    case 'truncate':
      damage(directory, demand.file, (bytes) => bytes.slice(0, demand.sizeBytes))
      return { kind: 'changed' }
    case 'remove':
      for (const file of demand.files) directory.delete(file)
      return { kind: 'changed' }
  }
}

function describe(demand: RecoveryDemand): string {
  if (demand.kind === 'read') return `read ${shortName(demand.file)}`
  if (demand.kind === 'truncate') return `truncate ${shortName(demand.file)} to ${demand.sizeBytes}`
  return demand.kind === 'remove' ? `remove ${demand.files.map(shortName).join(' ')}` : demand.kind
}

/** `00000000000000000042.log` as `42.log`. */
function shortName(file: string): string {
  return file.replace(/^0{1,19}/, '')
}
