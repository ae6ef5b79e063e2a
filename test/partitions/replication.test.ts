// What a leader knows of its followers: the high watermark, the ISR that it should propose, and who counts for what (KIP-497, KIP-903, KIP-966).

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  confirmIsr,
  copiesOf,
  highWatermarkOf,
  lagsOf,
  maximalIsr,
  newReplication,
  noteFetch,
  syncedByAll,
  wantedIsr,
} from '../../partitions/replication.ts'
import type { Replication } from '../../partitions/replication.ts'
import './seeded.ts'

const LAG_MILLIS = 1000

/** When the leader began. */
const LED_SINCE = 100

/** Node 0 leads; all replicas are in sync unless it is said otherwise. */
function leading(replicas: readonly number[], isr: readonly number[] = replicas, epochStartOffset = 0, minInsync = 1): Replication {
  return newReplication(0, { replicas, isr, partitionEpoch: 7 }, { logStartOffset: 0, logEndOffset: epochStartOffset }, minInsync)
}

/** A follower has everything below an offset. */
function fetched(
  replication: Replication,
  node: number,
  endOffset: number,
  logEndOffset: number,
  uptime = 0,
  brokerEpoch = 100 + node,
): void {
  noteFetch(replication, { node, brokerEpoch, endOffset, startOffset: 0, syncedOffset: endOffset - 1 }, logEndOffset, uptime)
}

/** The leader has proposed an ISR, and perhaps others before, for the same partition epoch. */
function propose(replication: Replication, isr: readonly number[], union: readonly number[] = isr): void {
  replication.pending = {
    isr: isr.map((node) => ({ node, brokerEpoch: 100 + node })),
    union,
    correlationId: 1,
    timeoutAt: 500,
    isRefused: false,
  }
}

function highWatermark(replication: Replication, ownEndOffset: number, uptime = 0): number {
  return highWatermarkOf(replication, ownEndOffset, uptime, LAG_MILLIS)
}

function wanted(replication: Replication, offset: number, uptime: number): number[] | null {
  return wantedIsr(replication, offset, uptime, { lagMillis: LAG_MILLIS, ledSince: LED_SINCE })
}

test('what is on every disk is known when all replicas are in sync, and all have said so', () => {
  const replication = leading([0, 1, 2])
  fetched(replication, 1, 8, 10)
  expect(syncedByAll(replication, 10)).toBe(-1)
  fetched(replication, 2, 6, 10)
  expect(syncedByAll(replication, 10)).toBe(5)
  expect(syncedByAll(replication, 4)).toBe(4)
  confirmIsr(replication, { replicas: [0, 1, 2], isr: [0, 1], partitionEpoch: 8 }, 1)
  expect(syncedByAll(replication, 10)).toBe(-1)
})

