// Sessions of a partition that is consumed: who has the last word when both sides begin new ones.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextSession } from '../../protocol/session.ts'

const sessions = fc
  .array(fc.constantFrom('seek' as const, 'reset' as const, 'doubt' as const), { maxLength: 20 })
  .map((causes) => causes.reduce(nextSession, 1))

test('the next one is higher', () => {
  fc.assert(
    fc.property(sessions, fc.constantFrom('seek' as const, 'reset' as const, 'doubt' as const), (session, cause) => {
      expect(nextSession(session, cause)).toBeGreaterThan(session)
    }),
  )
})

test('who seeks passes several resets, and a reset several doubts, that were begun in the same session', () => {
  fc.assert(
    fc.property(sessions, fc.integer({ min: 1, max: 9 }), (session, count) => {
      const reset = nextSession(session, 'reset')
      const resets = Array.from({ length: count }).reduce<number>((one) => nextSession(one, 'reset'), session)
      const doubts = Array.from({ length: count }).reduce<number>((one) => nextSession(one, 'doubt'), session)
      expect(nextSession(session, 'seek')).toBeGreaterThan(resets)
      expect(reset).toBeGreaterThan(doubts)
    }),
  )
})
