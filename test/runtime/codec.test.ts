/** What a codec encodes, any codec decodes to the same message; what is not a whole frame is refused. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address } from '../../actors/actor.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { Codec, CodecError, type Envelope } from '../../runtime/codec.ts'

const to: Address = { node: 1, actor: 'replica/orders-7' }
const from: Address = { node: -1, actor: 'producer' }

const fetchResponse: Message = {
  kind: 'fetchResponse',
  correlationId: 7,
  errorCode: 0,
  errorMessage: null,
  highWatermark: 12_345_678_901,
  lastStableOffset: 12_345_678_901,
  abortedTransactions: [],
  logStartOffset: 0,
  epochStartOffset: 0,
  syncedByAll: -1,
  divergingEpoch: -1,
  divergingEndOffset: -1,
  range: { path: 'node-1/orders-7', position: 4096, sizeBytes: 100, availableBytes: 200 },
  records: Uint8Array.of(1, 2, 3, 4, 5),
}

describe('a codec', () => {
  test('carries a message with a record batch, which arrives as a plain view of the frame', () => {
    const bytes = Buffer.concat([Buffer.alloc(3), frameOf(fetchResponse), Buffer.alloc(3)])
    const envelope = new Codec().decode(bytes, 3, bytes.length - 3)
    expect(envelope).toEqual({ to, from, message: fetchResponse })
    const records = recordsOf(envelope)
    expect(records.constructor).toBe(Uint8Array)
    expect(records.buffer).toBe(bytes.buffer)
    expect(records.byteOffset).toBe(bytes.byteOffset + bytes.length - 3 - 5)
  })

  test('does not copy the record batch when it encodes', () => {
    const codec = new Codec()
    codec.encode(to, from, fetchResponse)
    expect(codec.payload).toBe('records' in fetchResponse ? fetchResponse.records : null)
    codec.encode(to, from, { kind: 'synced', token: 1 } as Message)
    expect(codec.payload).toBeNull()
  })

  test('tells no records from an empty batch', () => {
    for (const records of [null, new Uint8Array(0)]) {
      const message = { ...fetchResponse, records }
      expect(decoded(frameOf(message)).message).toEqual(message)
    }
  })

  test('decodes from shared memory', () => {
    const message = messageOf({ kind: 'note', text: 'ü'.repeat(300), records: Uint8Array.of(9) })
    const frame = frameOf(message)
    const shared = new Uint8Array(new SharedArrayBuffer(frame.length + 10))
    shared.set(frame, 10)
    expect(new Codec().decode(shared, 10, shared.length)).toEqual({ to, from, message })
  })

  test('keeps the order of the fields', () => {
    for (const message of [messageOf({ b: 1, kind: 'x', a: 2 }), messageOf({ a: 2, b: 1, kind: 'x' })]) {
      expect(Object.keys(decoded(frameOf(message)).message)).toEqual(Object.keys(message))
    }
  })

  test('gives the same message the same bytes, whatever was encoded and decoded before', () => {
    const used = new Codec()
    const messages = [messageOf({ kind: 'x', a: 1 }), fetchResponse, messageOf({ kind: 'x', b: [{ c: 1 }] })]
    for (const message of [...messages, ...messages]) {
      const frame = frameOf(message, used)
      expect(frame).toEqual(frameOf(message))
      expect(decoded(frame, used)).toEqual(decoded(frame))
    }
  })

  test('grows with the message, and stays usable after one that it refused', () => {
    const codec = new Codec()
    const message = messageOf({
      kind: 'large',
      text: 'x'.repeat(300_000),
      items: Array.from({ length: 50_000 }, (_, i) => i),
    })
    expect(decoded(frameOf(message, codec), codec).message).toEqual(message)
    expect(() => codec.encode(to, from, messageOf({ kind: 'large', text: undefined }))).toThrow(CodecError)
    expect(decoded(frameOf(fetchResponse, codec), codec).message).toEqual(fetchResponse)
  })

  test('gives out bytes that a later use of msgpackr does not change', async () => {
    const { pack } = await import('msgpackr')
    const codec = new Codec()
    codec.encode(to, from, fetchResponse)
    const before = codec.header.slice(0, codec.headerSize)
    const foreign = pack({ text: 'x'.repeat(1000) })
    const foreignBefore = Uint8Array.from(foreign)
    expect(codec.header.slice(0, codec.headerSize)).toEqual(before)
    codec.encode(to, from, messageOf({ kind: 'other', text: 'y'.repeat(1000) }))
    expect(Uint8Array.from(foreign)).toEqual(foreignBefore)
  })

  test('refuses what is not plain data', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    const values = [
      undefined,
      1n,
      Symbol('x'),
      () => 1,
      new Map(),
      new Date(0),
      [undefined],
      Object.assign([], { 1: 'a' }),
      { list: Object.assign([], { length: 2 }) },
      { a: new Uint8Array(1) },
      cycle,
      JSON.parse('{"__proto__":1}'),
    ]
    for (const value of values) {
      expect(() => new Codec().encode(to, from, messageOf({ kind: 'x', value }))).toThrow(CodecError)
    }
    expect(() => new Codec().encode(to, from, messageOf({ kind: 'x', records: [1] }))).toThrow(CodecError)
    expect(() => new Codec().encode(to, from, messageOf({ kind: 'x', 'a,b': 1 }))).toThrow(CodecError)
    expect(() => new Codec().encode({ node: 0.5, actor: '' }, from, fetchResponse)).toThrow(CodecError)
    expect(() => new Codec().encode({ node: 0, actor: 'x'.repeat(70_000) }, from, fetchResponse)).toThrow(CodecError)
  })

  test('carries every message there can be', () => {
    const codec = new Codec()
    fc.assert(
      fc.property(envelopes, fc.nat({ max: 9 }), ({ to, from, message }, start) => {
        codec.encode(to, from, message)
        const bytes = Buffer.concat([Buffer.alloc(start, 0xff), wholeFrame(codec), Buffer.alloc(7, 0xff)])
        expect(codec.decode(bytes, start, bytes.length - 7)).toEqual({ to, from, message })
      }),
      { numRuns: 1000 },
    )
  })

  test('refuses a frame cut at any byte', () => {
    fc.assert(
      fc.property(envelopes, ({ to, from, message }) => {
        const codec = new Codec()
        codec.encode(to, from, message)
        const frame = wholeFrame(codec)
        fc.pre(frame.length < 500)
        for (let end = 0; end < frame.length; end++) {
          const cut = frame.slice(0, end)
          if (refusals(codec, [frame, end], [cut, end], [cut, frame.length]) !== 3) throw new Error(`accepted ${end} bytes`)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('refuses sizes that add up only modulo 2^32', () => {
    const frame = frameOf(fetchResponse)
    const view = new DataView(frame.buffer)
    const textSize = view.getUint16(16, true) + view.getUint16(18, true) + view.getUint16(20, true)
    view.setUint32(0, 2 ** 32 - 24 - textSize, true)
    view.setUint32(4, frame.length + 1, true)
    expect(() => decoded(frame)).toThrow(CodecError)
  })

  test('puts the record batch at a multiple of 8 bytes, where a ring takes it fastest', () => {
    for (const actor of ['a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'abcdefgh']) {
      const codec = new Codec()
      codec.encode({ node: 0, actor }, from, fetchResponse)
      expect(codec.headerSize % 8).toBe(0)
      expect(decoded(wholeFrame(codec)).message).toEqual(fetchResponse)
    }
  })

  test('makes a message of random bytes, or refuses them, and never half a thing', () => {
    const codec = new Codec()
    const frame = frameOf(fetchResponse)
    const damage = fc.array(fc.tuple(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(damage, fc.uint8Array({ maxLength: 200 }), (changes, noise) => {
        const damaged = frame.slice()
        for (const [at, value] of changes) damaged[at] = value
        for (const bytes of [damaged, noise]) expectMessageOrRefusal(codec, bytes)
        expect(decoded(frame, codec).message).toEqual(fetchResponse)
      }),
      { numRuns: 3000 },
    )
  })
})

/** Field names that objects treat specially belong to the sample. */
const specialNames = ['constructor', 'toJSON', 'toString', '__proto__', 'length', '', '0', '10', 'ü', 'sender name']
const fieldName = fc.oneof(fc.constantFrom(...specialNames), fc.string({ unit: 'grapheme', maxLength: 20 }))
const leaf = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double().map((value) => value + 0),
  fc.constantFrom(0, 127, 128, 255, 65_535, 65_536, 2 ** 31, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53, NaN, Infinity),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.boolean(),
  fc.constant(null),
)
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fieldName.filter(isOrdinary), tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
}))
const kind = fc.oneof(fc.constantFrom('fetch', 'produce'), fc.string({ unit: 'grapheme', maxLength: 30 }).filter(hasNoComma))
const address = fc.record({ node: fc.integer(), actor: fc.string({ unit: 'grapheme', maxLength: 40 }) }, { noNullPrototype: true })
const message = fc
  .tuple(
    kind,
    fc.dictionary(fieldName.filter(isOrdinary).filter(hasNoComma), value, { maxKeys: 18, noNullPrototype: true }),
    fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null }),
    fc.boolean(),
  )
  .map(([kind, fields, records, hasRecords]) => messageOf({ ...fields, kind, ...(hasRecords ? { records } : {}) }))
