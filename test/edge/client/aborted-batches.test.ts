// Which batches a reader of committed records leaves out, as the leader names them chunk by chunk.

import { expect, test } from 'vitest'
import { AbortedBatches } from '../../../edge/client/aborted-batches.ts'
import { batchAt, concat, markerAt } from '../../partitions/support.ts'

/** Whether the batch at an offset is left out; of producer 7 unless another is named. */
function isLeftOut(aborted: AbortedBatches, offset: number, producerId = 7, transactional = true): boolean {
  return aborted.has(batchAt(offset, 1, { producerId, producerEpoch: 0, baseSequence: 0, transactional }), 0)
}

const first = { producerId: 7, firstOffset: 2, lastOffset: 5 }
const second = { producerId: 7, firstOffset: 8, lastOffset: 9 }

test('batches of an aborted transaction are left out: of its producer, from its first offset up to its marker', () => {
  const aborted = new AbortedBatches()
  aborted.add([first, second])
  expect([1, 2, 4, 6, 8, 10].map((offset) => isLeftOut(aborted, offset))).toEqual([false, true, true, false, true, false])
})

test('others are not: of another producer, or outside of transactions', () => {
  const aborted = new AbortedBatches()
  aborted.add([first])
  expect([isLeftOut(aborted, 3, 8), isLeftOut(aborted, 3, 7, false), isLeftOut(aborted, 3)]).toEqual([false, false, true])
})

test('a transaction that is named again with the next chunk is the same one', () => {
  const aborted = new AbortedBatches()
  aborted.add([first])
  expect(isLeftOut(aborted, 3)).toBe(true)
  aborted.add([first, second])
  expect([4, 7, 8].map((offset) => isLeftOut(aborted, offset))).toEqual([true, false, true])
  aborted.clear()
  expect(isLeftOut(aborted, 8)).toBe(false)
})

test('the batch is looked at where it lies', () => {
  const aborted = new AbortedBatches()
  aborted.add([first])
  const before = markerAt(1, true, { producerId: 8, producerEpoch: 1 })
  const bytes = concat(before, batchAt(2, 1, { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true }))
  expect([aborted.has(bytes, 0), aborted.has(bytes, before.length)]).toEqual([false, true])
})
