/** Values of a recording come back exactly; what is no such value is a failure, never half of one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ValueReader } from '../../../protocol/recording/value-reader.ts'
import { digestOf, ValueWriter } from '../../../protocol/recording/value-writer.ts'

const anyValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false),
    fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, 127, 128, -1, 2 ** 31, -(2 ** 31), Number.MAX_SAFE_INTEGER)),
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', 'lone \udc00', 'x'.repeat(65), 'é'.repeat(64))),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ maxLength: 5 }).filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value

function written(...values: readonly unknown[]): Uint8Array {
  const writer = new ValueWriter()
  for (const value of values) writer.value(value)
  return writer.bytes.slice(0, writer.size)
}

function readAll(bytes: Uint8Array): { readonly values: unknown[]; readonly failed: boolean } {
  const reader = new ValueReader(bytes)
  const values: unknown[] = []
  while (!reader.done) values.push(reader.value())
  return { values, failed: reader.failed }
}

describe('values', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { minLength: 1, maxLength: 5 }), (values) => {
        expect(readAll(written(...values))).toStrictEqual({ values, failed: false })
      }),
    )
  })

  test('of which a part is missing are a failure', () => {
    const value = {
      kind: 'x',
      list: [1, 300, 1.5, -0],
      text: 'lone \ud800',
      long: 'y'.repeat(70),
      bytes: new Uint8Array(9),
      again: { kind: 'x' },
    }
    const bytes = written(value)
    for (let size = 0; size < bytes.length; size++) {
      const reader = new ValueReader(bytes.subarray(0, size))
      reader.value()
      expect(reader.failed, `${size} of ${bytes.length} bytes`).toBe(true)
    }
  })

  test('are made of any bytes, or of none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readAll(bytes)))
  })

  test('say names and fields once', () => {
    const one = { partition: 1, topic: 'orders' }
    expect(written(one, { partition: 2, topic: 'orders' }).length - written(one).length).toBe(5)
  })

  test('are borrowed when they are written, and own when they are read', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(4)).fill(7)
    const file = written(bytes)
    bytes.fill(9)
    const { values } = readAll(file)
    file.fill(0)
    expect(values).toStrictEqual([new Uint8Array(4).fill(7)])
  })

  test('have digests in place of bytes where their content does not matter', () => {
    const writer = new ValueWriter()
    const bytes = new Uint8Array([1, 2, 3])
    writer.valueWithDigests({ records: bytes })
    expect(readAll(writer.bytes.slice(0, writer.size)).values).toStrictEqual([{ records: digestOf(bytes) }])
  })

  test.each([
    ['a function', () => 1],
    ['a big number', 1n],
    ['a class', new Map()],
    ['a name that cannot be read back', Object.fromEntries([['__proto__', 1]])],
  ])('are not %s', (_, value) => {
    expect(() => written({ value })).toThrow(/a recorded value is plain data|can be read back/)
  })

  test('are not a cycle', () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    expect(() => written(cycle)).toThrow('has no cycle')
  })
})
