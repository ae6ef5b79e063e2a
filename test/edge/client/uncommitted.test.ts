// What a consumer that commits by hand was given, has not committed, and has lost.
import { expect, test } from 'vitest'
import { ConsumedPartition } from '../../../edge/client/consumed-partition.ts'
import { Uncommitted } from '../../../edge/client/uncommitted.ts'

function lostOne(delivered = 5): Uncommitted {
  const one = new ConsumedPartition('t', 0)
  one.delivered = delivered
  one.saved = 1
  one.position = 6
  const uncommitted = new Uncommitted(new Map())
  uncommitted.lose(one)
  return uncommitted
}

test('a commit that fails for another reason leaves the news of a loss to the next one, which tells it once', () => {
  const uncommitted = lostOne()
  // Never done: nobody has answered.
  uncommitted.committing(null)
  expect(uncommitted.committing(null)).toThrow('taken t-0 away')
  expect(uncommitted.committing(null)).not.toThrow()
})

test('a transaction that is to commit everything is told, so that no result is committed without its offset', () => {
  const uncommitted = lostOne()
  expect(() => uncommitted.checkLost()).toThrow('taken t-0 away')
  expect(() => uncommitted.checkLost()).not.toThrow()
})

test('what was passed over since, a marker say, is not what was lost', () => {
  expect(lostOne(1).committing(null)).not.toThrow()
})

test('two commits at once tell it once', () => {
  const uncommitted = lostOne()
  const [first, second] = [uncommitted.committing(null), uncommitted.committing(null)]
  expect(first).toThrow('taken t-0 away')
  expect(second).not.toThrow()
})
