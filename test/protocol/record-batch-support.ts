// What the tests of record batches share: arbitrary records, a builder in one call, golden bytes, and records in a form that compares.

import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { Compression } from '../../protocol/compression.ts'
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts'
import type { BatchHeader } from '../../protocol/record-batch-builder.ts'
import type { LogRecord, RecordHeader } from '../../protocol/record-batch.ts'
import { nodeCompressor } from '../../runtime/compressor.ts'

/** A record before it is in a batch. */
export type Input = {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[] | undefined
}

/** The header of a batch of no particular producer. */
export const plain: BatchHeader = { producerId: -1, producerEpoch: -1, baseSequence: -1 }

const field = fc.option(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 60, maxLength: 200 })))

const header: Arbitrary<RecordHeader> = fc.record({ key: fc.string({ unit: 'grapheme' }), value: field })

/** Any record: nulls, empties, headers with foreign letters, timestamps that run backwards or far ahead. */
export const anyInput: Arbitrary<Input> = fc.record({
  timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 41 }), fc.constantFrom(-1, 0, Number.MAX_SAFE_INTEGER)),
  key: field,
  value: field,
  headers: fc.option(fc.array(header, { maxLength: 3 }), { nil: undefined }),
})

/** Some records for one batch. */
export const anyInputs: Arbitrary<Input[]> = fc.array(anyInput, { minLength: 1, maxLength: 20 })

/** A batch of these records, in memory of its own. */
export function batchOf(inputs: readonly Input[], options: Partial<BatchHeader> = {}): Uint8Array {
  const builder = new RecordBatchBuilder(1024 * 1024)
  for (const { timestamp, key, value, headers } of inputs) builder.append(timestamp, key, value, headers)
  return builder.finish({ ...plain, compressor: nodeCompressor, ...options }).slice()
}

/** What a record of the input must read as at an offset. */
export function expected(input: Input, offset: number): LogRecord {
  return { offset, timestamp: input.timestamp, key: input.key, value: input.value, headers: input.headers ?? [] }
}

/** A text record. */
export function input(timestamp: number, key: string | null, value: string | null, headers: readonly [string, string][] = []): Input {
  return {
    timestamp,
    key: key === null ? null : utf8(key),
    value: value === null ? null : utf8(value),
    headers: headers.length === 0 ? undefined : headers.map(([name, text]) => ({ key: name, value: utf8(text) })),
  }
}

/** Text as bytes. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Bytes from hexadecimal digits; blanks do not count. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'))
}

/** The three records that all golden batches hold. */
export const goldenInputs: readonly Input[] = [
  input(1_700_000_000_000, 'k1', 'hello', [['h', 'v']]),
  input(1_700_000_000_300, null, 'world'),
  input(1_699_999_999_995, 'k3', null),
]

/** Batches of `goldenInputs` as other clients encode them (kafkajs 2.2, @platformatic/kafka 2, Kafka's Java client 4.1): producer 5, epoch 2. */
export const foreignBatches: readonly (readonly [client: string, codec: Compression, bytes: Uint8Array])[] = [
  [
    'kafkajs',
    'none',
    hex(`
    00000000000000000000005900000000029362107c0010000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00090000000322000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
  `),
  ],
  [
    'kafkajs',
    'gzip',
    hex(`
    00000000000000000000006d000000000296af74810011000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    0009000000031f8b08000000000000035362606060c936e4ca48cdc9c96762ca602a9360b8c1c2c4c8559e5f9493c220c0c0c9c2926dcc
    c80000f42c511828000000
  `),
  ],
  [
    'platformatic',
    'none',
    hex(`
    0000000000000000000000590000000002d27e44270000000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00000000000322000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
  `),
  ],
  [
    'platformatic',
    'gzip',
    hex(`
    00000000000000000000006d00000000022b3c37a60001000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    0000000000031f8b08000000000000035362606060c936e4ca48cdc9c96762ca602a9360b8c1c2c4c8559e5f9493c220c0c0c9c2926dcc
    c80000f42c511828000000
  `),
  ],
  [
    'platformatic',
    'snappy',
    hex(`
    00000000000000000000005b000000000298f832220002000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    000000000003289c22000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
  `),
  ],
  [
    'platformatic',
    'lz4',
    hex(`
    0000000000000000000000680000000002a3cb3f330003000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00000000000304224d186040822800008022000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b33
    010000000000
  `),
  ],
  [
    'platformatic',
    'zstd',
    hex(`
    00000000000000000000006200000000022c6867c20004000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00000000000328b52ffd202841010022000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
  `),
  ],
  [
    'java',
    'none',
    hex(`
    000000000000000000000059ffffffff029362107c0010000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00090000000322000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
  `),
  ],
  [
    'java',
    'gzip',
    hex(`
    00000000000000000000006dffffffff02959b7f4e0011000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    0009000000031f8b08000000000000ff5362606060c936e4ca48cdc9c96762ca602a9360b8c1c2c4c8559e5f9493c220c0c0c9c2926dcc
    c80000f42c511828000000
  `),
  ],
  [
    'java',
    'snappy',
    hex(`
    00000000000000000000006fffffffff025b8ea40d0012000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00090000000382534e415050590000000001000000010000002a289c22000000046b310a68656c6c6f02026802761800d80402010a776f
    726c640010000904046b330100
  `),
  ],
  [
    'java',
    'lz4',
    hex(`
    000000000000000000000068ffffffff029608f75f0013000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00090000000304224d186040822800008022000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b33
    010000000000
  `),
  ],
  [
    'java',
    'zstd',
    hex(`
    000000000000000000000065ffffffff02b70cf6260014000000020000018bcfe568000000018bcfe5692c000000000000000500020000
    00090000000328b52ffd005840010022000000046b310a68656c6c6f02026802761800d80402010a776f726c640010000904046b330100
    010000
  `),
  ],
]
