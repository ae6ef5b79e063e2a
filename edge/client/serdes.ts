// Serdes: how the keys and values of a program become bytes, and back. Four small ones; anything with the same two methods will do.
// `null` is not a value but Kafka's tombstone (or "no key"): it passes as null, and `deserialize` is never called for it.
// What cannot be turned into bytes, or back, fails with KafkaError SERIALIZATION_FAILED.

import { Packr } from 'msgpackr/pack'
import { KafkaError } from '../../protocol/errors.ts'

/** Turns values into bytes and back. Stateless as far as its users can tell: one serde may serve many producers and consumers. */
export interface Serde<T> {
  /** The bytes of a value, null for null; they belong to the caller until the record is in a batch. */
  serialize(value: T | null): Uint8Array | null
  /** The value of some bytes, which are only lent: what the value keeps of them it must copy (`bytes` hands on the view as it is). */
  deserialize(bytes: Uint8Array): T
}

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

const packr = new Packr({ useRecords: false, copyBuffers: true })

/** Bytes as they are, without a copy in either direction. */
export const bytes: Serde<Uint8Array> = {
  serialize(value) {
    if (value === null || value instanceof Uint8Array) return value
    throw failure('bytes', 'a Uint8Array', value)
  },
  deserialize: (input) => input,
}

/** Text as UTF-8. */
export const string: Serde<string> = {
  serialize(value) {
    if (value === null) return null
    if (typeof value !== 'string') throw failure('string', 'a string', value)
    return Buffer.from(value, 'utf8')
  },
  deserialize: decodeText,
}

/** Values as JSON text; what JSON cannot say (BigInt, cycles, functions, undefined) fails. */
export function json<T>(): Serde<T> {
  return {
    serialize(value) {
      if (value === null) return null
      const text = attempt('json', 'serialise', () => JSON.stringify(value) as string | undefined)
      if (text === undefined) throw failure('json', 'a value that JSON can express', value)
      return Buffer.from(text, 'utf8')
    },
    deserialize: (input) => attempt('json', 'deserialise', () => JSON.parse(decodeText(input)) as T),
  }
}

/** Values as MessagePack: smaller and faster than JSON, with bytes, dates, maps, sets and BigInt up to 64 bits. */
export function msgpack<T>(): Serde<T> {
  return {
    serialize(value) {
      if (value === null) return null
      if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
        throw failure('msgpack', 'a value that MessagePack can express', value)
      }
      return attempt('msgpack', 'serialise', () => packr.pack(value))
    },
    deserialize: (input) => attempt('msgpack', 'deserialise', () => packr.unpack(input) as T),
  }
}

function decodeText(input: Uint8Array): string {
  return textDecoder.decode(input)
}

function attempt<T>(serde: string, verb: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new KafkaError('SERIALIZATION_FAILED', `the ${serde} serde cannot ${verb}: ${why}`, { cause })
  }
}

function failure(serde: string, wanted: string, value: unknown): KafkaError {
  return new KafkaError('SERIALIZATION_FAILED', `the ${serde} serde needs ${wanted}, not ${typeof value}`)
}
