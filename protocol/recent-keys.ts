/**
 * The keys that were seen last in a partition, small enough to be kept as the metadata of its committed offset: who reads on from there knows them, too. A key is kept
 * as a hash of 60 bits: among a thousand, a new key is taken for one of them once in 10^15 times.
 */

/** Keys remembered per partition, at most: each takes four characters of the 4,096 that the metadata may have. */
export const RECENT_KEYS_MAX = 1000

/** Begins the text; another version would begin otherwise. */
const PREFIX = 'k1:'

/** Each character carries 15 bits: from here on there are 32,768 that are neither surrogates nor control characters. */
const FIRST_CHARACTER = 0x3400
const CHARACTERS_PER_KEY = 4
const BITS = 15
const MASK = 2 ** BITS - 1

/** The keys of one partition, the oldest first. */
export class RecentKeys {
  readonly #max: number
  readonly #keys: Set<string> = new Set()

  constructor(max: number) {
    this.#max = max
  }

  /** What the metadata of a committed offset says; nothing if it is of another kind. */
  static decode(metadata: string, max: number): RecentKeys {
    const recent = new RecentKeys(max)
    if (!metadata.startsWith(PREFIX)) return recent
    for (let at = PREFIX.length; at + CHARACTERS_PER_KEY <= metadata.length; at += CHARACTERS_PER_KEY)
      recent.#add(metadata.slice(at, at + CHARACTERS_PER_KEY))
    return recent
  }

  /** For the metadata of a committed offset. */
  encode(): string {
    return PREFIX + [...this.#keys].join('')
  }

  has(key: string): boolean {
    return this.#keys.has(hashOf(key))
  }

  /** The key was seen now; the oldest may go. */
  add(key: string): void {
    this.#add(hashOf(key))
  }

  #add(hash: string): void {
    this.#keys.delete(hash)
    this.#keys.add(hash)
    if (this.#keys.size <= this.#max) return
    for (const oldest of this.#keys) {
      this.#keys.delete(oldest)
      return
    }
  }
}

/** Two multiplicative hashes of 30 bits each, as four characters. */
function hashOf(key: string): string {
  let first = 0x9e3779b9
  let second = 0x85ebca6b
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    first = Math.imul(first ^ unit, 0x9e3779b1)
    second = Math.imul(second ^ unit, 0x5f356495)
  }
  first = mix(first ^ key.length)
  second = mix(second ^ Math.imul(first, 0x27d4eb2f))
  return [first & MASK, (first >>> BITS) & MASK, second & MASK, (second >>> BITS) & MASK]
    .map((bits) => String.fromCharCode(FIRST_CHARACTER + bits))
    .join('')
}

/** Spreads each bit over all others (the finaliser of MurmurHash3). */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
