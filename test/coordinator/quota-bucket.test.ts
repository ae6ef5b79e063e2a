// The bucket of a quota: never more than burst and rate, and all of the rate for whoever wants it.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { burstOf, changeRate, isFull, millisToCredit, newBucket, refill, take } from '../../coordinator/quota-bucket.ts'

const rates = fc.integer({ min: 1, max: 10_000_000 })

test('gives in any span of time no more than the burst, what flows in, and the last piece', () => {
  const steps = fc.array(fc.record({ sizeBytes: fc.integer({ min: 1, max: 2_000_000 }), idleMillis: fc.nat(5000) }), { minLength: 1 })
  fc.assert(
    fc.property(rates, steps, (rate, pieces) => {
      const bucket = newBucket(rate, 0)
      const taken: { at: number; sizeBytes: number }[] = []
      let uptime = 0
      for (const { sizeBytes, idleMillis } of pieces) {
        take(bucket, sizeBytes, uptime)
        taken.push({ at: uptime, sizeBytes })
        uptime += millisToCredit(bucket) + idleMillis
      }
      taken.forEach(({ at: begin }, first) => {
        let sum = 0
        for (const { at, sizeBytes } of taken.slice(first)) {
          expect(sum).toBeLessThanOrEqual(burstOf(rate) + (rate * (at - begin)) / 1000 + 1)
          sum += sizeBytes
        }
      })
    }),
  )
})

test('gives the whole rate to who always wants more, whatever the sizes, and however late timers are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 10_000_000 }),
      fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
      fc.nat(30),
      (rate, sizes, lateMillis) => {
        const bucket = newBucket(rate, 0)
        let [uptime, sum] = [0, 0]
        for (let i = 0; uptime < 60_000 && i < 100_000; i++) {
          const sizeBytes = Math.min(sizes[i % sizes.length] ?? 1, rate)
          take(bucket, sizeBytes, uptime)
          sum += sizeBytes
          const wait = millisToCredit(bucket)
          uptime += wait === 0 ? 0 : wait + lateMillis
        }
        if (uptime < 60_000) return
        expect(sum).toBeGreaterThanOrEqual((rate * (uptime - 1 - lateMillis)) / 1000 - 1)
      },
    ),
  )
})

test('counts what has flown in at the old rate before it changes, and keeps debts', () => {
  const bucket = newBucket(1000, 0)
  take(bucket, 1100, 0)
  expect(millisToCredit(bucket)).toBe(1000)
  changeRate(bucket, 100, 500)
  expect(millisToCredit(bucket)).toBe(5000)
  changeRate(bucket, 10_000, 1500)
  expect(millisToCredit(bucket)).toBe(40)
  refill(bucket, 1540)
  expect([millisToCredit(bucket), isFull(bucket)]).toEqual([0, false])
  refill(bucket, 10_000)
  expect([bucket.tokens, isFull(bucket)]).toEqual([1000, true])
})
