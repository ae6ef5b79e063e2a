/**
 * Turns messages between actors into bytes and back. Values travel as MessagePack (msgpackr); the field names, which
 * all messages of a kind share, travel after them as one text, the shape; a record batch travels last, raw. Little-endian:
 *
 *      0  u32  size of the values         12  i32  from.node          20  u16  size of from.actor
 *      4  u32  size of the records + 1    16  u16  size of the shape  22  u16  magic
 *      8  i32  to.node                    18  u16  size of to.actor   24  values, shape, to.actor, from.actor,
 *                                                                       zeros to a multiple of 8, records
 *
 * Every frame stands alone, and the same message gives the same bytes: what a codec remembers of shapes and names only
 * saves time. `-0` arrives as `0` and a lone surrogate as U+FFFD. It does NOT split what is too large for a ring, and has
 * no checksum: whoever carries a frame delivers it whole or not at all.
 *
 * Measured (2 cores, Node 24; mean of four kinds with 3 to 9 fields): encode 0.15 us, decode 0.22 us; the envelope as plain
 * MessagePack maps takes 0.66 and 0.86 us, because of the field names.
 */
// Not from 'msgpackr': that loads streams, and looks for an addon by way of child_process and net, on every thread.
import { Packr, RESET_BUFFER_MODE, REUSE_BUFFER_MODE } from 'msgpackr/pack'
import { Unpackr } from 'msgpackr/unpack'
import type { Address } from '../actors/actor.ts'
import type { Message } from '../protocol/messages/message.ts'
import { readUtf8, utf8Size, writeUtf8 } from '../protocol/utf8.ts'

/** A message on its way. A decoded one is new and its own, except `message.records`: a view of the frame. */
export interface Envelope {
  readonly to: Address
  readonly from: Address
  readonly message: Message
}

/** The only error of `encode` (a message that is not plain data) and of `decode` (bytes that are not a frame). */
export class CodecError extends Error {
  override readonly name = 'CodecError'
}

/** What all messages with the same kind and the same fields in the same order share. */
interface Shape {
  /** Every field in order, `kind` and `records` included. */
  readonly fields: readonly string[]
  /** The fields that travel as MessagePack. */
  readonly valueFields: readonly string[]
  readonly hasRecords: boolean
  /** A message of this shape whose values are null: copying it is faster than adding fields one by one. */
  readonly template: Readonly<Record<string, unknown>>
  /** `kind`, then `fields`, separated by commas, in UTF-8. */
  readonly text: Uint8Array
  /** Reused by `encode`: the values of the message at hand. */
  readonly values: unknown[]
  /** Another shape of that kind, seen after it: messages with and without an optional field may take turns. */
  other: Shape | null
}

/** msgpackr's own buffer, which other users of it share: valid until anybody packs again. */
interface ReusedBuffer extends Buffer {
  readonly start: number
  readonly end: number
}

const HEADER_SIZE = 24
const MAGIC = 0x3f0d

/** Sizes of texts are u16. */
const TEXT_SIZE_MAX = 0xffff

/** Deeper values are a mistake (or a cycle), and would end in a stack overflow. */
const DEPTH_MAX = 64

/** Entries of each cache: some hundred kinds and the names of a few thousand actors; beyond that, time is lost and nothing else. */
const CACHE_COUNT_MAX = 4096

/** First size of the reused buffers; they grow to the largest message without its records. */
const BUFFER_SIZE = 2 ** 16

