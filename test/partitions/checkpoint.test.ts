// The checkpoint file: it is read back whole or not at all, and the newer one of the two counts.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CHECKPOINT_FORMAT_VERSION,
  checkpointFile,
  decodeCheckpoint,
  encodeCheckpoint,
  newestCheckpoint,
} from '../../partitions/checkpoint.ts'
import type { Checkpoint } from '../../partitions/checkpoint.ts'
import { writeI16, writeI32 } from '../../protocol/bytes.ts'
import { crc32cOf } from '../../protocol/crc32c.ts'
import './seeded.ts'

const offset = fc.oneof(fc.nat({ max: 100 }), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }))
const sequence = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const segment = fc.record({
  baseOffset: offset,
  sizeBytes: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  maxTimestamp: fc.oneof(fc.constant(-1), offset),
})
const producer = fc.record({
  producerEpoch: fc.nat({ max: 65_535 }),
  batches: fc.array(fc.record({ baseSequence: sequence, lastSequence: sequence, baseOffset: offset }), { maxLength: 5 }),
  firstOffset: fc.oneof(fc.constant(-1), offset),
  coordinatorEpoch: fc.oneof(fc.constant(-1), sequence),
  lastTimestamp: fc.constant(-1),
})
const aborted = fc.record({ producerId: offset, firstOffset: offset, lastOffset: offset })
const anyBefore3 = fc.record({
  sequence: offset,
  clean: fc.boolean(),
  recoveryPoint: offset,
  logStartOffset: offset,
  segments: fc.array(segment, { maxLength: 8 }),
  producers: fc.uniqueArray(fc.tuple(offset, producer), { maxLength: 5, selector: ([id]) => id }).map((entries) => new Map(entries)),
  epochs: fc.array(fc.record({ epoch: sequence, startOffset: offset }), { maxLength: 5 }),
  cleaning: fc.record({
    cleanedOffset: offset,
    generation: sequence,
    segments: fc.array(fc.record({ baseOffset: offset, generation: sequence }), { maxLength: 5 }),
  }),
})
const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc
  .tuple(anyBefore3, fc.array(aborted, { maxLength: 5 }), offset, sequence)
  .map(([before, abortedTransactions, segmentBaseOffset, position]) => {
    const open = [...before.producers].filter(([, { firstOffset }]) => firstOffset >= 0)
    const places = open.map(([id, { firstOffset }]) => [id, { offset: firstOffset, segmentBaseOffset, position }] as const)
    return { ...before, transactions: { open: new Map(places), aborted: abortedTransactions } }
  })

const sample: Checkpoint = {
  sequence: 3,
  clean: true,
  recoveryPoint: 20,
  logStartOffset: 5,
  segments: [{ baseOffset: 5, sizeBytes: 1000, maxTimestamp: -1 }],
  producers: new Map([
    [
      7,
      {
        producerEpoch: 2,
        batches: [{ baseSequence: 0, lastSequence: 9, baseOffset: 10 }],
        firstOffset: 10,
        coordinatorEpoch: 6,
        lastTimestamp: -1,
      },
    ],
  ]),
  epochs: [{ epoch: 4, startOffset: 5 }],
  cleaning: { cleanedOffset: 5, generation: 2, segments: [{ baseOffset: 5, generation: 2 }] },
  transactions: {
    open: new Map([[7, { offset: 10, segmentBaseOffset: 5, position: 300 }]]),
    aborted: [{ producerId: 7, firstOffset: 8, lastOffset: 9 }],
  },
}
const bytes = encodeCheckpoint(sample)

