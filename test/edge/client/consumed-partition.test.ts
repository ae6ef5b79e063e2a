// One partition as a consumer sees it: what is handed out of chunks in which compaction has left batches with gaps, or without records.
import { expect, test } from 'vitest'
import { walkFrom } from '../../../edge/client/batch-walk.ts'
import { Chunk } from '../../../edge/client/chunk-reader.ts'
import { ConsumedPartition } from '../../../edge/client/consumed-partition.ts'
import { emptyBatch, rewriteBatch } from '../../../protocol/batch-rewrite.ts'
import { BATCH_HEADER_BYTES, FIELD } from '../../../protocol/record-batch.ts'
import { batchAt, concat } from '../../partitions/support.ts'

/** A batch of which only those records are left. */
function sparse(baseOffset: number, keep: readonly number[]): Uint8Array {
  const bytes = batchAt(baseOffset, keep.length)
  const keptCount = keep.filter((one) => one === 1).length
  const records = bytes.subarray(BATCH_HEADER_BYTES)
  return rewriteBatch(bytes, 0, { records, keep: Uint8Array.from(keep), keptCount, deleteHorizon: -1, compressor: undefined })
}

function empty(baseOffset: number, lastOffset: number): Uint8Array {
  return emptyBatch({ baseOffset, lastOffset, leaderEpoch: 0, maxTimestamp: 1000 })
}

function begun(position: number, ...batches: readonly Uint8Array[]): ConsumedPartition {
  const one = new ConsumedPartition('t', 0)
  one.position = position
  one.push(new Chunk(concat(...batches), position, null))
  return one
}

function offsets(one: ConsumedPartition): number[] {
  const found: number[] = []
  for (let record = one.nextRecord(false); record !== null; record = one.nextRecord(false)) found.push(record.offset)
  return found
}

test('records are handed out across gaps, and the position ends behind what is empty', () => {
  const one = begun(1, empty(0, 3), sparse(4, [0, 1, 0]), batchAt(7, 2), empty(9, 14), sparse(15, [1, 0]))
  expect(offsets(one)).toEqual([5, 7, 8, 15])
  expect(one.position).toBe(17)
})

test('batches without records are not handed out', () => {
  const one = begun(0, empty(0, 3), batchAt(4, 1), empty(5, 6))
  expect(one.nextBatch()?.view.baseOffset).toBe(4)
  expect(one.nextBatch()).toBeNull()
  expect(one.position).toBe(7)
})

test('a batch with fewer records than offsets is believed only if its CRC is right', () => {
  const bytes = concat(sparse(0, [1, 0]), batchAt(2, 1))
  expect(walkFrom(bytes, 0).positions).toHaveLength(2)
  bytes[FIELD.lastOffsetDelta + 3] = 9
  expect(walkFrom(bytes, 0)).toMatchObject({ positions: [], defect: 'count' })
})
