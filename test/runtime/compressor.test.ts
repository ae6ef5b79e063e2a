// The codecs: what goes in comes out, foreign framings are read, bombs and cut-off bytes are refused before they cost anything.

import lz4 from 'lz4-napi'
import snappy from 'snappy'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPRESSIONS } from '../../protocol/compression.ts'
import type { Compression } from '../../protocol/compression.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'
import { lz4DecompressedSize } from '../../runtime/lz4-frame.ts'

const CODECS: readonly Compression[] = COMPRESSIONS.filter((codec) => codec !== 'none')

/** Bytes of which codecs can make something: noise, runs, and repeated pieces longer than one block. */
const anyBytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2000 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 3000 })).map(([piece, times]) => {
    const bytes = new Uint8Array(piece.length * times)
    for (let at = 0; at < bytes.length; at += piece.length) bytes.set(piece, at)
    return bytes
  }),
)

function failureOf(action: () => unknown): string {
  try {
    action()
    return 'none'
  } catch (error) {
    return error instanceof KafkaError ? error.name : `not a KafkaError: ${String(error)}`
  }
}

describe.each(COMPRESSIONS)('%s', (codec) => {
  test('what goes in comes out', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const result = nodeCompressor.decompress(codec, nodeCompressor.compress(codec, bytes))
        expect(Buffer.compare(result, bytes)).toBe(0)
      }),
    )
  })

  test('shared memory is read like any other', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(70_000)).fill(7).subarray(3, 69_000)
    const packed = nodeCompressor.compress(codec, shared)
    const sharedPacked = new Uint8Array(new SharedArrayBuffer(packed.length + 5)).subarray(5)
    sharedPacked.set(packed)
    expect(Buffer.compare(nodeCompressor.decompress(codec, sharedPacked), shared)).toBe(0)
  })
})

describe.each(CODECS)('%s', (codec) => {
  test('bytes cut off anywhere are corrupt or whole, never part of the input', () => {
    const input = new TextEncoder().encode('the castle, the trial, the process '.repeat(20))
    const packed = nodeCompressor.compress(codec, input)
    for (let cut = 0; cut < packed.length; cut++) {
      expect([cut, failureOf(() => nodeCompressor.decompress(codec, packed.subarray(0, cut)))]).toEqual([
        cut,
        // A snappy stream has no end mark: cut right after its header it is a stream of nothing.
        codec === 'snappy' && cut === 16 ? 'none' : 'CORRUPT_MESSAGE',
      ])
    }
  })

  test('random bytes are refused with a KafkaError or decompressed', () => {
    const start = nodeCompressor.compress(codec, new Uint8Array(300)).subarray(0, 12)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, realStart) => {
        const bytes = realStart ? new Uint8Array([...start, ...noise]) : noise
        expect(['none', 'CORRUPT_MESSAGE', 'MESSAGE_TOO_LARGE']).toContain(failureOf(() => nodeCompressor.decompress(codec, bytes)))
      }),
      { numRuns: 1000 },
    )
  })

  test('a bomb is refused at the limit, not after it', () => {
    const bomb = nodeCompressor.compress(codec, new Uint8Array(1_000_000))
    expect(failureOf(() => nodeCompressor.decompress(codec, bomb, 999_999))).toBe('MESSAGE_TOO_LARGE')
    expect(nodeCompressor.decompress(codec, bomb, 1_000_000)).toHaveLength(1_000_000)
  })
})

describe('snappy', () => {
  const input = new TextEncoder().encode('Odradek '.repeat(10_000))

  test('is written as a stream of 32 KiB blocks, as Java clients do', () => {
    const stream = Buffer.from(nodeCompressor.compress('snappy', input))
    expect(stream.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001')
    const firstBytes = stream.readInt32BE(16)
    expect(snappy.uncompressSync(stream.subarray(20, 20 + firstBytes), { asBuffer: true })).toHaveLength(32 * 1024)
  })

  test('is read from a raw block, too', () => {
    expect(Buffer.compare(nodeCompressor.decompress('snappy', snappy.compressSync(input)), input)).toBe(0)
  })

  test('a block that declares gigabytes is refused by its declaration', () => {
    const declared = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0x00)
    expect(failureOf(() => nodeCompressor.decompress('snappy', declared))).toBe('MESSAGE_TOO_LARGE')
  })
})

describe('lz4', () => {
  test('the size of a frame is known without decompressing, with and without checksums', () => {
    fc.assert(
      fc.property(anyBytes, fc.boolean(), fc.boolean(), (bytes, contentChecksum, blockChecksums) => {
        const frame = lz4.compressFrameSync(Buffer.from(bytes), { contentChecksum, blockChecksums })
        expect(lz4DecompressedSize(frame, 1_000_000)).toBe(bytes.length)
        expect(Buffer.compare(nodeCompressor.decompress('lz4', frame), bytes)).toBe(0)
      }),
    )
  })

  test('the count stops soon after the limit', () => {
    const frame = lz4.compressFrameSync(Buffer.alloc(5_000_000))
    expect(lz4DecompressedSize(frame, 1000)).toBeLessThan(5_000_000 + 1)
    expect(lz4DecompressedSize(frame, 1000)).toBeGreaterThan(1000)
  })
})
