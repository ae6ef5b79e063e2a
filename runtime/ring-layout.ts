/**
 * The bytes of a single-producer, single-consumer ring in shared memory. Head and tail live 128 bytes apart, because
 * processors fetch cache lines in pairs and the two threads must not fight over one. What it does NOT do: the
 * algorithm, which is in ring-buffer.ts.
 *
 *     byte 0          128             256             384                                          384 + capacity
 *     | head (i32)    | tail (i32)    | starved (i32) | data: a power of two of bytes ...            |
 *     | reader stores | writer stores | both store    | records, each at a multiple of 8             |
 *
 *     record:   | length (u32) | unused (u32) | payload: length bytes | 0..7 bytes up to the next multiple of 8 |
 *     padding:  | 0xFFFFFFFF   | anything, up to the end of the data region (a record never wraps) |
 *
 * Head and tail count bytes ever released and ever published, modulo 2^32. They are compared by `(tail - head) | 0`
 * and become an index by masking, so they may pass 2^31 and 2^32. The unused word makes payloads begin at multiples of 8:
 * V8 copies to shared memory by words if source and target are aligned alike (25 GB/s), or else by bytes (3.5 GB/s). `starved` is 1 while a writer found no room.
 */

/** Where the head counter is, as an index into an Int32Array over the whole ring. */
export const HEAD_INDEX = 0

/** Where the tail counter is, as an index into an Int32Array over the whole ring. */
export const TAIL_INDEX = 32

/** Where the starved flag is, as an index into an Int32Array over the whole ring. */
export const STARVED_INDEX = 64

/** Bytes before the data region. */
export const DATA_BEGIN = 384

/** Bytes in front of every payload. */
export const RECORD_HEADER_SIZE = 8

/** Every record begins at a multiple of this many bytes, so a length never straddles the end of the data region. */
const RECORD_ALIGNMENT = 8

/** The length (as i32) that says: skip to the end of the data region. */
export const PADDING_LENGTH = -1

/** A record, with its length, takes at most this share of the ring, so that several fit whatever the padding. */
export const RECORDS_PER_RING_MIN = 4

/** Smallest data region: below it a quarter would not hold a fragment with its header. */
const CAPACITY_BYTES_MIN = 256

/** Largest data region: half the range of a 32-bit counter would be the theoretical limit. */
const CAPACITY_BYTES_MAX: number = 2 ** 30

/** Makes an empty ring whose data region holds `capacityBytes`, a power of two between 256 B and 1 GiB. */
export function allocateRing(capacityBytes: number): SharedArrayBuffer {
  checkCapacity(capacityBytes)
  return new SharedArrayBuffer(DATA_BEGIN + capacityBytes)
}

/** The size of the data region of a ring that `allocateRing` made; throws a RangeError for other memory. */
export function ringCapacity(shared: SharedArrayBuffer): number {
  const capacityBytes = shared.byteLength - DATA_BEGIN
  checkCapacity(capacityBytes)
  return capacityBytes
}

/** What a record with a payload of `sizeBytes` takes in the ring. */
export function recordSpan(sizeBytes: number): number {
  return (sizeBytes + RECORD_HEADER_SIZE + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT
}

function checkCapacity(capacityBytes: number): void {
  const isPowerOfTwo = capacityBytes > 0 && Number.isInteger(Math.log2(capacityBytes))
  if (!isPowerOfTwo || capacityBytes < CAPACITY_BYTES_MIN || capacityBytes > CAPACITY_BYTES_MAX) {
    throw new RangeError(`a ring holds a power of two of bytes in 256..2^30, not ${capacityBytes}`)
  }
}