describe('the file', () => {
  test('has the layout of its header comment', () => {
    const words = Buffer.from(bytes).toString('hex').match(/.{8}/g)!
    expect(words.slice(0, 3)).toEqual(['4f445243', '00030001', '000000d8'])
    expect(words.slice(4)).toEqual([
      ...['00000000', '00000003', '00000000', '00000014', '00000000', '00000005'],
      ...['00000001', '00000000', '00000005', '000003e8', 'ffffffff', 'ffffffff'],
      ...['00000001', '00000000', '00000007', '00020001', '00000000', '00000009', '00000000', '0000000a'],
      ...['00000001', '00000004', '00000000', '00000005'],
      ...['00000001', '00000000', '00000007', '00000006'],
      ...['00000001', '00000000', '00000007', '00000000', '0000000a', '00000000', '00000005', '0000012c'],
      ...['00000001', '00000000', '00000007', '00000000', '00000008', '00000000', '00000009'],
      ...['00000000', '00000005', '00000002', '00000001', '00000000', '00000005', '00000002'],
    ])
    expect(bytes.length).toBe(0xd8)
  })

  test('gives back what was written', () => {
    fc.assert(
      fc.property(anyCheckpoint, (checkpoint) => {
        expect(decodeCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint)
      }),
    )
  })

  test('cut at any byte is unsound', () => {
    for (let sizeBytes = 0; sizeBytes < bytes.length; sizeBytes++) expect(decodeCheckpoint(bytes.subarray(0, sizeBytes))).toBe('unsound')
    expect(decodeCheckpoint(Uint8Array.from([...bytes, 0]))).toBe('unsound')
  })

  test('with any bit flipped is unsound, but for the version, which may be a newer one', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      const isVersion = bit >= 32 && bit < 48
      expect(['unsound', ...(isVersion ? ['newer'] : [])], `bit ${bit}`).toContain(decodeCheckpoint(damaged))
    }
  })

  test('whose CRC is of what follows it only, as it once was, is read, but never as a clean one', () => {
    fc.assert(
      fc.property(anyCheckpoint, (checkpoint) => {
        const file = encodeCheckpoint(checkpoint)
        writeI32(file, 12, crc32cOf(file, 16, file.length))
        expect(decodeCheckpoint(file)).toEqual({ ...checkpoint, clean: false })
      }),
    )
  })

  test('of random bytes is unsound, and so is nonsense with a sound CRC', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
        expect(decodeCheckpoint(random)).toBe('unsound')
      }),
    )
    const sealed = fc.uint8Array({ minLength: 40, maxLength: 300 }).map((random) => {
      const file = Uint8Array.from([...bytes.subarray(0, 16), ...random])
      writeI32(file, 8, file.length)
      writeI32(file, 12, crc32cOf(file, 16, file.length))
      return file
    })
    fc.assert(
      fc.property(sealed, (file) => {
        expect(decodeCheckpoint(file)).toBe('unsound')
      }),
    )
  })

  test('with anything behind its last producer is unsound, although the CRC is right', () => {
    const longer = Uint8Array.from([...bytes, 0, 0, 0, 0])
    writeI32(longer, 8, longer.length)
    writeI32(longer, 12, crc32cOf(longer, 16, longer.length))
    expect(decodeCheckpoint(longer)).toBe('unsound')
  })

  test('of a newer version says so, even if the rest means nothing to this one', () => {
    const newer = bytes.slice(0, 60)
    writeI16(newer, 4, CHECKPOINT_FORMAT_VERSION + 1)
    expect(decodeCheckpoint(newer)).toBe('newer')
  })
})

describe('of two', () => {
  const older = { ...sample, sequence: 8 }
  const newer = { ...sample, sequence: 9 }

  test('the one with the higher sequence counts, whichever file it is in', () => {
    expect(newestCheckpoint([older, newer])).toBe(newer)
    expect(newestCheckpoint([newer, older])).toBe(newer)
  })

  test('the sound one counts when the other is torn', () => {
    expect(newestCheckpoint([older, 'unsound'])).toBe(older)
    expect(newestCheckpoint(['unsound', older])).toBe(older)
    expect(newestCheckpoint(['unsound', 'unsound'])).toBeNull()
    expect(newestCheckpoint([])).toBeNull()
  })

  test('a newer version in either forbids to go on', () => {
    expect(newestCheckpoint([newer, 'newer'])).toBe('newer')
    expect(newestCheckpoint(['newer', 'unsound'])).toBe('newer')
  })

  test('each write leaves the other file alone', () => {
    expect([1, 2, 3, 4].map(checkpointFile)).toEqual(['checkpoint-1', 'checkpoint-0', 'checkpoint-1', 'checkpoint-0'])
  })
})
