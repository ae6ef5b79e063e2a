/**
 * Goes through the records of a batch (uncompressed) without decoding them: where each begins and ends, where its key lies, whether it is a tombstone. For
 * whoever copies records, or looks at their keys; the reader of values is record-batch-reader.ts.
 */
import { VarintReader } from './bytes.ts'

/** The record that it stands at is told by its fields, which the next step overwrites. */
export class RecordCursor {
  readonly bytes: Uint8Array
  readonly #reader: VarintReader
  #remaining: number
  /** Where the record begins, its length included. */
  begin = 0
  /** Where it goes on behind its timestamp. */
  restBegin = 0
  /** One past its last byte. */
  end = 0
  timestampDelta = 0
  offsetDelta = 0
  /** -1: it has no key. */
  keyBegin = -1
  keyEnd = -1
  /** It has no value. */
  isTombstone = false
  /** The bytes are not the records that they should be: what was read of them counts for nothing. */
  failed = false

  /** Before the first of `count` records in `bytes[begin..end)`. */
  constructor(bytes: Uint8Array, begin: number, end: number, count: number) {
    this.bytes = bytes
    this.#reader = new VarintReader(bytes, begin, end)
    this.#remaining = count
  }

  /** Steps to the next record; false behind the last one, or if there is none (`failed`). */
  next(): boolean {
    const reader = this.#reader
    if (this.#remaining === 0) {
      this.failed ||= reader.position !== reader.end
      return false
    }
    this.#remaining--
    this.begin = reader.position
    const length = reader.varint()
    this.end = reader.position + length
    reader.position++ // attributes
    this.timestampDelta = reader.varlong()
    this.restBegin = reader.position
    this.offsetDelta = reader.varint()
    const keyLength = reader.varint()
    this.keyBegin = keyLength < 0 ? -1 : reader.position
    this.keyEnd = reader.position + Math.max(0, keyLength)
    reader.position = this.keyEnd
    this.isTombstone = reader.varint() < 0
    this.failed ||= reader.failed || length < 0 || this.end > reader.end || reader.position > this.end
    reader.position = this.end
    return !this.failed
  }
}
