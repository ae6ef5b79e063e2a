// Which leader wrote which offsets, and where two logs begin to differ (KIP-101, KIP-279).

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  capEpochs,
  divergingEnd,
  endOfEpoch,
  isOfEpoch,
  lastEpoch,
  NO_EPOCH,
  noteEpoch,
  trimEpochs,
  truncateEpochs,
} from '../../partitions/epochs.ts'
import type { Epochs } from '../../partitions/epochs.ts'
import './seeded.ts'

/** Entries as [epoch, start offset]. */
function epochsOf(...entries: readonly (readonly [epoch: number, startOffset: number])[]): Epochs {
  return entries.map(([epoch, startOffset]) => ({ epoch, startOffset }))
}

/** A log as the epoch of each offset. */
function entriesOf(log: readonly number[]): Epochs {
  const epochs: Epochs = []
  log.forEach((epoch, offset) => noteEpoch(epochs, epoch, offset))
  return epochs
}

describe('epochs', () => {
  test('have one entry each, where their first batch begins', () => {
    expect(entriesOf([0, 0, 2, 2, 2, 5])).toEqual(epochsOf([0, 0], [2, 2], [5, 5]))
    expect(lastEpoch(entriesOf([0, 0, 2]))).toBe(2)
    expect(lastEpoch([])).toBe(NO_EPOCH)
  })

  test('say which epoch a batch is of; of one below the first, only that it is not of a later one', () => {
    const epochs = epochsOf([2, 4], [5, 9])
    const isOf = (offset: number): number[] => [-2, -1, 0, 1, 2, 3, 4, 5, 6].filter((epoch) => isOfEpoch(epochs, offset, epoch))
    expect([3, 4, 8, 9, 20].map(isOf)).toEqual([[-1, 0, 1, 2], [2], [2], [5], [5]])
    expect(isOfEpoch([], 3, 7)).toBe(true)
  })

  test('are forgotten where they are later than one can be, and the one before goes on; if there is none, the last that can be begins there', () => {
    const upTo = (epoch: number): Epochs => {
      const epochs = epochsOf([2, 4], [5, 9], [700, 12])
      capEpochs(epochs, epoch)
      return epochs
    }
    expect([700, 6, 4, 1].map(upTo)).toEqual([
      epochsOf([2, 4], [5, 9], [700, 12]),
      epochsOf([2, 4], [5, 9]),
      epochsOf([2, 4]),
      epochsOf([1, 4]),
    ])
  })

  test('never go back', () => {
    expect(() => noteEpoch(epochsOf([3, 0]), 2, 5)).toThrow('O1')
  })

  test('end where the next one begins, the last one at the log end; one that wrote nothing ends with the one before it', () => {
    const epochs = epochsOf([1, 0], [2, 4], [5, 9])
    expect(endOfEpoch(epochs, 1, 12)).toEqual({ epoch: 1, endOffset: 4 })
    expect(endOfEpoch(epochs, 2, 12)).toEqual({ epoch: 2, endOffset: 9 })
    expect(endOfEpoch(epochs, 4, 12)).toEqual({ epoch: 2, endOffset: 9 })
    expect(endOfEpoch(epochs, 5, 12)).toEqual({ epoch: 5, endOffset: 12 })
    expect(endOfEpoch(epochs, 9, 12)).toEqual({ epoch: 5, endOffset: 12 })
  })

  test('that are older than the log end where it begins', () => {
    expect(endOfEpoch(epochsOf([3, 7]), 2, 12)).toEqual({ epoch: NO_EPOCH, endOffset: 7 })
    expect(endOfEpoch([], 2, 12)).toEqual({ epoch: NO_EPOCH, endOffset: 12 })
  })

  test('are forgotten with what is cut, but not those that only become shorter', () => {
    const cutAt = (endOffset: number): Epochs => {
      const epochs = epochsOf([1, 0], [2, 4], [5, 9])
      truncateEpochs(epochs, endOffset)
      return epochs
    }
    expect(cutAt(12)).toEqual(epochsOf([1, 0], [2, 4], [5, 9]))
    expect(cutAt(10)).toEqual(epochsOf([1, 0], [2, 4], [5, 9]))
    expect(cutAt(9)).toEqual(epochsOf([1, 0], [2, 4]))
    expect(cutAt(5)).toEqual(epochsOf([1, 0], [2, 4]))
    expect(cutAt(4)).toEqual(epochsOf([1, 0]))
    expect(cutAt(0)).toEqual([])
  })

  test('are forgotten with what retention takes; the one that holds the log start begins there', () => {
    const trimAt = (startOffset: number): Epochs => {
      const epochs = epochsOf([1, 0], [2, 4], [5, 9])
      trimEpochs(epochs, startOffset)
      return epochs
    }
    expect(trimAt(0)).toEqual(epochsOf([1, 0], [2, 4], [5, 9]))
    expect(trimAt(3)).toEqual(epochsOf([1, 3], [2, 4], [5, 9]))
    expect(trimAt(4)).toEqual(epochsOf([2, 4], [5, 9]))
    // Everything is gone: the last epoch stays, for it is the last that this log knows of.
    expect(trimAt(20)).toEqual(epochsOf([5, 20]))
  })
})

