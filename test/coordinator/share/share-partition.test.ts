// The state of one partition in a share group, against a model that knows each record by itself.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  acknowledge,
  acquire,
  beginLocks,
  checkSharePartition,
  countOf,
  cutEnd,
  expireLocks,
  heldOf,
  LOCK_PENDING,
  newSharePartition,
  raiseStart,
  releaseMember,
  takeBack,
  untoldRanges,
} from '../../../coordinator/share/share-partition.ts'
import type { Acquisition, SharePartition, ShareRecordState } from '../../../coordinator/share/share-partition.ts'
import type { AcknowledgeType } from '../../../protocol/messages/share.ts'
import '../support.ts'

const wanted: Acquisition = {
  memberId: 'a',
  lockUntil: 100,
  deliveryCountLimit: 5,
  countMax: 10,
  hasOthers: false,
  endOffset: 20,
  windowMax: 50,
}

function texts(partition: SharePartition): string[] {
  return partition.ranges.map(({ first, last, state, deliveryCount, memberId }) =>
    `${first}-${last} ${state} ${deliveryCount} ${memberId}`.trim(),
  )
}

describe('a share partition', () => {
  test('gives out new records up to the end, and the window', () => {
    const partition = newSharePartition(3)
    expect(acquire(partition, wanted)).toMatchObject([{ first: 3, last: 12, deliveryCount: 1, memberId: 'a' }])
    expect(acquire(partition, { ...wanted, memberId: 'b' })).toMatchObject([{ first: 13, last: 19, memberId: 'b' }])
    expect(acquire(partition, { ...wanted, memberId: 'c' })).toEqual([])
    expect(acquire(partition, { ...wanted, endOffset: 1000, countMax: 1000 })).toMatchObject([{ first: 20, last: 52 }])
    expect(acquire(partition, { ...wanted, endOffset: 1000, countMax: 1000 })).toEqual([])
    expect(texts(partition)).toEqual(['3-12 acquired 1 a', '13-19 acquired 1 b', '20-52 acquired 1 a'])
  })

  test('begins behind what is done with', () => {
    const partition = newSharePartition(0)
    acquire(partition, wanted)
    expect(acknowledge(partition, { first: 2, last: 3, type: 'accept' }, 'a', 0)).toBe(true)
    expect(partition.startOffset).toBe(0)
    expect(acknowledge(partition, { first: 0, last: 1, type: 'reject' }, 'a', 0)).toBe(true)
    expect(texts(partition)).toEqual(['4-9 acquired 1 a'])
    expect(partition.startOffset).toBe(4)
  })

  test('refuses what a member does not hold, or holds no more', () => {
    const partition = newSharePartition(0)
    acquire(partition, wanted)
    expect(acknowledge(partition, { first: 0, last: 0, type: 'accept' }, 'b', 0)).toBe(false)
    expect(acknowledge(partition, { first: 5, last: 12, type: 'accept' }, 'a', 0)).toBe(false)
    expect(acknowledge(partition, { first: 0, last: 0, type: 'accept' }, 'a', 100)).toBe(false)
    expect(acknowledge(partition, { first: 1, last: 0, type: 'accept' }, 'a', 0)).toBe(false)
    expect(acknowledge(partition, { first: 0, last: 0, type: 'accept' }, 'a', 99)).toBe(true)
    expect(acknowledge(partition, { first: 0, last: 0, type: 'accept' }, 'a', 99)).toBe(false)
  })

  test('gives again what was released, counts it, and archives what has had its attempts', () => {
    const partition = newSharePartition(0)
    const counts: number[] = []
    for (let i = 0; i < 7; i++) {
      const [one] = acquire(partition, { ...wanted, endOffset: 1, deliveryCountLimit: 3 })
      if (one === undefined) continue
      counts.push(one.deliveryCount)
      acknowledge(partition, { first: 0, last: 0, type: 'release' }, 'a', 0)
    }
    expect(counts).toEqual([1, 2, 3])
    expect(partition).toEqual({ startOffset: 1, nextOffset: 1, ranges: [], gone: [] })
  })

  test('does not count an attempt that was none', () => {
    const partition = newSharePartition(0)
    acquire(partition, wanted)
    acknowledge(partition, { first: 0, last: 9, type: 'return' }, 'a', 0)
    expect(acquire(partition, wanted)).toMatchObject([{ first: 0, last: 9, deliveryCount: 1 }])
  })

  test('takes back attempts that nobody was told of, and those only', () => {
    const partition = newSharePartition(0)
    acquire(partition, { ...wanted, lockUntil: LOCK_PENDING })
    beginLocks(partition, { first: 0, last: 3 }, 'a', 100)
    const untold = untoldRanges(partition)
    expect(untold).toMatchObject([{ first: 4, last: 9, deliveryCount: 1 }])
    releaseMember(partition, 'a')
    acquire(partition, { ...wanted, countMax: 6 })
    expect(takeBack(partition, untold[0]!)).toBe(true)
    expect(texts(partition)).toEqual(['0-5 acquired 2 a', '6-9 available 0'])
    expect(takeBack(partition, untold[0]!)).toBe(false)
  })

  test('gives alone what has failed so often that it may be to blame', () => {
    const partition = newSharePartition(0)
    for (let i = 0; i < 2; i++) {
      acquire(partition, { ...wanted, endOffset: 3 })
      releaseMember(partition, 'a')
    }
    expect(acquire(partition, wanted)).toMatchObject([{ first: 0, last: 0, deliveryCount: 3 }])
    expect(acquire(partition, { ...wanted, hasOthers: true })).toEqual([])
    expect(acquire(partition, wanted)).toMatchObject([{ first: 1, last: 1, deliveryCount: 3 }])
    expect(acquire(partition, wanted)).toMatchObject([{ first: 2, last: 2, deliveryCount: 3 }])
    expect(acquire(partition, wanted)).toMatchObject([{ first: 3, last: 12, deliveryCount: 1 }])
  })

  test('begins a lock when its member is told', () => {
    const partition = newSharePartition(0)
    acquire(partition, { ...wanted, lockUntil: LOCK_PENDING })
    acquire(partition, { ...wanted, lockUntil: LOCK_PENDING })
    beginLocks(partition, { first: 4, last: 9 }, 'a', 100)
    beginLocks(partition, { first: 6, last: 9 }, 'a', 200)
    beginLocks(partition, { first: 12, last: 14 }, 'b', 100)
    expect(expireLocks(partition, 100)).toBe(true)
    expect(texts(partition)).toEqual(['0-3 acquired 1 a', '4-9 available 1', '10-19 acquired 1 a'])
    expect(heldOf(partition, { first: 10, last: 19, deliveryCount: 1 }, 'a', 100)).toEqual([{ first: 10, last: 19 }])
    expect(heldOf(partition, { first: 10, last: 19, deliveryCount: 2 }, 'a', 100)).toEqual([])
    expect(heldOf(partition, { first: 9, last: 18, deliveryCount: 1 }, 'a', 100)).toEqual([{ first: 10, last: 18 }])
  })

  test('takes back locks that are over', () => {
    const partition = newSharePartition(0)
    acquire(partition, wanted)
    expect(expireLocks(partition, 99)).toBe(false)
    expect(expireLocks(partition, 100)).toBe(true)
    expect(texts(partition)).toEqual(['0-9 available 1'])
  })

  test('follows a log that loses its beginning, or its end', () => {
    const partition = newSharePartition(0)
    acquire(partition, wanted)
    expect(raiseStart(partition, 4)).toBe(true)
    expect(cutEnd(partition, 7)).toBe(true)
    expect(texts(partition)).toEqual(['4-6 acquired 1 a'])
    expect(raiseStart(partition, 30)).toBe(true)
    expect(partition).toMatchObject({ startOffset: 30, nextOffset: 30, ranges: [] })
    expect(cutEnd(partition, 12)).toBe(true)
    expect(partition).toMatchObject({ startOffset: 12, nextOffset: 12, ranges: [] })
  })

  test('takes what a member says of records that it had when the log lost them, with the others or alone, until its lock is over', () => {
    const accept = (partition: SharePartition, first: number, last: number, memberId: string, uptime = 0): boolean =>
      acknowledge(partition, { first, last, type: 'accept' }, memberId, uptime)
    const cut = (): SharePartition => {
      const partition = newSharePartition(0)
      acquire(partition, { ...wanted, countMax: 3 })
      acquire(partition, { ...wanted, memberId: 'b', countMax: 6 })
      raiseStart(partition, 2)
      raiseStart(partition, 5)
      return partition
    }
    const partition = cut()
    expect(accept(partition, 2, 6, 'b')).toBe(false)
    expect(accept(partition, 3, 6, 'b', 100)).toBe(false)
    expect(accept(partition, 3, 6, 'b')).toBe(true)
    expect(partition).toMatchObject({ startOffset: 7, nextOffset: 9 })
    expect(accept(partition, 5, 6, 'b')).toBe(false)
    expect(accept(partition, 0, 2, 'a')).toBe(true)
    expect(accept(partition, 0, 3, 'a')).toBe(false)
    expect(expireLocks(partition, 100)).toBe(true)
    expect(accept(partition, 0, 2, 'a')).toBe(false)
    expect(partition.gone).toEqual([])
    // What was lost at the end is forgotten, and who leaves has nothing to say any more.
    const other = cut()
    releaseMember(other, 'a')
    expect(accept(other, 0, 2, 'a')).toBe(false)
    cutEnd(other, 4)
    expect(other.gone).toEqual([])
  })

  test('remembers nothing that the log has lost, and of which its member has not been told', () => {
    const partition = newSharePartition(0)
    acquire(partition, { ...wanted, lockUntil: LOCK_PENDING })
    raiseStart(partition, 4)
    expect(partition.gone).toEqual([])
  })
})

