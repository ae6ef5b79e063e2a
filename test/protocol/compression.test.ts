// The numbers of the codecs are Kafka's.

import { expect, test } from 'vitest'
import { COMPRESSIONS, compressionId, compressionOf } from '../../protocol/compression.ts'

test('codecs have the numbers 0 to 4 in the order of the protocol', () => {
  expect(COMPRESSIONS.map((name) => [name, compressionId(name)])).toEqual([
    ['none', 0],
    ['gzip', 1],
    ['snappy', 2],
    ['lz4', 3],
    ['zstd', 4],
  ])
})

test('numbers lead back to names, and those beyond to null', () => {
  for (const name of COMPRESSIONS) expect(compressionOf(compressionId(name))).toBe(name)
  expect([5, 6, 7, -1].map(compressionOf)).toEqual([null, null, null, null])
})
