/**
 * One partition as the public consumer sees it: the batches that have arrived, and how far the application is.
 */
import { assert } from '../../protocol/assert.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { FetchAgain, FetchMore } from '../../protocol/messages/client.ts'
import * as header from '../../protocol/record-batch.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import { RecordBatchView } from '../../protocol/record-batch-reader.ts'
import type { RecordReader } from '../../protocol/record-batch-reader.ts'
import { nextSession } from '../../protocol/session.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import { AbortedBatches } from './aborted-batches.ts'
import type { Chunk, RestRange } from './chunk-reader.ts'

/** A batch that is being delivered, in the chunk that it came with. */
export interface DeliveredBatch {
  readonly chunk: Chunk
  readonly view: RecordBatchView
}

/** A partition that a consumer is assigned. */
export class ConsumedPartition {
  readonly topic: string
  readonly partition: number
  readonly name: string
  session = 1
  /** The next record to deliver; undefined until the beginning is found. */
  position: number | undefined = undefined
  /** Everything below it is committed, or was when the partition began. */
  saved = -1
  /** Where what was delivered last ends; what was passed over since counts as nothing. -1: nothing was delivered from here on. */
  delivered = -1
  /** Everything below it is processed: the application has asked for more. */
  processed = -1
  /** As the actor knows it. */
  reported = -1
  /** Where the chunk after the last one begins; -1 if there is none or it has been asked for. */
  fetchEnd = -1
  /** What can be read next without asking; where it is. */
  rest: RestRange | null = null
  restNode = 0
  /** What is left out of its chunks. */
  readonly aborted: AbortedBatches = new AbortedBatches()
  /** How what comes next was found damaged in the leader's file: the leader is to read it. */
  doubt: KafkaError | null = null
  /** It cannot go on until the application seeks: said at every question for more. */
  error: KafkaError | null = null
  /** Chunks used up so far: partitions take turns by chunk. */
  finishedChunks = 0
  paused = false
  /** The application is to let go of it; nothing more is delivered. */
  revoking = false
  /** The application itself has given it up, by unsubscribing or by its silence. */
  isGivenUp = false
  /** It goes because the application did not ask for records in time. */
  isForfeit = false
  readonly #chunks: Chunk[] = []
  /** The next batch of the first chunk. */
  #batchIndex = 0
  /** The records of the batch that is being delivered one by one. */
  #records: RecordReader | null = null
  #recordsChunk: Chunk | null = null
  /** Where the file was not there when it was to be read last; -1: something was read since. */
  #missedAt = -1

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
    this.name = topicPartitionName(topic, partition)
  }

  /** Chunks that wait, the one under way included. */
  get chunkCount(): number {
    return this.#chunks.length
  }

  /** Whether something can be delivered now. */
  get hasData(): boolean {
    return !this.paused && !this.revoking && (this.#chunks.length > 0 || this.rest !== null)
  }

  /** What its actor is asked for the chunk that begins there. What was found damaged the leader is to read itself, in a session of its own. */
  questionAt(offset: number): FetchMore | FetchAgain {
    if (this.doubt !== null) this.session = nextSession(this.session, 'doubt')
    const { topic, partition, session, doubt } = this
    return { kind: doubt === null ? 'fetchMore' : 'fetchAgain', topic, partition, session, offset }
  }

  /** The application gives it up itself; or (forfeit) it was silent for too long. */
  giveUp(isForfeit: boolean): void {
    this.isForfeit = isForfeit
    this.isGivenUp = true
    this.revoking = true
    this.clear()
  }

  /** It is to go. The actor knows, and may have passed over a seek: it hears where the application is. */
  onRevoking(): void {
    this.revoking = true
    this.reported = -1
    this.clear()
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk)
  }

  /** Forgets what has arrived: the position changes, or the partition goes. */
  clear(): void {
    this.#chunks.length = 0
    this.fetchEnd = -1
    this.rest = null
    this.aborted.clear()
    this.doubt = null
    this.error = null
    this.#batchIndex = 0
    this.#records = null
    this.#missedAt = -1
  }

  /** Takes what was read at `offset`; null: the file went while we looked. `fetchEnd` says where to go on, or `error` why that cannot be. */
  take(chunk: Chunk | null, node: number, offset: number): void {
    this.fetchEnd = offset
    if (chunk === null) return this.#onMissed(offset)
    this.#missedAt = -1
    const last = chunk.positions.at(-1)
    if (last !== undefined) {
      this.push(chunk)
      this.fetchEnd = header.lastOffset(chunk.bytes, last.at) + 1
      this.rest = chunk.rest
      this.restNode = node
    } else if (chunk.isUnchecked) this.doubtFrom(offset, damagedBatch(this, offset, chunk.defect))
    else if (chunk.bytes.length > 0) this.error = damagedBatch(this, offset, chunk.defect)
  }

  /** Whoever asks again learns where the log begins now; if it is still there, the leader does not know that its file is gone. */
  #onMissed(offset: number): void {
    if (this.#missedAt === offset)
      this.doubtFrom(offset, new KafkaError('KAFKA_STORAGE_ERROR', `the file with offset ${offset} of ${this.name} is gone`))
    this.#missedAt = offset
  }

  /** What was read at `offset` is damaged, and the leader does not know: it is fetched again, and all that follows. */
  doubtFrom(offset: number, error: KafkaError): void {
    this.rest = null
    this.fetchEnd = offset
    this.doubt = error
  }

  /** The next whole batch that holds something at or after the position; null when the chunks are used up, or what is left is to be fetched again. Moves the position over what nobody is given: markers, and what is aborted. */
  nextBatch(): DeliveredBatch | null {
    // Records of a batch that is not used up are part of the next batch: it begins at the position.
    if (this.#records !== null) this.stepBack()
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      const found = chunk.positions[this.#batchIndex++]
      if (found === undefined) {
        this.#skipEnd(chunk)
        this.#chunks.shift()?.release()
        this.#batchIndex = 0
        this.finishedChunks++
        continue
      }
      // It was decoded, and is used up.
      if (header.lastOffset(chunk.bytes, found.at) < (this.position ?? 0)) continue
      const next = { chunk, view: new RecordBatchView(chunk.bytes, found.at, nodeCompressor) }
      if (!header.isControl(chunk.bytes, found.at) && !this.aborted.has(chunk.bytes, found.at) && next.view.count > 0) return next
      // Nobody will decode it, and find out that it should not have been skipped.
      if (!this.#isSound(next)) return null
      this.position = next.view.lastOffset + 1
    }
    return null
  }

  /** What compaction has left empty at the end of a chunk is done with. */
  #skipEnd({ bytes, positions }: Chunk): void {
    const last = positions.at(-1)
    if (last !== undefined && this.position !== undefined) this.position = Math.max(this.position, header.lastOffset(bytes, last.at) + 1)
  }

  /**
   * The next record, lent until the one after it is asked for; null when the chunks are used up, or what is left is to be fetched again. Moves the position. `keepsViews`: the application keeps views of its bytes.
   * Throws CORRUPT_MESSAGE, again and again.
   */
  nextRecord(keepsViews: boolean): LogRecord | null {
    for (;;) {
      if (this.#records === null) {
        const next = this.nextBatch()
        if (next === null || !this.#isSound(next)) return null
        this.#records = this.#recordsOf(next, keepsViews)
      }
      const record = this.#records
      if (!record.next()) this.#records = null
      else if (record.offset >= (this.position ?? 0)) {
        this.position = record.offset + 1
        if (record.headers.length > 0 && this.#recordsChunk !== null) this.#recordsChunk.escaped = true
        return record
      }
    }
  }

  /** The batch that was taken last is taken again, from the position on. */
  stepBack(): void {
    this.#records = null
    this.#batchIndex--
  }

  #recordsOf({ chunk, view }: DeliveredBatch, keepsViews: boolean): RecordReader {
    try {
      this.#recordsChunk = chunk
      const { bytes, at, sizeBytes } = view
      if (!keepsViews || chunk.escaped) return view.reader()
      // The views are of a copy: the chunk can be written again, and who keeps one record keeps no more than its batch.
      this.#recordsChunk = null
      return new RecordBatchView(bytes.slice(at, at + sizeBytes), 0, nodeCompressor).reader()
    } catch (error) {
      this.stepBack()
      throw error
    }
  }

  /** Whether the CRC of the batch that was taken last is right; if not, it is fetched again. Throws CORRUPT_MESSAGE if the leader has looked already. */
  #isSound({ chunk, view }: DeliveredBatch): boolean {
    const error = this.#defectOf(view)
    if (error === null) return true
    if (!chunk.isUnchecked) {
      this.stepBack()
      throw error
    }
    this.#fetchAgain(error)
    return false
  }

  /**
   * Throws CORRUPT_MESSAGE, which names the offset, unless the CRC of a batch that the application has is right. The newest one comes again then, from
   * `begin` on: nothing of it was read.
   */
  check({ chunk, view }: DeliveredBatch, begin: number): RecordBatchView {
    const error = this.#defectOf(view)
    if (error === null) return view
    if (chunk.isUnchecked && this.#chunks[0] === chunk && this.position === view.lastOffset + 1) {
      this.position = begin
      this.delivered = Math.min(this.delivered, begin)
      this.#fetchAgain(error)
    }
    throw error
  }

  #defectOf({ bytes, at, sizeBytes, baseOffset }: RecordBatchView): KafkaError | null {
    const verdict = header.checkBatch(bytes, at, sizeBytes, 'sparse')
    return verdict.ok ? null : damagedBatch(this, baseOffset, verdict.reason)
  }

  #fetchAgain(error: KafkaError): void {
    assert(this.position !== undefined, 'a batch is delivered from a known position')
    this.clear()
    this.doubtFrom(this.position, error)
  }
}

/** What whoever wants to read it is told. */
export function damagedBatch({ name }: ConsumedPartition, offset: number, reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `the batch at offset ${offset} of ${name} is damaged (${reason}); seek behind it to go on`)
}
