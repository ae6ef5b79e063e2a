// Assertions stop what is wrong, and say which rule was broken.

import { expect, test } from 'vitest'
import { InvariantViolation, assert, unreachable } from '../../protocol/assert.ts'
import { topicPartitionName } from '../../protocol/ids.ts'

test('a condition that holds passes, one that does not names its rule', () => {
  assert('something', 'any truthy value will do')
  expect(() => assert(false, 'P3 high watermark <= log end')).toThrow(new InvariantViolation('P3 high watermark <= log end'))
})

test('a case that the types ruled out is described', () => {
  expect(() => unreachable({ kind: 'surprise' } as never)).toThrow('unreachable: {"kind":"surprise"}')
  expect(() => unreachable(undefined as never)).toThrow('unreachable: undefined')
})

test('a partition has the name of its directory', () => {
  expect(topicPartitionName('orders', 3)).toBe('orders-3')
})