/** Encodes and decodes for one thread. What it exposes of an encoded message is valid until the next `encode`. */
export class Codec {
  /** The buffer whose first `headerSize` bytes are the frame less its records. */
  header: Uint8Array = new Uint8Array(0)
  /** Of `header`. */
  view: DataView = new DataView(this.header.buffer)
  /** How much of `header` counts. */
  headerSize = 0
  /** The record batch that follows the header in the frame: the message's own bytes, not a copy. */
  payload: Uint8Array | null = null
  #scratch: Buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE)
  #source: Uint8Array = this.header
  #sourceView: DataView = this.view
  readonly #packr: Packr = new Packr({ useRecords: false, useToJSON: false })
  readonly #unpackr: Unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' })
  readonly #shapesByKind: Map<string, Shape> = new Map()
  readonly #textsByName: Map<string, Uint8Array> = new Map()
  readonly #shapes: TextCache<Shape> = new TextCache(parseShape)
  readonly #names: TextCache<string> = new TextCache((text) => text)

  constructor() {
    this.#useHeader(new Uint8Array(BUFFER_SIZE))
  }

  /** Encodes into `header`, `headerSize` and `payload`. Throws CodecError for what is not plain data: undefined, bytes, classes. */
  encode(to: Address, from: Address, message: Message): void {
    const shape = this.#gather(message)
    const { text, values } = shape
    const payload = shape.hasRecords ? recordsOf(message) : null
    const toActor = this.#textOf(to.actor)
    const fromActor = this.#textOf(from.actor)
    const packed = this.#packr.pack(values, REUSE_BUFFER_MODE | RESET_BUFFER_MODE) as ReusedBuffer
    const valuesSize = packed.end - packed.start
    const shapeAt = HEADER_SIZE + valuesSize
    const toAt = shapeAt + text.length
    const fromAt = toAt + toActor.length
    const end = fromAt + fromActor.length
    const size = payload === null ? end : alignedSize(end)
    if (size > this.header.length) this.#useHeader(new Uint8Array(2 * size))
    const header = this.header
    copy(packed, packed.start, packed.end, header, HEADER_SIZE)
    copy(text, 0, text.length, header, shapeAt)
    copy(toActor, 0, toActor.length, header, toAt)
    copy(fromActor, 0, fromActor.length, header, fromAt)
    for (let at = end; at < size; at++) header[at] = 0
    const view = this.view
    view.setUint32(0, valuesSize, true)
    view.setUint32(4, payload === null ? 0 : payload.length + 1, true)
    view.setInt32(8, checkedNode(to.node), true)
    view.setInt32(12, checkedNode(from.node), true)
    view.setUint16(16, text.length, true)
    view.setUint16(18, toActor.length, true)
    view.setUint16(20, fromActor.length, true)
    view.setUint16(22, MAGIC, true)
    this.headerSize = size
    this.payload = payload
  }