describe('the high watermark', () => {
  test('of a partition with one replica is where its own log is safe', () => {
    expect(highWatermark(leading([0]), 12)).toBe(12)
  })

  test('is the smallest end of those in sync, and stands still while one of them has not fetched from this leader', () => {
    const replication = leading([0, 1, 2])
    fetched(replication, 1, 8, 10)
    expect(highWatermark(replication, 10)).toBe(-1)
    fetched(replication, 2, 5, 10)
    expect(highWatermark(replication, 10)).toBe(5)
    fetched(replication, 2, 10, 10)
    expect(highWatermark(replication, 10)).toBe(8)
    expect(highWatermark(replication, 3)).toBe(3)
  })

  test('does not wait for those that are out of sync', () => {
    const replication = leading([0, 1, 2], [0, 1])
    fetched(replication, 1, 10, 10)
    expect(highWatermark(replication, 10)).toBe(10)
  })

  test('waits for one that has nearly caught up, so that it can join under load, until it falls behind', () => {
    const replication = leading([0, 1, 2], [0, 1])
    fetched(replication, 1, 10, 10, 200)
    fetched(replication, 2, 10, 10, 200)
    fetched(replication, 1, 12, 12, 300)
    expect(highWatermark(replication, 12, 1199)).toBe(10)
    expect(highWatermark(replication, 12, 1200)).toBe(12)
  })

  test('stands still while fewer are in sync than have to be (KIP-966)', () => {
    const replication = leading([0, 1], [0], 0, 2)
    fetched(replication, 1, 10, 10)
    expect(highWatermark(replication, 10)).toBe(-1)
    // The proposal does not count for that: it may be refused.
    propose(replication, [0, 1])
    expect(highWatermark(replication, 10)).toBe(-1)
    confirmIsr(replication, { replicas: [0, 1], isr: [0, 1], partitionEpoch: 8 }, 2)
    expect(highWatermark(replication, 10)).toBe(10)
  })

  test('counts those whom the leader has proposed to add, for they may be elected before it hears of it', () => {
    const replication = leading([0, 1, 2], [0, 1])
    fetched(replication, 1, 10, 10, 0)
    fetched(replication, 2, 6, 10, 0)
    propose(replication, [0, 1, 2])
    expect(maximalIsr(replication)).toEqual([0, 1, 2])
    expect(highWatermark(replication, 10, 90_000)).toBe(6)
  })

  test('counts those whom the leader has proposed to leave out, until the coordinator has agreed', () => {
    const replication = leading([0, 1, 2])
    fetched(replication, 1, 10, 10)
    fetched(replication, 2, 4, 10)
    propose(replication, [0, 1])
    expect(maximalIsr(replication)).toEqual([0, 1, 2])
    expect(highWatermark(replication, 10, 90_000)).toBe(4)
    confirmIsr(replication, { replicas: [0, 1, 2], isr: [0, 1], partitionEpoch: 8 }, 1)
    expect(highWatermark(replication, 10, 90_000)).toBe(10)
  })

  test('counts whoever was in an earlier proposal for the same partition epoch: it may still be accepted', () => {
    const replication = leading([0, 1, 2], [0])
    fetched(replication, 1, 3, 10)
    fetched(replication, 2, 10, 10)
    propose(replication, [0, 2], [0, 1, 2])
    expect(maximalIsr(replication)).toEqual([0, 1, 2])
    expect(highWatermark(replication, 10, 90_000)).toBe(3)
  })
})

describe('the word of the coordinator', () => {
  test('that is newer answers what was proposed; one of the same epoch does not', () => {
    const replication = leading([0, 1, 2], [0, 1])
    propose(replication, [0, 1, 2])
    confirmIsr(replication, { replicas: [0, 1, 2], isr: [0, 1], partitionEpoch: 7 }, 2)
    expect(replication).toMatchObject({ minInsync: 2, partitionEpoch: 7, pending: { union: [0, 1, 2] } })
    confirmIsr(replication, { replicas: [0, 1, 2], isr: [0, 1, 2], partitionEpoch: 8 }, 1)
    expect(replication).toMatchObject({ isr: [0, 1, 2], minInsync: 1, partitionEpoch: 8, pending: null })
  })

  test('never goes back', () => {
    const replication = leading([0, 1])
    expect(() => confirmIsr(replication, { replicas: [0, 1], isr: [0], partitionEpoch: 6 }, 1)).toThrow('H1')
  })

  test('forgets followers that are no replicas any more', () => {
    const replication = leading([0, 1, 2])
    for (const node of [1, 2]) fetched(replication, node, 5, 5)
    confirmIsr(replication, { replicas: [0, 2, 3], isr: [0, 2], partitionEpoch: 8 }, 1)
    expect([...replication.followers.keys()]).toEqual([2])
    expect(copiesOf(replication, 5, 5)).toBe(2)
  })
})

