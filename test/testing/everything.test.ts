// The public client under everything that can go wrong: whole applications whose processes die, judged by what each part of the client promises.

import { expect, test } from 'vitest'
import { simulate } from '../../testing/index.ts'
import { everything } from './everything.ts'

test('producers, processing, transactions, a share group and a compacted table keep their promises', { timeout: 600_000 }, async () => {
  const { seeds } = await simulate(everything, { seed: 1, runs: 10, seconds: 30 })
  expect(seeds).toBe(10)
})

// Seed 70: a round of `process` began with what was about to be given away, and was due for ever: the loop did nothing else.
test.for([70])('seed %i stays sound', { timeout: 120_000 }, async (seed) => {
  await expect(simulate(everything, { seed, runs: 1, seconds: 30 })).resolves.toMatchObject({ seeds: 1 })
})
