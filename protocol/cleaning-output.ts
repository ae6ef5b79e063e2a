/**
 * The files that a cleaning writes: which input goes into which, what lies where in each, and that emptied batches which follow each other become one.
 */
import * as header from './record-batch.ts'
import { emptyBatch } from './batch-rewrite.ts'
import type { EmptyBatch } from './batch-rewrite.ts'
import type { BatchIndex, CleanedSegment, CleaningInput, CleaningOrder } from './cleaning.ts'

/** Where a batch lies that was read. */
export interface SourceBatch {
  readonly bytes: Uint8Array
  readonly at: number
  readonly sizeBytes: number
}

/** Where the bytes go. */
export interface OutputFiles {
  write(file: string, bytes: Uint8Array): void
  drop(file: string): void
}

interface OpenSegment {
  readonly file: string
  readonly baseOffset: number
  readonly index: BatchIndex
  inputs: number
  endOffset: number
  sizeBytes: number
  maxTimestamp: number
  indexedPosition: number
  /** Something in it is not as it was. */
  isChanged: boolean
}

/** An offset delta is an i32. */
const OFFSET_DELTA_MAX = 2 ** 31 - 1

/** The outputs of one cleaning. Every input goes into one of them whole, so that any mixture of inputs and outputs is a log. */
export class CleaningOutput {
  readonly #files: OutputFiles
  readonly #order: CleaningOrder
  readonly #finished: CleanedSegment[] = []
  #open: OpenSegment | null = null
  /** Emptied batches that follow each other, not written yet. */
  #emptied: EmptyBatch | null = null
  #emptiedIsNew = false

  constructor(files: OutputFiles, order: CleaningOrder) {
    this.#files = files
    this.#order = order
  }

  /** What comes next is of this input: it goes into the file at hand, if that does not become too large. */
  begin(input: CleaningInput): void {
    const open = this.#open
    const { segmentBytes } = this.#order
    if (open !== null && open.sizeBytes + header.BATCH_HEADER_BYTES + input.sizeBytes <= segmentBytes && fits(open, input)) {
      open.inputs++
      open.isChanged = true
      open.endOffset = input.endOffset
      return
    }
    this.#close()
    this.#open = {
      file: input.outputFile,
      baseOffset: input.baseOffset,
      index: { offsets: [], positions: [], timestamps: [] },
      inputs: 1,
      endOffset: input.endOffset,
      sizeBytes: 0,
      maxTimestamp: -1,
      indexedPosition: 0,
      isChanged: false,
    }
  }

  /** A batch stays as it is. */
  copy({ bytes, at, sizeBytes }: SourceBatch): void {
    this.#writeEmptied()
    this.#write(bytes.subarray(at, at + sizeBytes))
  }

  /** A batch takes the place of the one that was read. */
  put(batch: Uint8Array): void {
    this.#writeEmptied()
    this.#write(batch)
    if (this.#open !== null) this.#open.isChanged = true
  }

  /** Nothing of the batch stays but its offsets. */
  empty({ bytes, at }: SourceBatch): void {
    const baseOffset = header.baseOffset(bytes, at)
    const lastOffset = header.lastOffset(bytes, at)
    const leaderEpoch = header.leaderEpoch(bytes, at)
    const maxTimestamp = header.maxTimestamp(bytes, at)
    const isNew = header.recordCount(bytes, at) > 0 || header.producerId(bytes, at) >= 0
    const before = this.#emptied
    // A batch of another leader stays apart: where an epoch begins is read from the batches.
    if (before !== null && before.leaderEpoch === leaderEpoch && lastOffset - before.baseOffset <= OFFSET_DELTA_MAX) {
      this.#emptied = { ...before, lastOffset, maxTimestamp: Math.max(before.maxTimestamp, maxTimestamp) }
      this.#emptiedIsNew = true
      return
    }
    this.#writeEmptied()
    this.#emptied = { baseOffset, lastOffset, leaderEpoch, maxTimestamp }
    this.#emptiedIsNew = isNew
  }

  /** There is no more input: the segments that take the place of others. */
  finish(): CleanedSegment[] {
    this.#close()
    return this.#finished
  }

  #close(): void {
    this.#writeEmptied()
    const open = this.#open
    this.#open = null
    if (open === null) return
    if (!open.isChanged) return this.#files.drop(open.file)
    const { file, baseOffset, endOffset, sizeBytes, maxTimestamp, index } = open
    this.#finished.push({ file, baseOffset, endOffset, sizeBytes, maxTimestamp, index })
  }

  #writeEmptied(): void {
    const one = this.#emptied
    this.#emptied = null
    if (one === null) return
    this.#write(emptyBatch(one))
    if (this.#emptiedIsNew && this.#open !== null) this.#open.isChanged = true
  }

  #write(batch: Uint8Array): void {
    const open = this.#open
    if (open === null) return
    const position = open.sizeBytes
    open.maxTimestamp = Math.max(open.maxTimestamp, header.maxTimestamp(batch, 0))
    if (position === 0 || position - open.indexedPosition >= this.#order.indexIntervalBytes) {
      open.index.offsets.push(header.baseOffset(batch, 0))
      open.index.positions.push(position)
      open.index.timestamps.push(open.maxTimestamp)
      open.indexedPosition = position
    }
    open.sizeBytes += batch.length
    this.#files.write(open.file, batch)
  }
}

/** Offsets in an index are relative, u32. */
function fits({ baseOffset }: OpenSegment, { endOffset }: CleaningInput): boolean {
  return endOffset - baseOffset <= OFFSET_DELTA_MAX
}
