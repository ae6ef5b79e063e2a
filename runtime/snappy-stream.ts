// Snappy as Kafka's Java clients write it: the "xerial" stream of raw snappy blocks. Other clients send one raw block without a frame.
//
//   stream  82 'SNAPPY' 00 │ version i32 = 1 │ compatible version i32 = 1 │ (size i32 │ raw snappy block)*
//   block   decompressed size, varint (not zigzag) │ ...

import { createRequire } from 'node:module'
import type * as Snappy from 'snappy'
import { readI32, writeI32 } from '../protocol/bytes.ts'
import { KafkaError } from '../protocol/errors.ts'

/** Loaded by the first batch that needs it: most processes never do, and it takes 9 MB. */
let loaded: typeof Snappy | null = null

const MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const HEADER_BYTES = 16

/** Java's own block size. */
const BLOCK_BYTES = 32 * 1024

/** Compresses into a xerial stream. */
export function compressSnappy(bytes: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = []
  let sizeBytes = HEADER_BYTES
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = snappy().compressSync(bytes.subarray(at, at + BLOCK_BYTES))
    blocks.push(block)
    sizeBytes += 4 + block.length
  }
  const stream = new Uint8Array(sizeBytes)
  stream.set(MAGIC)
  writeI32(stream, 8, 1)
  writeI32(stream, 12, 1)
  let at = HEADER_BYTES
  for (const block of blocks) {
    writeI32(stream, at, block.length)
    stream.set(block, at + 4)
    at += 4 + block.length
  }
  return stream
}

/** Decompresses a xerial stream or a raw block. Throws KafkaError CORRUPT_MESSAGE, or MESSAGE_TOO_LARGE before anything is allocated. */
export function decompressSnappy(bytes: Uint8Array, sizeBytesMax: number): Uint8Array {
  const blocks = isStream(bytes) ? splitStream(bytes) : [bytes]
  let sizeBytes = 0
  for (const block of blocks) sizeBytes += declaredSize(block)
  if (sizeBytes > sizeBytesMax) {
    throw new KafkaError('MESSAGE_TOO_LARGE', `snappy: ${sizeBytes} decompressed bytes exceed the limit of ${sizeBytesMax}`)
  }
  if (blocks.length === 1) return decompressBlock(blocks[0]!)
  const whole = new Uint8Array(sizeBytes)
  let at = 0
  for (const block of blocks) {
    whole.set(decompressBlock(block), at)
    at += declaredSize(block)
  }
  return whole
}

function isStream(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.every((byte, index) => bytes[index] === byte)
}

function splitStream(bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let at = HEADER_BYTES
  while (at + 4 <= bytes.length) {
    const begin = at + 4
    const sizeBytes = readI32(bytes, at)
    if (sizeBytes <= 0 || begin + sizeBytes > bytes.length) throw corrupt('a block is cut off')
    blocks.push(bytes.subarray(begin, begin + sizeBytes))
    at = begin + sizeBytes
  }
  if (at !== bytes.length) throw corrupt('the stream is cut off')
  return blocks
}

function declaredSize(block: Uint8Array): number {
  let size = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) throw corrupt('a block has no size')
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return size
  }
  throw corrupt('the size of a block is too long')
}

function decompressBlock(block: Uint8Array): Uint8Array {
  const bytes = snappy().uncompressSync(block, { asBuffer: true })
  if (typeof bytes === 'string') throw corrupt('the library answered with text')
  return bytes
}

function corrupt(what: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `cannot decompress snappy: ${what}`, { retriable: false })
}

function snappy(): typeof Snappy {
  loaded ??= createRequire(import.meta.url)('snappy') as typeof Snappy
  return loaded
}
