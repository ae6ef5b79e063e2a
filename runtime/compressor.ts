// The codecs of record batches on Node: gzip and zstd from node:zlib, snappy and LZ4 from prebuilt packages. All are synchronous.
// Nothing is decompressed beyond the limit: zlib stops by itself; for snappy and LZ4 the size is known before memory is allocated.
// LZ4 is the frame format, snappy the framing of Java clients (read: raw blocks, too).

import { createRequire } from 'node:module'
// By its namespace: a Node without zstd must get as far as being told so (edge/client/node-version.ts).
import * as zlib from 'node:zlib'
import type * as Lz4 from 'lz4-napi'
import { unreachable } from '../protocol/assert.ts'
import { DECOMPRESSED_BYTES_MAX } from '../protocol/compression.ts'
import type { Compression, Compressor } from '../protocol/compression.ts'
import { KafkaError } from '../protocol/errors.ts'
import { lz4DecompressedSize } from './lz4-frame.ts'
import { compressSnappy, decompressSnappy } from './snappy-stream.ts'

/** Loaded by the first batch that needs it: most processes never do, and it takes 7 MB. */
let loaded: typeof Lz4 | null = null

/** The compressor of this runtime. Stateless: share it. */
export const nodeCompressor: Compressor = { compress, decompress }

function compress(codec: Compression, bytes: Uint8Array): Uint8Array {
  switch (codec) {
    case 'none':
      return bytes.slice()
    case 'gzip':
      return zlib.gzipSync(bytes)
    case 'snappy':
      return compressSnappy(bytes)
    case 'lz4':
      return lz4().compressFrameSync(asBuffer(bytes))
    case 'zstd':
      return zlib.zstdCompressSync(bytes)
    default:
      return unreachable(codec)
  }
}

function decompress(codec: Compression, bytes: Uint8Array, sizeBytesMax: number = DECOMPRESSED_BYTES_MAX): Uint8Array {
  try {
    return decompressWithin(codec, bytes, sizeBytesMax)
  } catch (cause) {
    if (cause instanceof KafkaError) throw cause
    if (isTooLarge(cause)) throw tooLarge(codec, sizeBytesMax)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError('CORRUPT_MESSAGE', `cannot decompress ${codec}: ${why}`, { cause, retriable: false })
  }
}

function decompressWithin(codec: Compression, bytes: Uint8Array, sizeBytesMax: number): Uint8Array {
  switch (codec) {
    case 'none':
      return bytes.slice()
    case 'gzip':
      return zlib.gunzipSync(bytes, { maxOutputLength: sizeBytesMax })
    case 'snappy':
      return decompressSnappy(bytes, sizeBytesMax)
    case 'lz4':
      if (lz4DecompressedSize(bytes, sizeBytesMax) > sizeBytesMax) throw tooLarge(codec, sizeBytesMax)
      return lz4().decompressFrameSync(asBuffer(bytes))
    case 'zstd':
      return zlib.zstdDecompressSync(bytes, { maxOutputLength: sizeBytesMax })
    default:
      return unreachable(codec)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}

function tooLarge(codec: Compression, sizeBytesMax: number): KafkaError {
  const message = `${codec}: the decompressed bytes exceed the limit of ${sizeBytesMax}`
  return new KafkaError('MESSAGE_TOO_LARGE', message)
}

function lz4(): typeof Lz4 {
  loaded ??= createRequire(import.meta.url)('lz4-napi') as typeof Lz4
  return loaded
}
