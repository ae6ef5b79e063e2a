// Serdes: values come back as they went, null stays a tombstone, and what cannot be serialised says so.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytes, json, msgpack, string } from '../../edge/client/serdes.ts'
import type { Serde } from '../../edge/client/serdes.ts'

type Order = { id: number; items: string[]; note: string | null }

const order: Order = { id: 7, items: ['Zwirnspule', 'Stern'], note: null }

function roundTrip<T>(serde: Serde<T>, value: T): T {
  return serde.deserialize(serde.serialize(value)!)
}

/** A copy in shared memory, as records have that come out of a ring. */
function shared(input: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(input.length + 3)).subarray(3)
  copy.set(input)
  return copy
}

const failed = expect.objectContaining({ name: 'SERIALIZATION_FAILED', retriable: false })

describe('values come back as they went', () => {
  test('bytes, without a copy', () => {
    const input = Uint8Array.of(1, 2, 3)
    expect(bytes.serialize(input)).toBe(input)
    expect(bytes.deserialize(input)).toBe(input)
  })

  test('any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(roundTrip(string, text)).toBe(text)
      }),
    )
    expect(roundTrip(string, '\ufeffwith a mark')).toBe('\ufeffwith a mark')
    expect(string.deserialize(shared(string.serialize('Käfer')!))).toBe('Käfer')
  })

  test('any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(value !== null)
        expect(roundTrip(json<unknown>(), value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
    expect(json<Order>().deserialize(shared(json<Order>().serialize(order)!))).toEqual(order)
  })

  test('MessagePack: plain data, dates, bytes, 64-bit BigInt', () => {
    const value = { ...order, at: new Date(5), blob: Uint8Array.of(1, 2), big: 2n ** 60n, map: new Map([[1, 'a']]) }
    expect(roundTrip(msgpack<unknown>(), order)).toEqual(order)
    expect(roundTrip(msgpack<Partial<typeof value>>(), value)).toMatchObject({ at: value.at, big: value.big })
    const packed = shared(msgpack<unknown>().serialize(value)!)
    const blob = msgpack<typeof value>().deserialize(packed).blob
    packed.fill(0)
    expect([...blob]).toEqual([1, 2])
  })
})

test('null is a tombstone and passes as null', () => {
  for (const serde of [bytes, string, json<unknown>(), msgpack<unknown>()]) expect(serde.serialize(null)).toBeNull()
})

describe('what cannot be serialised says so', () => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle

  test.each([
    ['bytes', () => (bytes as Serde<unknown>).serialize('text')],
    ['string', () => (string as Serde<unknown>).serialize(7)],
    ['string', () => (string as Serde<unknown>).serialize(undefined)],
    ['json', () => json<unknown>().serialize(() => 1)],
    ['json', () => json<unknown>().serialize(undefined)],
    ['json', () => json<unknown>().serialize({ big: 1n })],
    ['json', () => json<unknown>().serialize(cycle)],
    ['json', () => json<unknown>().serialize({ toJSON: () => undefined })],
    ['msgpack', () => msgpack<unknown>().serialize(undefined)],
    ['msgpack', () => msgpack<unknown>().serialize(() => 1)],
    ['msgpack', () => msgpack<unknown>().serialize(cycle)],
    ['msgpack', () => msgpack<unknown>().serialize(2n ** 70n)],
  ])('the %s serde refuses', (name, action) => {
    expect(action).toThrow(failed)
    expect(action).toThrow(`the ${name} serde`)
  })

  test('a failure leaves nothing behind', () => {
    expect(() => msgpack<unknown>().serialize(cycle)).toThrow(failed)
    expect(roundTrip(msgpack<Order>(), order)).toEqual(order)
  })
})

describe('bytes that are not what they should be', () => {
  test('cut-off JSON and MessagePack fail at every byte', () => {
    for (const serde of [json<Order>(), msgpack<Order>()]) {
      const whole = serde.serialize(order)!
      for (let cut = 0; cut < whole.length; cut++) expect(() => serde.deserialize(whole.subarray(0, cut))).toThrow(failed)
    }
  })

  test('random bytes give a value or SERIALIZATION_FAILED', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
        for (const serde of [string, json<unknown>(), msgpack<unknown>()]) {
          try {
            serde.deserialize(input)
          } catch (error) {
            expect(error).toEqual(failed)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
