// The public client under everything that can go wrong: whole applications whose processes die, judged by what each part of the client promises.

import { expect, test } from 'vitest'
import { simulate } from '../../testing/index.ts'
import { everything } from './everything.ts'

test('producers, processing, transactions, a share group and a compacted table keep their promises', { timeout: 600_000 }, async () => {
  const { seeds } = await simulate(everything, { seed: 1, runs: 10, seconds: 30 })
  expect(seeds).toBe(10)
})

// 70: a round of `process` began with what was about to be given away, and was due for ever: the loop did nothing else. 4: a round that hung failed when its partition had been
// lost, and given back, meanwhile: the consumer went back to where the round had begun, behind what another member had committed.
test.for([4, 70])('seed %i stays sound', { timeout: 120_000 }, async (seed) => {
  await expect(simulate(everything, { seed, runs: 1, seconds: 30 })).resolves.toMatchObject({ seeds: 1 })
})
