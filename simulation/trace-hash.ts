/**
 * The fingerprint of a run: two 32-bit lanes that every event is mixed into. Equal fingerprints mean that the same things
 * happened at the same times in the same order.
 */

/** What stands for a value that has no number. */
const NULL_WORD = 0x6e756c6c
const TRUE_WORD = 0x74727565
const FALSE_WORD = 0x66616c73

/** The two lanes of a fingerprint that is not finished. */
export type HashLanes = readonly [low: number, high: number]

/** The lanes before anything has happened. */
const BEGIN: HashLanes = [0x9e3779b9, 0x85ebca6b]

/** A rolling 64-bit hash. */
export class TraceHash {
  #low: number
  #high: number

  /** Begins anew, or goes on where another one is. */
  constructor([low, high]: HashLanes = BEGIN) {
    this.#low = low
    this.#high = high
  }

  /** Where it is: another one goes on from there. */
  get lanes(): HashLanes {
    return [this.#low, this.#high]
  }

  /** Mixes in one number; only its low 32 bits count. */
  add(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x85ebca6b)
    this.#low = low ^ (low >>> 15)
    const high = Math.imul((this.#high + word) | 0, 0xc2b2ae35)
    this.#high = high ^ (high >>> 13) ^ this.#low
  }

  /** Mixes in a time of any size. */
  addTime(micros: number): void {
    this.add(micros | 0)
    this.add(Math.floor(micros / 0x1_0000_0000))
  }

  /** Mixes in bytes, four at a time. */
  addBytes(view: DataView, begin: number, end: number): void {
    let hash = end - begin
    let at = begin
    for (; at + 4 <= end; at += 4) {
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x9e3779b1)
    this.add(hash)
  }

  /** Mixes in plain data: all values in the order of their fields, bytes included. */
  addValue(value: unknown): void {
    switch (typeof value) {
      case 'number':
        return this.addTime(value)
      case 'string':
        return this.add(hashText(value))
      case 'object':
        return value === null ? this.add(NULL_WORD) : this.#addObject(value)
      default:
        return this.add(value === true ? TRUE_WORD : FALSE_WORD)
    }
  }

  #addObject(value: object): void {
    if (value instanceof Uint8Array) return this.addBytes(new DataView(value.buffer, value.byteOffset, value.byteLength), 0, value.length)
    if (Array.isArray(value)) {
      this.add(value.length)
      for (const item of value) this.addValue(item)
      return
    }
    const fields = value as Readonly<Record<string, unknown>>
    for (const name in fields) this.addValue(fields[name])
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }
}

/** A number that stands for a text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** The hash of many runs, with one more: in the order of their seeds. */
export function withRun(lanes: HashLanes, hash: string): HashLanes {
  const all = new TraceHash(lanes)
  all.add(hashText(hash))
  return all.lanes
}
