// The public client under everything that can go wrong: whole applications whose processes die, judged by what each part of the client promises.

import { expect, test } from 'vitest'
import { simulate } from '../../testing/index.ts'
import { everything } from './everything.ts'

test('producers, processing, transactions, a share group and a compacted table keep their promises', { timeout: 600_000 }, async () => {
  const { seeds } = await simulate(everything, { seed: 1, runs: 10, seconds: 30 })
  expect(seeds).toBe(10)
})

// Here a round that hangs fails when its partition has been lost, and given back, meanwhile. Whoever takes `onGone` out of `edge/client/releases.ts` sees the consumer go back to where
// the round had begun, behind what another member has committed: an order is billed twice.
test('a round that fails late does not go back behind what others have done', { timeout: 120_000 }, async () => {
  await expect(simulate(everything, { seed: 34, runs: 1, seconds: 30 })).resolves.toMatchObject({ seeds: 1 })
})
