/**
 * Writes values into a growing buffer, in the form of value-format.ts. Whoever needs to know of bytes only whether they are the same has their
 * checksum written instead of them.
 */
import { assert } from '../assert.ts'
import { VARINT_BYTES_MAX, writeVarint } from '../bytes.ts'
import { crc32c } from '../crc32c.ts'
import { utf8Size, writeUtf8 } from '../utf8.ts'
import * as format from './value-format.ts'

/** What is written of bytes whose content does not matter. */
export interface BytesDigest {
  readonly sizeBytes: number
  readonly crc32c: number
}

/** All fields so far, in order; `number` is that of the object that has exactly these, -1 before there was one. */
interface Fields {
  readonly next: Map<string, Fields>
  number: number
}

const BUFFER_BYTES_MIN = 1024

/** Most bytes of a number and the byte before it. */
const NUMBER_BYTES_MAX = 9

/** A buffer with values. `bytes` is replaced when it has to grow. */
export class ValueWriter {
  bytes: Uint8Array = new Uint8Array(BUFFER_BYTES_MIN)
  /** How much of `bytes` counts. */
  size = 0
  #view: DataView = new DataView(this.bytes.buffer)
  readonly #texts: Map<string, number> = new Map()
  #fields: Fields = noFields()
  #fieldsCount = 0

  /** Begins anew behind the first `size` bytes, and forgets names and fields. */
  reset(size: number): void {
    this.size = size
    this.#texts.clear()
    this.#fields = noFields()
    this.#fieldsCount = 0
  }

  byte(value: number): void {
    this.#reserve(1)
    this.bytes[this.size++] = value
  }

  float(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.size, value)
    this.size += 8
  }

  /** Writes any plain value. Throws InvariantViolation for what is none: functions, symbols, instances of classes, cycles. */
  value(value: unknown): void {
    this.#value(value, false, 0)
  }

  /** The same, with a BytesDigest in place of bytes. */
  valueWithDigests(value: unknown): void {
    this.#value(value, true, 0)
  }

  #value(value: unknown, asDigest: boolean, depth: number): void {
    switch (typeof value) {
      case 'number':
        return this.#number(value)
      case 'string':
        return this.#text(value)
      case 'boolean':
        return this.byte(value ? format.TRUE : format.FALSE)
      case 'undefined':
        return this.byte(format.UNDEFINED)
      case 'object':
        if (value === null) return this.byte(format.NULL)
        return this.#object(value, asDigest, depth + 1)
      default:
        return assert(false, `a recorded value is plain data, not a ${typeof value}`)
    }
  }

  #number(value: number): void {
    this.#reserve(NUMBER_BYTES_MAX)
    if (value !== (value | 0) || Object.is(value, -0)) {
      this.bytes[this.size++] = format.FLOAT
      return this.float(value)
    }
    if (value >= 0 && value <= format.SMALL_MAX) {
      this.bytes[this.size++] = format.SMALL + value
      return
    }
    this.bytes[this.size++] = format.INTEGER
    this.size = writeVarint(this.bytes, this.size, value)
  }

  #text(text: string): void {
    if (text.length <= format.KNOWN_TEXT_LENGTH_MAX) {
      const known = this.#texts.get(text)
      if (known !== undefined) return this.#tagged(format.KNOWN_TEXT, known)
    }
    if (!text.isWellFormed()) return this.#brokenText(text)
    const isKept = text.length <= format.KNOWN_TEXT_LENGTH_MAX
    if (isKept) this.#texts.set(text, this.#texts.size)
    const size = utf8Size(text)
    this.#tagged(isKept ? format.NEW_TEXT : format.LONG_TEXT, size)
    this.#reserve(size)
    this.size = writeUtf8(this.bytes, this.size, text)
  }

  #brokenText(text: string): void {
    this.#tagged(format.BROKEN_TEXT, text.length)
    this.#reserve(2 * text.length)
    for (let index = 0; index < text.length; index++, this.size += 2) this.#view.setUint16(this.size, text.charCodeAt(index))
  }

  #object(value: object, asDigest: boolean, depth: number): void {
    assert(depth <= format.DEPTH_MAX, 'a recorded value has no cycle')
    if (value instanceof Uint8Array) return asDigest ? this.#object(digestOf(value), asDigest, depth) : this.#bytes(value)
    if (Array.isArray(value)) {
      this.#tagged(format.LIST, value.length)
      for (const item of value) this.#value(item, asDigest, depth)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    assert(prototype === Object.prototype || prototype === null, 'a recorded value is plain data, not an instance of a class')
    this.#fieldsOf(value)
    const fields = value as Readonly<Record<string, unknown>>
    for (const name in fields) this.#value(fields[name], asDigest, depth)
  }

  #fieldsOf(value: object): void {
    let fields = this.#fields
    let count = 0
    for (const name in value) {
      let next = fields.next.get(name)
      if (next === undefined) fields.next.set(name, (next = noFields()))
      fields = next
      count++
    }
    if (fields.number >= 0) return this.#tagged(format.KNOWN_OBJECT, fields.number)
    fields.number = this.#fieldsCount++
    this.#tagged(format.NEW_OBJECT, count)
    for (const name in value) {
      assert(name !== '__proto__', 'a field has a name that can be read back')
      this.#text(name)
    }
  }

  #bytes(bytes: Uint8Array): void {
    this.#tagged(format.BYTES, bytes.length)
    this.#reserve(bytes.length)
    this.bytes.set(bytes, this.size)
    this.size += bytes.length
  }

  #tagged(tag: number, count: number): void {
    this.#reserve(1 + VARINT_BYTES_MAX)
    this.bytes[this.size++] = tag
    this.size = writeVarint(this.bytes, this.size, count)
  }

  #reserve(size: number): void {
    if (this.size + size <= this.bytes.length) return
    const larger = new Uint8Array(2 * (this.size + size))
    larger.set(this.bytes.subarray(0, this.size))
    this.bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

/** Enough to tell bytes from others. */
export function digestOf(bytes: Uint8Array): BytesDigest {
  return { sizeBytes: bytes.length, crc32c: crc32c(bytes) }
}

function noFields(): Fields {
  return { next: new Map(), number: -1 }
}