const envelopes = fc.record({ to: address, from: address, message }, { noNullPrototype: true })

function hasNoComma(text: string): boolean {
  return !text.includes(',')
}

/** `records` is the binary field; `__proto__` cannot be spread into a message. */
function isOrdinary(name: string): boolean {
  return name !== 'records' && name !== '__proto__'
}

function messageOf(fields: Record<string, unknown>): Message {
  return fields as unknown as Message
}

function frameOf(sent: Message, codec: Codec = new Codec()): Uint8Array {
  codec.encode(to, from, sent)
  return wholeFrame(codec)
}

function wholeFrame(codec: Codec): Uint8Array {
  const frame = new Uint8Array(codec.headerSize + (codec.payload?.length ?? 0))
  frame.set(codec.header.subarray(0, codec.headerSize))
  if (codec.payload !== null) frame.set(codec.payload, codec.headerSize)
  return frame
}

function decoded(frame: Uint8Array, codec: Codec = new Codec()): Envelope {
  return codec.decode(frame, 0, frame.length)
}

function recordsOf({ message }: Envelope): Uint8Array {
  const records: unknown = 'records' in message ? message.records : null
  if (!(records instanceof Uint8Array)) throw new TypeError('no records')
  return records
}

function refusals(codec: Codec, ...frames: (readonly [Uint8Array, number])[]): number {
  let count = 0
  for (const [bytes, end] of frames) {
    try {
      codec.decode(bytes, 0, end)
    } catch (error) {
      if (error instanceof CodecError) count++
    }
  }
  return count
}

/** What does decode must be a message that can be encoded again. */
function expectMessageOrRefusal(codec: Codec, bytes: Uint8Array): void {
  let envelope: Envelope
  try {
    envelope = decoded(bytes, codec)
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError)
    return
  }
  const again = new Codec()
  again.encode(envelope.to, envelope.from, envelope.message)
  expect(decoded(wholeFrame(again))).toEqual(envelope)
}
