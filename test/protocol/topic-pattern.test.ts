// Patterns of topics: JavaScript's own expressions, over names that are not internal.

import { expect, test } from 'vitest'
import { compilePattern, matchingTopics, TOPIC_PATTERN_LENGTH_MAX } from '../../protocol/topic-pattern.ts'

const NAMES = ['__consumer_offsets', 'Logs', 'a-logs', 'logs', 'other']

test.each([
  ['logs', '', ['a-logs', 'logs']],
  ['^logs$', 'i', ['Logs', 'logs']],
  ['.', 'gy', ['Logs', 'a-logs', 'logs', 'other']],
  ['offsets', '', []],
  ['(', '', []],
])('/%s/%s matches %j', (source, flags, names) => {
  // Twice: an expression with a memory would go on where it stopped.
  expect(matchingTopics({ source, flags }, NAMES)).toEqual(names)
  expect(matchingTopics({ source, flags }, NAMES)).toEqual(names)
})

test('what is no expression, or too long a one, stands for none', () => {
  expect(compilePattern({ source: '(', flags: '' })).toBeNull()
  expect(compilePattern({ source: 'a', flags: 'x' })).toBeNull()
  expect(compilePattern({ source: 'a'.repeat(TOPIC_PATTERN_LENGTH_MAX + 1), flags: '' })).toBeNull()
  expect(compilePattern({ source: 'a'.repeat(TOPIC_PATTERN_LENGTH_MAX), flags: '' })).not.toBeNull()
})
