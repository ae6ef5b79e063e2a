// Kafka's rules for names of topics and groups.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkGroupId, checkTopicName } from '../../protocol/topic-name.ts'

test('every name of the allowed alphabet and length is fine', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9._-]{1,249}$/), (name) => {
      fc.pre(name !== '.' && name !== '..')
      expect(checkTopicName(name)).toBeNull()
    }),
  )
})

test.each([
  ['', 'must not be empty'],
  ['.', "must not be named '.'"],
  ['..', "must not be named '..'"],
  ['a'.repeat(250), 'at most 249 characters, not 250'],
  ['a/b', '"a/b" has characters other than'],
  ['new\nline', 'has characters other than'],
  ['ende\n', 'has characters other than'],
  ['Käfer', 'has characters other than'],
  [7, 'a string, not number'],
  [null, 'a string, not object'],
])('the topic name %j is refused with a reason', (name, reason) => {
  expect(checkTopicName(name)).toContain(reason)
})

test('a group id is any text that prints, of a length that fits the wire', () => {
  expect(checkGroupId('billing / Käfer')).toBeNull()
  expect(checkGroupId('')).toContain('must not be empty')
  expect(checkGroupId('g'.repeat(32_768))).toContain('at most 32767')
  for (const control of ['\0', '\n', '\t', '\u001b', '\u007f', '\u0085'])
    expect(checkGroupId(`a${control}b`)).toContain('control character at index 1')
  expect(checkGroupId(undefined)).toContain('a string, not undefined')
})
