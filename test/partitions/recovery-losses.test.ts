// Whatever a power loss leaves of what was not synced, opening a partition brings back what was, and only whole batches in order.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { logFileName } from '../../partitions/log.ts'
import { append, checkpoint, copyOf, damage, expectConsistent, newLeader, producersOf, recover } from './recovery-support.ts'
import type { Leader } from './recovery-support.ts'
import { shapeOf, untimed } from './support.ts'

describe('whatever a power loss leaves of what was not synced', () => {
  const appends = fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 4 }), producerId: fc.nat({ max: 2 }), valueBytes: fc.nat({ max: 120 }) }),
    {
      minLength: 1,
      maxLength: 25,
    },
  )
  const start = fc.record({ offset: fc.constantFrom(0, 40), hasCheckpoint: fc.boolean() })
  const losses = fc.infiniteStream(fc.record({ kind: fc.constantFrom('cut', 'gone', 'garbage', 'kept'), at: fc.nat({ max: 10_000 }) }))

  test('everything that was synced comes back, in order and without gaps, and the next opening finds the same', () => {
    fc.assert(
      fc.property(appends, fc.nat(), fc.nat(), start, losses, (batches, pickSynced, pickCheckpoint, begin, lost) => {
        const leader = newLeader(begin.offset)
        const hasCheckpoint = begin.hasCheckpoint || begin.offset > 0
        // Retention removes nothing before a checkpoint is synced that says so.
        if (begin.offset > 0) checkpoint(leader)
        const synced = pickSynced % (batches.length + 1)
        const checkpointed = pickCheckpoint % (synced + 1)
        const sizes = new Map<string, number>()
        const sequences = [0, 0, 0]
        batches.forEach(({ count, producerId, valueBytes }, i) => {
          if (hasCheckpoint && i === checkpointed) checkpoint(leader)
          if (i === synced) for (const [name, { length }] of leader.directory) sizes.set(name, length)
          append(leader, count, { producerId, producerEpoch: 0, baseSequence: sequences[producerId]!, valueBytes })
          sequences[producerId]! += count
        })
        if (synced === batches.length) for (const [name, { length }] of leader.directory) sizes.set(name, length)
        const before = copyOf(leader.directory)
        for (const name of [...leader.directory.keys()].filter((file) => /\.(log|index)$/.test(file))) {
          const { kind, at } = lost.next().value
          const floor = name.endsWith('.log') ? (sizes.get(name) ?? 0) : 0
          damage(leader.directory, name, (bytes) => lose(bytes, floor, kind, at))
        }
        const recovered = recover(leader.directory)
        expectConsistent(leader.directory, recovered)
        const floor = synced === 0 ? begin.offset : leader.ends[synced - 1]!
        expect(recovered.log.logStartOffset).toBe(begin.offset)
        expect(recovered.log.logEndOffset).toBeGreaterThanOrEqual(floor)
        expect(recovered.recoveryPoint).toBeLessThanOrEqual(floor)
        for (const { baseOffset, sizeBytes } of recovered.log.segments) {
          const name = logFileName(baseOffset)
          if (sizeBytes > 0) expect(leader.directory.get(name)).toEqual(before.get(name)!.subarray(0, sizeBytes))
        }
        expect(untimed(producersOf(recovered))).toEqual(untimed(producersUpTo(batches, begin.offset, recovered.log.logEndOffset)))
        expect(shapeOf(recover(leader.directory).log)).toBe(shapeOf(recovered.log))
      }),
      { numRuns: 400 },
    )
  })
})

/** What is left of a file of which `floor` bytes were synced. */
function lose(bytes: Uint8Array, floor: number, kind: string, at: number): Uint8Array | null {
  const position = floor + (at % (bytes.length - floor + 1))
  if (kind === 'gone' && floor === 0) return null
  if (kind === 'cut') return bytes.slice(0, position)
  return kind === 'garbage' ? bytes.fill(at & 0xff, position) : bytes
}

/** What the batches below an offset would have left in the memory of a leader. */
function producersUpTo(
  batches: readonly { readonly count: number; readonly producerId: number }[],
  startOffset: number,
  endOffset: number,
): Leader['producers'] {
  const leader = newLeader(startOffset)
  const sequences = [0, 0, 0]
  for (const { count, producerId } of batches) {
    if (leader.log.logEndOffset + count > endOffset) break
    append(leader, count, { producerId, producerEpoch: 0, baseSequence: sequences[producerId]! })
    sequences[producerId]! += count
  }
  return leader.producers
}
