// The error table is whole and consistent, and KafkaError says what the table says.

import { expect, test } from 'vitest'
import { KafkaError, NONE, allErrors, codeOf, errorOf, isErrorName, isRetriable } from '../../protocol/errors.ts'

test('every code of Kafka from -1 to 133 has one row, and no code or name has two', () => {
  const codes = allErrors.map(({ code }) => code)
  const kafka = codes.filter((code) => code >= -1)
  expect(kafka).toEqual(Array.from({ length: 135 }, (_, index) => index - 1))
  expect(new Set(codes).size).toBe(allErrors.length)
})

test('codes of our own are far from the wire', () => {
  for (const { code } of allErrors) expect(code >= -1 || code <= -1000).toBe(true)
})

test('every row has one sentence', () => {
  for (const { message } of allErrors) expect(message).toMatch(/^[A-Z][^\n]+\.$/)
})

test('codes and names lead to each other', () => {
  for (const entry of allErrors) {
    expect(errorOf(entry.code)).toEqual(entry)
    expect(codeOf(entry.name)).toBe(entry.code)
    expect(isErrorName(entry.name)).toBe(true)
  }
  expect(codeOf('NONE')).toBe(NONE)
  expect(isErrorName('toString')).toBe(false)
})

test('a code from a newer broker reads as an unknown server error', () => {
  expect(errorOf(9999).name).toBe('UNKNOWN_SERVER_ERROR')
})

test('spot checks against the protocol documentation', () => {
  expect(codeOf('UNKNOWN_TOPIC_OR_PARTITION')).toBe(3)
  expect(codeOf('INVALID_PRODUCER_EPOCH')).toBe(47)
  expect(codeOf('PRODUCER_FENCED')).toBe(90)
  expect(codeOf('UNKNOWN_TOPIC_ID')).toBe(100)
  expect(isRetriable('NOT_LEADER_OR_FOLLOWER')).toBe(true)
  expect(isRetriable('MESSAGE_TOO_LARGE')).toBe(false)
})

test('a KafkaError carries name, code, sentence and cause', () => {
  const cause = new Error('below')
  const error = new KafkaError('DISK_FULL', undefined, { cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'DISK_FULL', code: -1003, retriable: false, cause })
  expect(error.message).toBe('The disk is full; make room and open again.')
  expect(String(error)).toMatch(/^DISK_FULL: /)
})

test('a thrower may know better than the table whether a retry helps', () => {
  const error = new KafkaError('CORRUPT_MESSAGE', 'orders-3 at offset 7', { retriable: false })
  expect(error).toMatchObject({ message: 'orders-3 at offset 7', retriable: false })
  expect('cause' in error).toBe(false)
})