  /** Decodes the frame `bytes[start..end)`, of any memory. Throws CodecError unless that is exactly one whole frame. */
  decode(bytes: Uint8Array, start: number, end: number): Envelope {
    if (end - start < HEADER_SIZE) throw new CodecError('a frame ends in its header')
    const view = this.#viewOf(bytes)
    if (end > bytes.length || view.getUint16(start + 22, true) !== MAGIC) throw new CodecError('not a frame')
    const valuesSize = view.getUint32(start, true)
    const recordsSize = view.getUint32(start + 4, true) - 1
    const shapeAt = start + HEADER_SIZE + valuesSize
    const toAt = shapeAt + view.getUint16(start + 16, true)
    const fromAt = toAt + view.getUint16(start + 18, true)
    const textEnd = fromAt + view.getUint16(start + 20, true)
    const recordsAt = recordsSize < 0 ? textEnd : start + alignedSize(textEnd - start)
    if (textEnd > end || recordsAt + Math.max(recordsSize, 0) !== end) throw new CodecError('the sizes of a frame do not add up')
    const shape = this.#shapes.get(view, shapeAt, toAt)
    const message = fill(shape, this.#unpack(bytes, start + HEADER_SIZE, valuesSize))
    if (recordsSize >= 0) {
      if (!shape.hasRecords) throw new CodecError('records that no field announces')
      message['records'] = new Uint8Array(bytes.buffer, bytes.byteOffset + recordsAt, recordsSize)
    }
    return {
      to: { node: view.getInt32(start + 8, true), actor: this.#names.get(view, toAt, fromAt) },
      from: { node: view.getInt32(start + 12, true), actor: this.#names.get(view, fromAt, textEnd) },
      message: message as unknown as Message,
    }
  }

  /** The shape of a message, its `values` filled in. */
  #gather(message: Message): Shape {
    const known = this.#shapesByKind.get(message.kind)
    if (known !== undefined && gatherValues(known, message)) return known
    if (known !== undefined && known.other !== null && gatherValues(known.other, message)) return known.other
    const shape = shapeOf(message)
    if (this.#shapesByKind.size >= CACHE_COUNT_MAX) this.#shapesByKind.clear()
    if (known === undefined) this.#shapesByKind.set(message.kind, shape)
    else known.other = shape
    gatherValues(shape, message)
    return shape
  }

  #textOf(name: string): Uint8Array {
    const known = this.#textsByName.get(name)
    if (known !== undefined) return known
    if (this.#textsByName.size >= CACHE_COUNT_MAX) this.#textsByName.clear()
    const text = encodeText(name)
    this.#textsByName.set(name, text)
    return text
  }

  /** msgpackr is fastest at the beginning of a small private buffer, and cannot take every string from shared memory. */
  #unpack(bytes: Uint8Array, start: number, size: number): unknown {
    if (size > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(2 * size)
    const scratch = this.#scratch
    copy(bytes, start, start + size, scratch, 0)
    try {
      return this.#unpackr.unpack(scratch, size)
    } catch (cause) {
      throw new CodecError('the values of a frame are no MessagePack', { cause })
    }
  }

  /** A view of all of `bytes`, kept because a ring's reader always passes the same. */
  #viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.#source) {
      this.#source = bytes
      this.#sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    return this.#sourceView
  }

  #useHeader(header: Uint8Array): void {
    this.header = header
    this.view = new DataView(header.buffer)
  }
}

/** Up to this size a loop copies faster than making a view for `set`. */
const LOOP_SIZE_MAX = 64

/** A slot of a TextCache. */
interface TextEntry<Value> {
  readonly text: DataView
  readonly value: Value
}

/** Remembers what texts mean, found by their bytes, so that a text that was seen before is not decoded again. */
class TextCache<Value> {
  readonly #make: (text: string) => Value
  readonly #entries: (TextEntry<Value> | undefined)[] = Array.from({ length: CACHE_COUNT_MAX }, () => undefined)

  constructor(make: (text: string) => Value) {
    this.#make = make
  }

