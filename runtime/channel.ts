/**
 * Carries messages from one thread to another, in order and at most once: a codec, a ring, and the doorbell of the other
 * side. A record of the ring is a frame of the codec or, if the frame exceeds a quarter of the ring, a piece of one:
 *
 *     frame:  | size of the values (u32), never 0xFFFFFFFF | ... codec.ts |
 *     piece:  | 0xFFFFFFFF (u32) | size of the frame (u32) | where the piece belongs (u32) | 0 (u32) | bytes |
 *
 * What the ring does not take is copied, waits in order, and goes out with a later `flush()`. Only when the other side
 * has stood still for so long that `OVERFLOW_BYTES_MAX` wait here are messages dropped, and counted. It does NOT run
 * anything: hosts call `flush` and `drain` once per cycle and ask `hasWork` before they sleep.
 */
import type { Address } from '../actors/actor.ts'
import { assert } from '../protocol/assert.ts'
import type { Message } from '../protocol/messages/message.ts'
import { Codec, type Envelope } from './codec.ts'
import type { Doorbell } from './doorbell.ts'
import { type OnRecord, RingReader, RingWriter } from './ring-buffer.ts'

/** Most bytes that wait in front of one full ring. The data plane works by credit, so it means that the reader hangs. */
export const OVERFLOW_BYTES_MAX: number = 2 ** 28

/** The largest frame: twice the largest batch (BATCH_BYTES_MAX), and it bounds what one piece may make the reader allocate. */
const FRAME_BYTES_MAX: number = 2 ** 27

const PIECE_MARK = 0xffffffff
/** A multiple of 8, like the size of a piece, so that pieces are copied by words (ring-layout.ts). */
const PIECE_HEADER_SIZE = 16

/** The sending end; one per ordered pair of threads. */
export class ChannelWriter {
  /** Messages that were given up because too much waited already. */
  droppedMessages = 0
  readonly #ring: RingWriter
  readonly #bell: Doorbell
  readonly #codec: Codec
  readonly #pieceHeader: Uint8Array = new Uint8Array(PIECE_HEADER_SIZE)
  readonly #pieceView: DataView = new DataView(this.#pieceHeader.buffer)
  readonly #overflowBytesMax: number
  /** Frames that wait, oldest first, in `[#firstIndex..)`. */
  #waiting: Uint8Array[] = []
  #firstIndex = 0
  #waitingBytes = 0
  /** How much of the first waiting frame is in the ring already. */
  #sentBytes = 0

  /** Writes to `ring` and rings `bell`, the reader's. A thread's channels may share one codec. */
  constructor(ring: SharedArrayBuffer, bell: Doorbell, codec: Codec = new Codec(), overflowBytesMax: number = OVERFLOW_BYTES_MAX) {
    this.#ring = new RingWriter(ring)
    this.#bell = bell
    this.#codec = codec
    this.#overflowBytesMax = overflowBytesMax
  }

  /** True while messages wait for room in the ring: whoever can should produce less. */
  get congested(): boolean {
    return this.#firstIndex < this.#waiting.length
  }

  /** Bytes that wait for room in the ring. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** How often the ring was full. */
  get failedWrites(): number {
    return this.#ring.failedWrites
  }

