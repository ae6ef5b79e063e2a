// What a consumer that commits by hand was given, has not committed, and has lost.
import { expect, test } from 'vitest'
import { ConsumedPartition } from '../../../edge/client/consumed-partition.ts'
import { Uncommitted } from '../../../edge/client/uncommitted.ts'

function lostOne(): Uncommitted {
  const one = new ConsumedPartition('t', 0)
  one.position = 5
  one.saved = 0
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
