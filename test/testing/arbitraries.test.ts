// What properties about a cluster are drawn from: records that a producer takes, and fault plans that `simulate` takes.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { faultArbitrary, keyArbitrary, recordArbitrary, simulate } from '../../testing/index.ts'

const SAMPLE = { numRuns: 200, seed: 1 }

test('keys meet again, and some records have none', () => {
  const keys = fc.sample(keyArbitrary(fc), SAMPLE)
  expect(keys).toContain(null)
  expect(keys).toContain('')
  expect(keys.filter((key) => key === 'a').length).toBeGreaterThan(20)
})

test('records have a partition of the topic or none, and some are tombstones', () => {
  const records = fc.sample(recordArbitrary(fc, { partitions: 3 }), SAMPLE)
  expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2, undefined]))
  expect(records.some(({ value }) => value === null)).toBe(true)
})

test('fault plans are taken by the simulation, and the least of them is none', async () => {
  const plans = fc.sample(faultArbitrary(fc), SAMPLE)
  expect(new Set(plans.flatMap((plan) => Object.keys(plan))).size).toBeGreaterThan(20)
  await simulate(() => Promise.resolve(), { seed: 1, runs: 1, faults: plans[0]! })
  const details = fc.check(
    fc.property(faultArbitrary(fc, ['kill', 'loss']), (plan) => Object.keys(plan).length > 2),
    SAMPLE,
  )
  expect(details.counterexample).toEqual([{}])
})