describe('a follower', () => {
  test('has caught up when it has everything there is, or everything there was when its last fetch was answered', () => {
    const replication = leading([0, 1])
    fetched(replication, 1, 10, 10, 200)
    expect(replication.followers.get(1)).toMatchObject({ caughtUpAt: 200, lastFetchEnd: 10, lastFetchAt: 200 })
    // The log has grown meanwhile, but what there was then it has.
    fetched(replication, 1, 10, 15, 300)
    fetched(replication, 1, 14, 20, 400)
    expect(replication.followers.get(1)?.caughtUpAt).toBe(200)
    fetched(replication, 1, 20, 25, 500)
    expect(replication.followers.get(1)?.caughtUpAt).toBe(400)
  })

  test('that is always a little behind a busy leader stays in sync', () => {
    const replication = leading([0, 1])
    for (let uptime = 200; uptime <= 5000; uptime += 100) {
      fetched(replication, 1, uptime - 100, uptime, uptime)
      expect(wanted(replication, uptime - 100, uptime)).toBeNull()
    }
  })

  test('that comes back as another incarnation has to show anew what it has (KIP-903)', () => {
    const replication = leading([0, 1])
    fetched(replication, 1, 10, 10, 200, 101)
    fetched(replication, 1, 4, 10, 300, 150)
    expect(replication.followers.get(1)).toMatchObject({ brokerEpoch: 150, endOffset: 4, caughtUpAt: -Infinity })
    expect(highWatermark(replication, 10)).toBe(4)
  })

  test('that has begun again with less counts with less', () => {
    const replication = leading([0, 1])
    fetched(replication, 1, 10, 10)
    fetched(replication, 1, 6, 10)
    expect(copiesOf(replication, 7, 10)).toBe(1)
    expect(highWatermark(replication, 10)).toBe(6)
  })
})

describe('the ISR that the leader wants', () => {
  test('is the present one while everybody keeps up', () => {
    const replication = leading([0, 1, 2])
    for (const node of [1, 2]) fetched(replication, node, 10, 10, 900)
    expect(wanted(replication, 10, 1899)).toBeNull()
  })

  test('leaves out those who have not caught up for too long, all at once', () => {
    const replication = leading([0, 1, 2, 3])
    for (const node of [1, 2]) fetched(replication, node, 10, 10, 200)
    fetched(replication, 3, 10, 10, 1000)
    expect(wanted(replication, 10, 1199)).toBeNull()
    expect(wanted(replication, 10, 1200)).toEqual([0, 3])
  })

  test('gives followers that time from when the leader began, so that they can find it', () => {
    const replication = leading([0, 1])
    expect(wanted(replication, 0, LED_SINCE + LAG_MILLIS - 1)).toBeNull()
    expect(wanted(replication, 0, LED_SINCE + LAG_MILLIS)).toEqual([0])
  })

  test('never leaves out the leader', () => {
    expect(wanted(leading([0, 1, 2]), 0, 90_000)).toEqual([0])
  })

  test('takes in whoever has caught up with the high watermark', () => {
    const replication = leading([0, 1, 2], [0])
    fetched(replication, 1, 10, 10, 200)
    fetched(replication, 2, 9, 10, 200)
    expect(wanted(replication, 10, 200)).toEqual([0, 1])
    fetched(replication, 2, 10, 10, 300)
    expect(wanted(replication, 10, 300)).toEqual([0, 1, 2])
  })

  test('takes in nobody who does not have what this leader found when it began, wherever the high watermark is (KAFKA-7128)', () => {
    const replication = leading([0, 1], [0], 10)
    // It has caught up with an older moment, and is above the high watermark, which has not caught up itself.
    fetched(replication, 1, 6, 6, 200)
    expect(wanted(replication, 5, 200)).toBeNull()
    fetched(replication, 1, 10, 12, 300)
    expect(wanted(replication, 5, 300)).toEqual([0, 1])
  })

  test('takes in nobody who was there once and is not any more', () => {
    const replication = leading([0, 1], [0])
    fetched(replication, 1, 10, 10, 200)
    expect(wanted(replication, 10, 200 + LAG_MILLIS)).toBeNull()
  })

  test('takes in no incarnation for the sake of an earlier one', () => {
    const replication = leading([0, 1], [0])
    fetched(replication, 1, 10, 10, 200, 101)
    fetched(replication, 1, 4, 10, 210, 150)
    expect(wanted(replication, 4, 210)).toBeNull()
  })

  test('leaves out before it takes in: one change at a time', () => {
    const replication = leading([0, 1, 2], [0, 1])
    fetched(replication, 2, 10, 10, 2000)
    expect(wanted(replication, 10, 2000)).toEqual([0])
  })

  test('is not thought about while a proposal is under way', () => {
    const replication = leading([0, 1], [0])
    fetched(replication, 1, 10, 10, 200)
    propose(replication, [0, 1])
    expect(wanted(replication, 10, 200)).toBeNull()
  })
})