describe('a follower cuts', () => {
  test('at the end of the epoch as the leader has it', () => {
    expect(divergingEnd(epochsOf([0, 0], [1, 5]), { epoch: 0, endOffset: 3 }, 8)).toBe(3)
  })

  test('not beyond the end of that epoch in its own log', () => {
    expect(divergingEnd(epochsOf([0, 0], [1, 5]), { epoch: 0, endOffset: 7 }, 8)).toBe(5)
  })

  test('at the end of the largest epoch that it has itself, if it does not have that of the leader', () => {
    expect(divergingEnd(epochsOf([0, 0], [3, 5]), { epoch: 2, endOffset: 7 }, 8)).toBe(5)
  })

  test('everything, if the leader has nothing that old', () => {
    expect(divergingEnd(epochsOf([0, 0]), { epoch: NO_EPOCH, endOffset: 4 }, 8)).toBe(0)
  })

  /** A reign: its leader appends, then others copy from it up to some offset, having cut what it does not have. */
  const reign = fc.record({
    leader: fc.nat(2),
    appends: fc.nat(3),
    copies: fc.array(fc.record({ node: fc.nat(2), count: fc.nat(4) }), { maxLength: 3 }),
  })

  test('until both agree, in no more steps than it has epochs, and never what both have in common', () => {
    fc.assert(
      fc.property(fc.array(reign, { maxLength: 12 }), fc.nat(2), fc.nat(2), (reigns, one, other) => {
        const logs = logsAfter(reigns)
        const [follower, leader] = [logs[one] ?? [], logs[other] ?? []]
        expect(cutToAgree(follower, leader)).toBe(sharedLength(follower, leader))
      }),
    )
  })

  /** Where a follower's log ends when it has asked its leader often enough. */
  function cutToAgree(follower: readonly number[], leader: readonly number[]): number {
    const epochs = entriesOf(follower)
    let end = follower.length
    for (let steps = epochs.length; steps >= 0; steps--) {
      const answer = endOfEpoch(entriesOf(leader), lastEpoch(epochs), leader.length)
      if (end === 0 || (answer.epoch === lastEpoch(epochs) && answer.endOffset >= end)) return end
      end = divergingEnd(epochs, answer, end)
      truncateEpochs(epochs, end)
    }
    throw new Error('it has asked more often than it has epochs')
  }

  /** Three logs, as the epoch of each offset. */
  function logsAfter(
    reigns: readonly { leader: number; appends: number; copies: readonly { node: number; count: number }[] }[],
  ): number[][] {
    const logs: number[][] = [[], [], []]
    reigns.forEach(({ leader, appends, copies }, epoch) => {
      logs[leader]?.push(...Array.from({ length: appends }, () => epoch))
      const own = logs[leader] ?? []
      for (const { node, count } of copies) logs[node] = own.slice(0, sharedLength(logs[node] ?? [], own) + count)
    })
    return logs
  }

  /** In how many offsets two logs agree: an epoch has one leader, so that what has the same offset and epoch is the same record. */
  function sharedLength(a: readonly number[], b: readonly number[]): number {
    let i = 0
    while (i < a.length && i < b.length && a[i] === b[i]) i++
    return i
  }
})
