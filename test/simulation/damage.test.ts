import { describe, expect, test } from 'vitest'
import { checkBatch, FIELD } from '../../protocol/record-batch.ts'
import { breaksCrc } from '../../simulation/damage.ts'
import { batchAt } from '../partitions/support.ts'

const BATCH = batchAt(10, 1)
/** Of the same size. */
const OTHER = batchAt(20, 1)

describe('harm to a batch', () => {
  test('shows at a flipped bit and at a sector of zeros, in the CRC or after it', () => {
    for (const at of [FIELD.crc, FIELD.attributes, BATCH.length - 1]) expect(breaksCrc(BATCH, at, Uint8Array.of(BATCH[at]! ^ 1))).toBe(true)
    for (const at of [FIELD.crc, FIELD.attributes]) expect(breaksCrc(BATCH, at, new Uint8Array(BATCH.length - at))).toBe(true)
  })

  test('shows with what another batch has after its CRC, and with its CRC and a part of what that covers', () => {
    expect(breaksCrc(BATCH, FIELD.attributes, OTHER.subarray(FIELD.attributes))).toBe(true)
    expect(breaksCrc(BATCH, FIELD.crc, OTHER.subarray(FIELD.crc, FIELD.recordCount))).toBe(true)
  })

  test('does not show with a CRC and all that it covers: that is a sound batch, at an offset where it never was', () => {
    const harmed = BATCH.slice()
    harmed.set(OTHER.subarray(FIELD.crc), FIELD.crc)
    expect(checkBatch(harmed, 0, harmed.length).ok).toBe(true)
    expect(breaksCrc(BATCH, FIELD.crc, OTHER.subarray(FIELD.crc))).toBe(false)
  })

  test('does not show where nothing changes', () => {
    expect(breaksCrc(BATCH, FIELD.crc, BATCH.subarray(FIELD.crc))).toBe(false)
  })
})