test('copies are counted wherever they are, in sync or not', () => {
  const replication = leading([0, 1, 2], [0, 1])
  fetched(replication, 1, 5, 10)
  fetched(replication, 2, 10, 10)
  expect([5, 6, 10, 11].map((end) => copiesOf(replication, end, 10))).toEqual([3, 2, 2, 0])
  expect(copiesOf(replication, 5, 4)).toBe(2)
})

test('whatever is fetched and proposed, everyone who may be elected has what is below the high watermark', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('fetch' as const), node: fc.integer({ min: 1, max: 3 }), endOffset: fc.nat(20), epoch: fc.nat(2) }),
    fc.record({ kind: fc.constant('wait' as const), millis: fc.nat(1500) }),
    fc.record({ kind: fc.constant('propose' as const) }),
    fc.record({ kind: fc.constant('accept' as const) }),
    fc.record({ kind: fc.constant('refuse' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), fc.nat(20), (steps, minInsync, epochStart) => {
      const replication = leading([0, 1, 2, 3], [0, 1, 2], epochStart, minInsync)
      let uptime = LED_SINCE
      let reached = 0
      for (const one of steps) {
        const { partitionEpoch, pending } = replication
        const partition = { replicas: [0, 1, 2, 3], partitionEpoch: partitionEpoch + 1 }
        if (one.kind === 'wait') uptime += one.millis
        else if (one.kind === 'fetch') fetched(replication, one.node, one.endOffset, 20, uptime, one.epoch)
        else if (one.kind === 'accept' && pending !== null)
          confirmIsr(replication, { ...partition, isr: pending.isr.map(({ node }) => node) }, minInsync)
        else if (one.kind === 'refuse') confirmIsr(replication, { ...partition, isr: replication.isr }, minInsync)
        else if (one.kind === 'propose') {
          const isr = wanted(replication, reached, uptime)
          // Who joins has at least what readers have seen, and what the leader found.
          const joins = isr?.filter((node) => !replication.isr.includes(node)) ?? []
          for (const node of joins) expect(replication.followers.get(node)?.endOffset).toBeGreaterThanOrEqual(Math.max(reached, epochStart))
          if (isr !== null) propose(replication, isr)
        }
        const end = highWatermark(replication, 20, uptime)
        if (end < 0) continue
        expect(replication.isr.length).toBeGreaterThanOrEqual(minInsync)
        for (const node of maximalIsr(replication))
          if (node !== 0) expect(replication.followers.get(node)?.endOffset).toBeGreaterThanOrEqual(end)
        reached = Math.max(reached, end)
      }
    }),
  )
})

test('how far replicas are behind is said of those who have fetched in this epoch; the leader is not behind itself', () => {
  const replication = leading([2, 0, 1, 3])
  fetched(replication, 1, 4, 10)
  fetched(replication, 2, 10, 10)
  const lags = [
    { node: 2, lag: 2 },
    { node: 0, lag: 0 },
    { node: 1, lag: 8 },
    { node: 3, lag: -1 },
  ]
  expect(lagsOf(replication, 12)).toEqual(lags)
})