  /** Encodes a message now; the other side sees it after `flush()` at the latest. Throws CodecError if it is not plain data. */
  send(to: Address, from: Address, message: Message): void {
    const codec = this.#codec
    codec.encode(to, from, message)
    const { header, headerSize, payload } = codec
    const size = headerSize + (payload?.length ?? 0)
    const isWhole = size <= this.#ring.maxRecordBytes
    if (!this.congested && isWhole && this.#ring.tryWrite(header, headerSize, payload)) return
    this.#enqueue(header, headerSize, payload)
  }

  /** Publishes what was sent, wakes the reader if it sleeps, and moves what waits into the ring as far as there is room. */
  flush(): void {
    if (this.congested) this.#pump()
    if (this.#ring.publish()) this.#bell.ring()
  }

  /** True when `flush` would make progress with what waits; a reason not to sleep. */
  hasWork(): boolean {
    return this.congested && this.#ring.hasRoom()
  }

  #enqueue(header: Uint8Array, headerSize: number, payload: Uint8Array | null): void {
    const frame = new Uint8Array(headerSize + (payload?.length ?? 0))
    assert(frame.length <= FRAME_BYTES_MAX, `a message of ${frame.length} bytes is too large`)
    if (this.#waitingBytes + frame.length > this.#overflowBytesMax) {
      this.droppedMessages++
      return
    }
    frame.set(header.subarray(0, headerSize))
    if (payload !== null) frame.set(payload, headerSize)
    const wasCongested = this.congested
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
    if (!wasCongested) this.flush()
  }

  #pump(): void {
    for (let frame = this.#waiting[this.#firstIndex]; frame !== undefined; frame = this.#waiting[this.#firstIndex]) {
      if (!this.#write(frame)) break
      this.#waitingBytes -= frame.length
      this.#sentBytes = 0
      this.#firstIndex++
    }
    if (this.#firstIndex * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#firstIndex)
    this.#firstIndex = 0
  }

  /** Writes what is left of a frame; false when the ring is full before its end. */
  #write(frame: Uint8Array): boolean {
    if (frame.length <= this.#ring.maxRecordBytes) return this.#ring.tryWrite(frame, frame.length, null)
    const pieceSize = this.#ring.maxRecordBytes - PIECE_HEADER_SIZE
    this.#pieceView.setUint32(0, PIECE_MARK, true)
    this.#pieceView.setUint32(4, frame.length, true)
    while (this.#sentBytes < frame.length) {
      this.#pieceView.setUint32(8, this.#sentBytes, true)
      const piece = frame.subarray(this.#sentBytes, this.#sentBytes + pieceSize)
      if (!this.#ring.tryWrite(this.#pieceHeader, PIECE_HEADER_SIZE, piece)) return false
      this.#sentBytes += piece.length
    }
    return true
  }
}

/** The receiving end; one per ordered pair of threads. */
export class ChannelReader {
  readonly #ring: RingReader
  readonly #bell: Doorbell
  readonly #codec: Codec
  readonly #onRecord: OnRecord
  #onEnvelope: (envelope: Envelope) => void = ignore
  /** The frame whose pieces arrive, and how much of it is here. */
  #assembly: Uint8Array | null = null
  #assembledBytes = 0

  /** Reads from `ring` and rings `bell`, the writer's, when there is room again. A thread's channels may share one codec. */
  constructor(ring: SharedArrayBuffer, bell: Doorbell, codec: Codec = new Codec()) {
    this.#ring = new RingReader(ring)
    this.#bell = bell
    this.#codec = codec
    this.#onRecord = (bytes, start, end) => this.#receive(bytes, start, end)
  }

  /**
   * Hands over what has arrived, oldest first, from up to `limit` records; returns how many records those were (pieces
   * count). `message.records` is the ring's memory and the caller's until `release()`. Throws CodecError for a broken frame.
   */
  drain(limit: number, onEnvelope: (envelope: Envelope) => void): number {
    this.#onEnvelope = onEnvelope
    return this.#ring.drain(limit, this.#onRecord)
  }

  /** Gives the memory of all drained messages back; call it when their effects are done. */
  release(): void {
    if (this.#ring.release()) this.#bell.ring()
  }

  /** True when `drain` would find something; a reason not to sleep. */
  hasWork(): boolean {
    return this.#ring.hasRecords()
  }

  #receive(bytes: Uint8Array, start: number, end: number): void {
    if (readU32(bytes, start) !== PIECE_MARK) {
      this.#onEnvelope(this.#codec.decode(bytes, start, end))
      return
    }
    const frame = this.#assemble(bytes, start, end)
    if (frame !== null) this.#onEnvelope(this.#codec.decode(frame, 0, frame.length))
  }

  /** Puts a piece in its place; the frame if that was the last one. */
  #assemble(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
    const frameSize = readU32(bytes, start + 4)
    const begin = readU32(bytes, start + 8)
    assert(frameSize <= FRAME_BYTES_MAX, 'a frame is not larger than FRAME_BYTES_MAX')
    if (begin === 0) {
      this.#assembly = new Uint8Array(frameSize)
      this.#assembledBytes = 0
    }
    const frame = this.#assembly
    assert(frame !== null && frame.length === frameSize && begin === this.#assembledBytes, 'pieces arrive in order')
    frame.set(bytes.subarray(start + PIECE_HEADER_SIZE, end), begin)
    this.#assembledBytes += end - start - PIECE_HEADER_SIZE
    if (this.#assembledBytes < frameSize) return null
    this.#assembly = null
    return frame
  }
}

function ignore(): void {
  // Before the first `drain` there is nobody to hand an envelope to.
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
