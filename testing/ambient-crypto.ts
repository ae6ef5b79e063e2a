/**
 * The chance of `node:crypto` and of WebCrypto, drawn from the virtual world: at once, or by calling back a turn of the event loop later.
 */
import { createSecretKey } from 'node:crypto'
import type { VirtualWorld } from './ambient.ts'

type Answer<Value> = (error: null, value: Value) => void

/** Bits of an AES key where nobody says how many. */
const KEY_BITS = 128

/** What draws. `soon` calls back later. */
export function virtualCrypto(world: VirtualWorld, soon: (callback: () => void) => unknown): Record<string, unknown> {
  const answer = <Value>(callback: Answer<Value> | undefined, value: Value): Value | undefined => {
    if (typeof callback !== 'function') return value
    soon(() => callback(null, value))
    return undefined
  }
  const fill = <Bytes extends ArrayBufferView>(view: Bytes): Bytes => {
    draw(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    return view
  }
  const draw = (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = world.random() >>> 24
  }
  const fillPart = <Bytes extends ArrayBufferView | ArrayBuffer>(view: Bytes, offset = 0, size?: number): Bytes => {
    const bytes = ArrayBuffer.isView(view) ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view)
    draw(bytes.subarray(offset, size === undefined ? undefined : offset + size))
    return view
  }
  const randomFill = <Bytes extends ArrayBufferView>(view: Bytes, ...rest: unknown[]): void => {
    const callback = rest.pop() as Answer<Bytes>
    answer(callback, fillPart(view, ...(rest as number[])))
  }
  const randomUUID = (): string => {
    const bytes = fill(new Uint8Array(16))
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    return uuidOf(bytes)
  }
  const randomUUIDv7 = (): string => {
    const bytes = fill(Buffer.alloc(16))
    bytes.writeUIntBE(world.now(), 0, 6)
    bytes[6] = (bytes[6]! & 0x0f) | 0x70
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    return uuidOf(bytes)
  }
  const between = (min: number, max: number): number => {
    if (!(max > min))
      throw new RangeError(`The value of "max" is out of range. It must be greater than the value of "min" (${min}). Received ${max}`)
    return min + Math.floor(((world.random() * 0x20_0000 + (world.random() >>> 11)) / 2 ** 53) * (max - min))
  }
  const randomInt = (min: number, max?: number | Answer<number>, callback?: Answer<number>): number | undefined =>
    typeof max === 'number' ? answer(callback, between(min, max)) : answer(max, between(0, min))
  const key = (_: unknown, { length = KEY_BITS }: { readonly length?: number } = {}): unknown =>
    createSecretKey(fill(Buffer.alloc(Math.floor(length / 8))))
  const randomBytes = (size: number, callback?: Answer<Buffer>): Buffer | undefined => answer(callback, fill(Buffer.alloc(size)))
  return {
    randomUUID,
    randomUUIDv7,
    getRandomValues: fill,
    randomBytes,
    pseudoRandomBytes: randomBytes,
    randomFillSync: fillPart,
    randomFill,
    randomInt,
    generateKeySync: key,
    generateKey: (type: unknown, options: { readonly length?: number }, callback: Answer<unknown>) => answer(callback, key(type, options)),
  }
}

function uuidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
