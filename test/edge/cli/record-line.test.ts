import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InputError } from '../../../edge/cli/failure.ts'
import { jsonOfRecord, lineOfRecord, recordOfJson, recordOfLine } from '../../../edge/cli/record-line.ts'
import type { ConsumerRecord } from '../../../edge/client/api.ts'

const text = (bytes: Uint8Array | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString()
const line = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

describe('a line of text', () => {
  test('is a value without a tab, and key and value at the first tab', () => {
    expect(text(recordOfLine('t', Buffer.from('book')).value)).toBe('book')
    expect(recordOfLine('t', Buffer.from('book')).key).toBeNull()
    const record = recordOfLine('t', Buffer.from('alice\tbook\tred'))
    expect([text(record.key), text(record.value)]).toEqual(['alice', 'book\tred'])
  })

  test('prints as it was read, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.option(fc.uint8Array().filter((key) => !key.includes(9))), fc.uint8Array(), (key, value) => {
        fc.pre(key !== null || !value.includes(9))
        const printed = lineOfRecord(consumed(key, value))
        const read = recordOfLine('t', printed.subarray(0, -1))
        expect([bytes(read.key), bytes(read.value)]).toEqual([bytes(key), bytes(value)])
      }),
    )
  })
})

describe('a line of JSON', () => {
  test('prints as it was read, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.option(fc.uint8Array()), fc.option(fc.uint8Array()), (key, value) => {
        const read = recordOfJson('t', line(jsonOfRecord(consumed(key, value))), 1)
        expect([bytes(read.key), bytes(read.value), read.partition, read.timestamp]).toEqual([bytes(key), bytes(value), 1, 7])
        expect(read.headers).toEqual({ from: Buffer.from('web') })
      }),
    )
  })

  test('may hold any JSON as value, which becomes text', () => {
    expect(text(recordOfJson('t', line({ value: { item: 'book' } }), 1).value)).toBe('{"item":"book"}')
    expect(text(recordOfJson('t', line({ value: 'book' }), 1).value)).toBe('book')
    expect(recordOfJson('t', line({ value: null }), 1).value).toBeNull()
  })

  test.each([
    ['{"value":', 'line 3 is not JSON'],
    ['[1]', 'line 3 is not a JSON object'],
    ['{"key":"a"}', 'line 3: the record has no value'],
    ['{"value":1,"vlaue":2}', "line 3: a record has no field 'vlaue'"],
    ['{"value":1,"partition":-1}', 'line 3: partition must be'],
    ['{"value":1,"timestamp":"now"}', 'line 3: timestamp must be'],
    ['{"value":1,"headers":[1]}', 'line 3: headers must be'],
  ])('that is wrong is refused with its number: %s', (bad, message) => {
    expect(() => recordOfJson('t', Buffer.from(bad), 3)).toThrow(InputError)
    expect(() => recordOfJson('t', Buffer.from(bad), 3)).toThrow(message)
  })
})

function consumed(key: Uint8Array | null, value: Uint8Array | null): ConsumerRecord {
  return { topic: 't', partition: 1, offset: 5, timestamp: 7, key, value, headers: [{ key: 'from', value: Buffer.from('web') }] }
}

function bytes(value: Uint8Array | null | undefined): number[] | null {
  return value === null || value === undefined ? null : [...value]
}
