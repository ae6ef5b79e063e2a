// Damage just below the recovery point, where it is easily taken for a torn tail above it; and disks that say one thing and give another.

import { describe, expect, test } from 'vitest'
import { logFileName } from '../../partitions/log.ts'
import { advanceRecovery, beginRecovery } from '../../partitions/recovery.ts'
import { FIELD } from '../../protocol/record-batch.ts'
import { append, checkpoint, copyOf, damage, fiveBatches, recover, refusal, run } from './recovery-support.ts'

const FIRST = logFileName(0)
const SECOND = logFileName(6)

describe('damage in a batch that ends at the recovery point, or seems to', () => {
  test('is no torn tail where it makes a batch end there, but refused', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    append(leader, 2, { valueBytes: 50 })
    // The batch at 6 ends at 10, not at 8, as its last offset delta has it now.
    damage(leader.directory, SECOND, (bytes) => bytes.with(FIELD.lastOffsetDelta + 3, 3))
    const before = copyOf(leader.directory)
    expect(refusal(leader.directory)).toBe('the batch at offset 6 is damaged (00000000000000000006.log, position 175)')
    expect(leader.directory).toEqual(before)
  })

  test('is refused where it makes a batch end before it begins, and nothing is cut', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    // The sign of the last offset delta: bit rot.
    damage(leader.directory, SECOND, (bytes) => bytes.with(FIELD.lastOffsetDelta, 0x80))
    const before = copyOf(leader.directory)
    expect(refusal(leader.directory)).toBe('the batch at offset 6 is damaged (00000000000000000006.log, position 0)')
    expect(leader.directory).toEqual(before)
  })

  test('is refused where it makes the last batch of a segment end there, in the next one', () => {
    const leader = fiveBatches()
    // Longer than the checkpoint knows it, it is looked at.
    leader.log.segments[0]!.sizeBytes = 350
    checkpoint(leader)
    leader.log.segments[0]!.sizeBytes = 525
    // The batch at 4 ends at 10, not at 6, as its last offset delta has it now.
    damage(leader.directory, FIRST, (bytes) => bytes.with(350 + FIELD.lastOffsetDelta + 3, 5))
    expect(refusal(leader.directory)).toBe('the segment with offset 10 is missing (the next file begins at 6)')
  })

  test('of what that batch holds is left to whoever reads it: the log opens, and what follows is sound', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    append(leader, 2, { valueBytes: 30 })
    damage(leader.directory, SECOND, (bytes) => bytes.fill(9, 300, 310))
    expect(recover(leader.directory).log.logEndOffset).toBe(12)
  })
})

test.each([175, 180])(
  'what is lost behind byte %i of a segment is not in doubt when the next file is empty: nothing of that was synced, either',
  (sizeBytes) => {
    for (const next of [0, 1]) {
      const { directory } = fiveBatches()
      damage(directory, FIRST, (bytes) => bytes.slice(0, sizeBytes))
      damage(directory, SECOND, (bytes) => bytes.slice(0, next))
      expect(run(directory).demands.includes('doubtful')).toBe(next > 0)
      expect(recover(directory).log.logEndOffset).toBe(2)
    }
  },
)

test('a file that is shorter than it was said to be ends where the disk says, and is not asked for without end', () => {
  const { directory } = fiveBatches()
  const bytes = directory.get(SECOND) ?? new Uint8Array(0)
  for (const short of [0, bytes.length - 1]) {
    const recovery = beginRecovery(4096, Infinity, -Infinity)
    advanceRecovery(recovery, null)
    const files = [
      { name: FIRST, sizeBytes: directory.get(FIRST)?.length ?? 0 },
      { name: SECOND, sizeBytes: bytes.length + 10 },
    ]
    let demand = advanceRecovery(recovery, { kind: 'listed', files })
    for (let reads = 0; demand.kind === 'read' && reads < 9; reads++) {
      const { position, sizeBytes } = demand
      const found = (demand.file === SECOND ? bytes.subarray(0, short) : directory.get(FIRST))?.subarray(position, position + sizeBytes)
      demand = advanceRecovery(recovery, { kind: 'read', bytes: found ?? new Uint8Array(0) })
    }
    expect(demand).toMatchObject({ kind: 'truncate', file: SECOND })
  }
})
