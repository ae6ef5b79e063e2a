/**
 * Where all chance in a simulation comes from: one small integer generator (sfc32) per purpose, split from the seed by the purpose's
 * name. Switching one fault off does not shift what the others draw. Integers and tables only: the same on every machine.
 */

/** -ln(1 - u) x 1000 at 64 evenly spaced u: exponential draws without Math.log, whose last bit may differ between engines. */
const EXPONENTIAL: readonly number[] = [
  8, 24, 40, 56, 73, 90, 107, 125, 143, 161, 179, 198, 217, 237, 257, 277, 298, 319, 341, 363, 386, 409, 433, 458, 483, 508, 535, 562, 589,
  618, 647, 678, 709, 741, 774, 809, 845, 882, 920, 960, 1002, 1045, 1091, 1138, 1188, 1241, 1297, 1356, 1418, 1485, 1556, 1633, 1717, 1808,
  1908, 2019, 2144, 2287, 2454, 2655, 2906, 3243, 3753, 4852,
]

/** Where a stream of draws stands. */
export type RandomState = readonly [number, number, number, number]

/** A stream of draws. One owner; every draw moves it. */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  /** The generator of one purpose under a seed (a safe integer). */
  constructor(seed: number, purpose: string) {
    let hash = 0x811c9dc5
    for (let i = 0; i < purpose.length; i++) hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193)
    this.#a = hash | 0
    this.#b = seed | 0
    this.#c = Math.floor(seed / 0x1_0000_0000) | 0
    for (let i = 0; i < 12; i++) this.next()
  }

  get state(): RandomState {
    return [this.#a, this.#b, this.#c, this.#count]
  }

  /** A stream that goes on from there. */
  static from(state: RandomState): Random {
    const random = new Random(0, '')
    ;[random.#a, random.#b, random.#c, random.#count] = state
    return random
  }

  /** An unsigned 32-bit number. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 … count - 1. */
  below(count: number): number {
    return Math.floor((this.next() * count) / 0x1_0000_0000)
  }

  /** first … last, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  /** True `count` times in a million. */
  perMillion(count: number): boolean {
    return count > 0 && this.below(1_000_000) < count
  }

  /** A waiting time with this mean: a whole number, at least 1. */
  exponential(mean: number): number {
    return Math.max(1, Math.floor((mean * EXPONENTIAL[this.below(64)]!) / 1000))
  }

  /** One of the items; there is at least one. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }
}
