// Keys must land in the partition where every other Kafka client puts them: the vectors are those of Kafka's own tests.

import { expect, test } from 'vitest'
import { murmur2, partitionForKey } from '../../protocol/murmur2.ts'

const encoder = new TextEncoder()

test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2 of %s is the number that Kafka computes', (text, expected) => {
  expect(murmur2(encoder.encode(text))).toBe(expected)
})

test('a key belongs to the positive hash modulo the number of partitions', () => {
  expect(partitionForKey(encoder.encode('21'), 10)).toBe((-973932308 & 0x7fffffff) % 10)
  expect(partitionForKey(encoder.encode('abc'), 7)).toBe(479470107 % 7)
  expect(partitionForKey(new Uint8Array(0), 1)).toBe(0)
})

test('a topic without partitions is a bug of the caller', () => {
  expect(() => partitionForKey(encoder.encode('21'), 0)).toThrow('a topic has at least one partition')
})