// ── the model ──

interface ModelRecord {
  state: ShareRecordState
  count: number
  memberId: string
  lockUntil: number
}

type Step =
  | { readonly kind: 'acquire'; readonly member: string; readonly count: number; readonly lock: number }
  | {
      readonly kind: 'acknowledge'
      readonly member: string
      readonly first: number
      readonly count: number
      readonly type: AcknowledgeType
    }
  | { readonly kind: 'time'; readonly millis: number }
  | { readonly kind: 'leave'; readonly member: string }

const member = fc.constantFrom('a', 'b', 'c')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('acquire' as const),
    member,
    count: fc.integer({ min: 1, max: 8 }),
    lock: fc.integer({ min: 1, max: 30 }),
  }),
  fc.record({
    kind: fc.constant('acknowledge' as const),
    member,
    first: fc.integer({ min: 0, max: 30 }),
    count: fc.integer({ min: 1, max: 6 }),
    type: fc.constantFrom<AcknowledgeType>('accept', 'accept', 'release', 'reject', 'return'),
  }),
  fc.record({ kind: fc.constant('time' as const), millis: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('leave' as const), member }),
)

const LIMIT = 4
const END = 30

test('does what a model of single records does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const partition = newSharePartition(0)
      const model: ModelRecord[] = []
      let now = 0
      for (const one of steps) {
        if (one.kind === 'time') now += one.millis
        if (one.kind === 'time') {
          expireLocks(partition, now)
          for (const record of model) if (record.state === 'acquired' && record.lockUntil <= now) settleModel(record, 'release')
        }
        if (one.kind === 'leave') {
          releaseMember(partition, one.member)
          for (const record of model) if (record.memberId === one.member) settleModel(record, 'release')
        }
        if (one.kind === 'acknowledge') {
          const { first, type } = one
          const last = first + one.count - 1
          const held = model.slice(first, last + 1)
          const isHeld = held.length === one.count && held.every((record) => record.memberId === one.member && record.lockUntil > now)
          expect(acknowledge(partition, { first, last, type }, one.member, now)).toBe(isHeld)
          if (isHeld) for (const record of held) settleModel(record, type)
        }
        if (one.kind === 'acquire') {
          const taken = acquire(partition, {
            memberId: one.member,
            lockUntil: now + one.lock,
            deliveryCountLimit: LIMIT,
            countMax: one.count,
            hasOthers: false,
            endOffset: END,
            windowMax: 12,
          })
          let count = 0
          for (const { first, last, deliveryCount } of taken) {
            for (let offset = first; offset <= last; offset++, count++) {
              const record = (model[offset] ??= { state: 'available', count: 0, memberId: '', lockUntil: 0 })
              expect(record.state).toBe('available')
              expect(deliveryCount).toBe(record.count + 1)
              expect(deliveryCount).toBeLessThanOrEqual(LIMIT)
              Object.assign(record, { state: 'acquired', count: deliveryCount, memberId: one.member, lockUntil: now + one.lock })
            }
          }
          expect(count).toBeLessThanOrEqual(one.count)
          // Nothing is left lying that could have been given.
          if (count === 0) expect(model.filter((record) => record.state === 'available' && record.count < LIMIT)).toEqual([])
          const start = model.findIndex((record) => !isOver(record))
          if (count === 0) expect(model.length).toBe(Math.min(END, (start < 0 ? model.length : start) + 12))
        }
        checkSharePartition(partition)
        compare(partition, model)
      }
    }),
    { numRuns: 300 },
  )
})

function settleModel(record: ModelRecord, type: AcknowledgeType): void {
  record.state = type === 'accept' ? 'acknowledged' : type === 'reject' ? 'archived' : 'available'
  if (type === 'return') record.count--
  record.memberId = ''
  record.lockUntil = 0
}

function isOver({ state, count }: ModelRecord): boolean {
  return state === 'acknowledged' || state === 'archived' || (state === 'available' && count >= LIMIT)
}

/** What has had its attempts is archived when somebody asks for more: until then it is available. */
function compare(partition: SharePartition, model: readonly ModelRecord[]): void {
  expect(partition.nextOffset).toBe(model.length)
  for (let offset = 0; offset < model.length; offset++) {
    const record = model[offset]!
    const range = partition.ranges.find(({ first, last }) => first <= offset && offset <= last)
    if (range === undefined || range.state === 'archived') expect(isOver(record)).toBe(true)
    else expect({ state: range.state, memberId: range.memberId }).toEqual({ state: record.state, memberId: record.memberId })
    if (range !== undefined && range.state !== 'acknowledged' && range.state !== 'archived') expect(range.deliveryCount).toBe(record.count)
  }
  expect(countOf(partition, ['acquired'])).toBe(model.filter(({ state }) => state === 'acquired').length)
}
