import { expect, test } from 'vitest'
import { InputError, describeFailure } from '../../../edge/cli/failure.ts'
import { KafkaError } from '../../../protocol/errors.ts'

test('a failure has its name, its sentence, and what to do next', () => {
  const text = describeFailure(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', "there is no topic 'order'"), false)
  expect(text).toBe(
    "UNKNOWN_TOPIC_OR_PARTITION: there is no topic 'order'\nSee what there is: odradek topics list. Make it: odradek topics create NAME.",
  )
})

test('a retriable failure without advice says that it may work later', () => {
  expect(describeFailure(new KafkaError('REQUEST_TIMED_OUT', 'slow'), false)).toBe('REQUEST_TIMED_OUT: slow\nIt may work when tried again.')
})

test('programs get one JSON object', () => {
  const text = describeFailure(new KafkaError('DISK_FULL', 'full'), true)
  expect(JSON.parse(text)).toEqual({ error: { name: 'DISK_FULL', code: -1003, retriable: false, message: 'full' } })
  expect(JSON.parse(describeFailure(new InputError('line 1'), true))).toEqual({ error: { name: 'InputError', message: 'line 1' } })
})

test('a bug shows its stack', () => expect(describeFailure(new TypeError('oops'), false)).toContain('failure.test.ts'))
