/**
 * Reads values that value-writer.ts has written. Bytes that are no such values set `failed`, and read as null from there on: a caller checks once.
 */
import { VarintReader } from '../bytes.ts'
import { readUtf8 } from '../utf8.ts'
import * as format from './value-format.ts'

/** Reads the values of one chunk, one after the other. */
export class ValueReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #numbers: VarintReader
  readonly #texts: string[] = []
  readonly #fields: (readonly string[])[] = []

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#numbers = new VarintReader(bytes, 0, bytes.length)
  }

  /** Something that was read was not there. */
  get failed(): boolean {
    return this.#numbers.failed
  }

  /** Nothing is left, or nothing more can be read. */
  get done(): boolean {
    return this.#numbers.position >= this.#bytes.length
  }

  byte(): number {
    const at = this.#take(1)
    return at < 0 ? 0 : this.#bytes[at]!
  }

  float(): number {
    const at = this.#take(8)
    return at < 0 ? 0 : this.#view.getFloat64(at)
  }

  /** A whole number; anything else is a failure. */
  integer(): number {
    const value = this.value()
    return typeof value === 'number' && Number.isInteger(value) ? value : this.#fail(0)
  }

  /** A text; anything else is a failure. */
  text(): string {
    const value = this.value()
    return typeof value === 'string' ? value : this.#fail('')
  }

  /** The next value: new, and its own. */
  value(): unknown {
    return this.#value(0)
  }

  #value(depth: number): unknown {
    if (depth > format.DEPTH_MAX) return this.#fail(null)
    const tag = this.byte()
    if (tag >= format.SMALL) return tag - format.SMALL
    switch (tag) {
      case format.NULL:
        return null
      case format.UNDEFINED:
        return undefined
      case format.FALSE:
      case format.TRUE:
        return tag === format.TRUE
      case format.INTEGER:
        return this.#numbers.varint()
      case format.FLOAT:
        return this.float()
      case format.LIST:
        return this.#list(depth)
      case format.BYTES:
        return this.#ownBytes()
      case format.NEW_OBJECT:
      case format.KNOWN_OBJECT:
        return this.#object(tag, depth)
      default:
        return this.#text(tag)
    }
  }

  #text(tag: number): string {
    const count = this.#count(tag === format.BROKEN_TEXT ? 2 : tag === format.KNOWN_TEXT ? 0 : 1)
    if (tag === format.KNOWN_TEXT) return this.#texts[count] ?? this.#fail('')
    if (tag === format.BROKEN_TEXT) return this.#brokenText(count)
    if (tag !== format.NEW_TEXT && tag !== format.LONG_TEXT) return this.#fail('')
    const at = this.#take(count)
    const text = readUtf8(this.#bytes, at, at + count)
    if (tag === format.NEW_TEXT) this.#texts.push(text)
    return text
  }

  #brokenText(count: number): string {
    const at = this.#take(2 * count)
    let text = ''
    for (let index = 0; index < count; index++) text += String.fromCharCode(this.#view.getUint16(at + 2 * index))
    return text
  }

  #ownBytes(): Uint8Array {
    const count = this.#count(1)
    const at = this.#take(count)
    return new Uint8Array(this.#bytes.subarray(at, at + count))
  }

  #list(depth: number): unknown[] {
    const count = this.#count(1)
    const list: unknown[] = []
    for (let index = 0; index < count && !this.failed; index++) list.push(this.#value(depth + 1))
    return list
  }

  #object(tag: number, depth: number): Record<string, unknown> {
    const fields = tag === format.KNOWN_OBJECT ? this.#fields[this.#count(0)] : this.#newFields()
    const object: Record<string, unknown> = {}
    if (fields === undefined) return this.#fail(object)
    for (const name of fields) object[name] = this.#value(depth + 1)
    return object
  }

  #newFields(): readonly string[] {
    const count = this.#count(1)
    const fields: string[] = []
    for (let index = 0; index < count && !this.failed; index++) fields.push(this.text())
    if (fields.includes('__proto__')) this.#fail(null)
    this.#fields.push(fields)
    return fields
  }

  /** A count of things that take at least so many bytes each, all of which are there. */
  #count(sizeEach: number): number {
    const count = this.#numbers.varint()
    return count >= 0 && count * sizeEach <= this.#bytes.length - this.#numbers.position ? count : this.#fail(0)
  }

  /** Where the next bytes begin; -1 if they are not all there. */
  #take(size: number): number {
    const at = this.#numbers.position
    if (at + size > this.#bytes.length) return this.#fail(-1)
    this.#numbers.position = at + size
    return at
  }

  #fail<Value>(instead: Value): Value {
    this.#numbers.failed = true
    this.#numbers.position = this.#bytes.length
    return instead
  }
}
