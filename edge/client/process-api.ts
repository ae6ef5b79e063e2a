/**
 * The public face of `consumer.process`, as types.
 */
import type { Guarantee } from '../../actors/processing.ts'
import type { ConsumerRecord, ProducerOptions, ProducerRecord, RecordMetadata, Waiting } from './api.ts'

export type { Guarantee }

/** Where a handler sends its results. With 'exactly-once' they are part of the transaction. */
export interface Outlet<K = Uint8Array, V = Uint8Array> {
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>
  /** Without a promise: what fails is thrown before the record counts as handled. False asks to await `drained()`. */
  write(record: ProducerRecord<K, V>): boolean
  drained(): Promise<void>
}

/** Handles one record. The next one waits for its promise. */
export type ProcessHandler<K, V, OK, OV> = (record: ConsumerRecord<K, V>, outlet: Outlet<OK, OV>) => void | PromiseLike<unknown>

/** How records are processed; every option has a default. */
export interface ProcessOptions<K, V, OK = Uint8Array, OV = Uint8Array> extends Waiting {
  /** Default 'at-least-once'. */
  readonly guarantee?: Guarantee
  /** How often what was handled is committed; 'at-most-once' commits before each handling. Default 100. 1 … 60,000. */
  readonly commitIntervalMillis?: number
  /** For 'effectively-once': the key of a record; one that was seen before in the partition is left out. */
  readonly deduplicateBy?: (record: ConsumerRecord<K, V>) => string
  /** For 'effectively-once': keys remembered per partition. Default 1,000. 1 … 1,000. */
  readonly rememberedKeys?: number
  /**
   * The producer of the results: its serdes, compression and so on. With 'exactly-once' it has a transactional id; default: one of its own. An id of yours fences who had
   * it before at once; otherwise what a crash left open is aborted after `transactionTimeoutMillis`.
   */
  readonly output?: ProducerOptions<OK, OV>
}