  get(source: DataView, start: number, end: number): Value {
    const index = hashText(source, start, end) % CACHE_COUNT_MAX
    const entry = this.#entries[index]
    if (entry !== undefined && equalsText(entry.text, source, start, end)) return entry.value
    const bytes = new Uint8Array(source.buffer, source.byteOffset + start, end - start).slice()
    const value = this.#make(readUtf8(bytes, 0, bytes.length))
    this.#entries[index] = { text: new DataView(bytes.buffer), value }
    return value
  }
}

function copy(from: Uint8Array, begin: number, end: number, to: Uint8Array, at: number): void {
  if (end - begin > LOOP_SIZE_MAX) to.set(end - begin === from.length ? from : from.subarray(begin, end), at)
  else for (let index = begin, shift = at - begin; index < end; index++) to[shift + index] = from[index]!
}

/** By size and last eight bytes, as names of actors differ at their ends; all of it if shorter. */
function hashText(source: DataView, start: number, end: number): number {
  let hash = end - start
  if (hash >= 8) return mix(mix(hash, source.getUint32(end - 8)), source.getUint32(end - 4)) >>> 12
  for (let at = start; at < end; at++) hash = mix(hash, source.getUint8(at))
  return hash >>> 12
}

/** One step of Fibonacci hashing: the high bits depend on all of both. */
function mix(hash: number, word: number): number {
  return Math.imul((hash ^ (hash >>> 15)) + word, 0x9e3779b1)
}

/** Word by word, the last one overlapping the one before. */
function equalsText(text: DataView, source: DataView, start: number, end: number): boolean {
  const size = end - start
  if (text.byteLength !== size) return false
  const lastAt = size - 4
  for (let at = 0; at < lastAt; at += 4) if (text.getUint32(at) !== source.getUint32(start + at)) return false
  if (lastAt >= 0) return text.getUint32(lastAt) === source.getUint32(start + lastAt)
  for (let at = 0; at < size; at++) if (text.getUint8(at) !== source.getUint8(start + at)) return false
  return true
}

/** Fills `shape.values` from the message; false when the message has other fields, or the same in another order. */
function gatherValues(shape: Shape, message: Message): boolean {
  const { fields, values } = shape
  const source = message as unknown as Readonly<Record<string, unknown>>
  let fieldCount = 0
  let valueCount = 0
  for (const field in source) {
    if (fields[fieldCount++] !== field) return false
    if (field === 'kind' || field === 'records') continue
    const value = source[field]
    if (!isPlain(value, 0)) throw new CodecError(`${message.kind}.${field} is not plain data`)
    values[valueCount++] = value
  }
  return fieldCount === fields.length
}

/** A new message of this shape; its records are null. */
function fill(shape: Shape, values: unknown): Record<string, unknown> {
  const { valueFields } = shape
  const message = { ...shape.template }
  if (!Array.isArray(values) || values.length !== valueFields.length) throw new CodecError('not one value for each field')
  for (let index = 0; index < valueFields.length; index++) {
    const value: unknown = values[index]
    if (!isPlain(value, 0)) throw new CodecError(`${valueFields[index]} is not plain data`)
    message[valueFields[index]!] = value
  }
  return message
}

function shapeOf(message: Message): Shape {
  const names = [message.kind, ...Object.keys(message)]
  if (names.some((name) => typeof name !== 'string' || name.includes(','))) throw new CodecError('a name with a comma')
  return parseShape(names.join(','))
}

function parseShape(text: string): Shape {
  const [kind, ...fields] = text.split(',')
  if (new Set(fields).size !== fields.length || !fields.includes('kind')) throw new CodecError(`not a shape: ${text}`)
  const valueFields = fields.filter((field) => field !== 'kind' && field !== 'records')
  return {
    fields,
    valueFields,
    hasRecords: fields.includes('records'),
    template: Object.fromEntries(fields.map((field) => [field, field === 'kind' ? kind : null])),
    text: encodeText(text),
    values: valueFields.map(() => null),
    other: null,
  }
}

function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Size(text))
  if (bytes.length > TEXT_SIZE_MAX) throw new CodecError(`a name of ${bytes.length} bytes`)
  writeUtf8(bytes, 0, text)
  return bytes
}

function recordsOf(message: Message): Uint8Array | null {
  const records: unknown = 'records' in message ? message.records : null
  if (records === null || records instanceof Uint8Array) return records
  throw new CodecError(`${message.kind}.records is neither bytes nor null`)
}

function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'number':
    case 'string':
    case 'boolean':
      return true
    case 'object':
      return value === null || (depth < DEPTH_MAX && isPlainObject(value, depth + 1))
    default:
      return false
  }
}

/** `__proto__` is the one name that msgpackr does not carry. A hole would arrive as undefined: `every` does not see it. */
function isPlainObject(value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) if (!isPlain(item, depth)) return false
    return true
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || Object.hasOwn(value, '__proto__')) return false
  return Object.values(value).every((item) => isPlain(item, depth))
}

/** Record batches begin at a multiple of 8 bytes, because the ring takes them fastest there. */
function alignedSize(size: number): number {
  return (size + 7) & -8
}

function checkedNode(node: number): number {
  if ((node | 0) !== node) throw new CodecError(`no node has the number ${node}`)
  return node
}
