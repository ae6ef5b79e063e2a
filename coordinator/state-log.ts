/**
 * How a coordinator keeps its state in a partition: it reads the log from the beginning when it starts, and appends from then on.
 * The partition's replica lives on the same host, where messages arrive in order and for certain.
 */
import { replicaActor } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import { CONSUMER_REPLICA } from '../protocol/messages/fetch.ts'
import type { FetchRequest } from '../protocol/messages/fetch.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { ProduceRequest } from '../protocol/messages/produce.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts'
import * as batch from '../protocol/record-batch.ts'
import { walkBatches } from '../protocol/record-batch.ts'
import type { TransactionOf } from '../protocol/messages/transaction.ts'
import { decodeMarker } from '../protocol/control-record.ts'
import { readRecords } from '../protocol/record-batch-reader.ts'
import type { LogRecord } from '../protocol/record-batch.ts'

/** Where the log is, and how far it has been read. */
export interface StateLog {
  readonly replica: Address
  readonly topicId: number
  /** The reign in which it is written: when another one begins, nothing more is. */
  readonly leaderEpoch: number
  nextOffset: number
  loaded: boolean
}

/** A record to append. */
export interface StateRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** In whose transaction something is written. */
export interface TransactionalWriter {
  readonly producerId: number
  readonly producerEpoch: number
  readonly transaction: TransactionOf
}

/** One answer while loading. */
const LOAD_BYTES = 1024 * 1024

/** A new leader's high watermark may be behind: the rest of the log comes when it has caught up. */
const LOAD_WAIT_MILLIS = 50

/** A request is one batch, however large: its partition may refuse it (maxMessageBytes), but never takes half of it. */
const BATCH_BYTES_MAX = 2 ** 31 - 1

/** A log that has not been read yet. */
export function openStateLog(
  node: number,
  topic: string,
  { partition, topicId, leaderEpoch }: { readonly partition: number; readonly topicId: number; readonly leaderEpoch: number },
): StateLog {
  return { replica: { node, actor: replicaActor(topic, partition) }, topicId, leaderEpoch, nextOffset: 0, loaded: false }
}

/** The next request while loading. */
export function loadRequest(log: StateLog, correlationId: number): FetchRequest {
  return {
    kind: 'fetch',
    correlationId,
    topicId: log.topicId,
    leaderEpoch: log.leaderEpoch,
    replicaId: CONSUMER_REPLICA,
    brokerEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset: log.nextOffset,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: LOAD_BYTES,
    maxWaitMillis: LOAD_WAIT_MILLIS,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
  }
}

/** A batch while loading. */
export interface LoadedBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly isTransactional: boolean
  /** What a control batch says of the transaction of its producer; null for all others. */
  readonly marker: 'commit' | 'abort' | null
  /** None of a control batch. */
  readonly records: readonly LogRecord[]
}

/**
 * Hands over the batches of an answer, one by one, so that there is never more than one of them decoded; false if the partition cannot be read yet. Sets `loaded`
 * when everything that was there at the beginning of this reign is read.
 */
export function takeLoadedBatches(log: StateLog, response: MessageOf<'fetchResponse'>, take: (loaded: LoadedBatch) => void): boolean {
  if (response.errorCode === codeOf('OFFSET_OUT_OF_RANGE')) {
    log.nextOffset = response.logStartOffset
    return true
  }
  if (response.errorCode !== NONE) return false
  const bytes = response.records ?? new Uint8Array(0)
  for (const { at } of walkBatches(bytes)) {
    if (batch.lastOffset(bytes, at) < log.nextOffset) continue
    const loaded = loadedBatch(bytes, at, log.nextOffset)
    take(loaded)
    log.nextOffset = batch.lastOffset(bytes, at) + 1
  }
  log.loaded = log.nextOffset >= Math.max(response.highWatermark, response.epochStartOffset)
  return true
}

/** As `takeLoadedBatches`, for a log without transactions: the records alone, all at once; null if the partition cannot be read yet. */
export function takeLoaded(log: StateLog, response: MessageOf<'fetchResponse'>): LogRecord[] | null {
  const batches: (readonly LogRecord[])[] = []
  return takeLoadedBatches(log, response, ({ records }) => batches.push(records)) ? batches.flat() : null
}

function loadedBatch(bytes: Uint8Array, at: number, fromOffset: number): LoadedBatch {
  const isControl = batch.isControl(bytes, at)
  const records = [...readRecords(bytes, at)].filter(({ offset }) => offset >= fromOffset)
  const [first] = records
  const marker = isControl && first !== undefined ? decodeMarker(first.key, first.value) : null
  return {
    producerId: batch.producerId(bytes, at),
    producerEpoch: batch.producerEpoch(bytes, at),
    isTransactional: batch.isTransactional(bytes, at),
    marker: marker === null ? null : marker.committed ? 'commit' : 'abort',
    records: isControl ? [] : records,
  }
}

/** A request that appends the records as one batch; in the transaction of somebody else, if it is his. */
export function appendRequest(
  log: StateLog,
  correlationId: number,
  records: readonly StateRecord[],
  now: number,
  writer: TransactionalWriter | null = null,
): ProduceRequest {
  const builder = new RecordBatchBuilder(BATCH_BYTES_MAX)
  for (const { key, value } of records) builder.append(now, key, value, undefined)
  const { producerId, producerEpoch, transaction } = writer ?? { producerId: -1, producerEpoch: -1, transaction: null }
  const bytes = builder.finish({ producerId, producerEpoch, baseSequence: -1, transactional: transaction !== null })
  return {
    kind: 'produce',
    correlationId,
    topicId: log.topicId,
    leaderEpoch: log.leaderEpoch,
    acks: 'quorum',
    transaction,
    isFirst: false,
    records: bytes.slice(),
  }
}
