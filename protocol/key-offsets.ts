/**
 * The newest offset of each key, as the cleaner of a log needs it: a hash table with open addressing. The keys themselves are kept and compared, not only
 * their hashes: two keys that are taken for one would cost a record. Which of the noted offsets have a newer one with the same key, a bit for each says:
 * whoever goes over them again need not look their keys up.
 *
 *   slot: hash i32 │ 1 + where the key lies i32, 0: empty │ offset, low 32 bits │ high bits        (one cache line, if not two)
 *   keys: length u32 │ bytes, one after the other
 */

const SLOT_WORDS = 4
const FIRST_SLOTS = 1024
const FIRST_KEY_BYTES = 16 * 1024
const LENGTH_BYTES = 4
const TWO_32 = 2 ** 32

/** Offsets of one page of bits. */
const PAGE_OFFSETS = 2 ** 15
const PAGE_BYTES = PAGE_OFFSETS / 8

/** Newest offsets by key. */
export class KeyOffsets {
  #slots: Int32Array = new Int32Array(FIRST_SLOTS * SLOT_WORDS)
  #keys: Uint8Array = new Uint8Array(FIRST_KEY_BYTES)
  #keyBytes = 0
  #count = 0
  /** Pages of bits, by page number from the first offset on; those in which no bit is set are missing. */
  readonly #outdated: Map<number, Uint8Array> = new Map()
  readonly #firstOffset: number

  /** No key is noted yet. The bits are for offsets from `firstOffset` on: keys of others are looked up. */
  constructor(firstOffset: number) {
    this.#firstOffset = firstOffset
  }

  /** How many keys it knows. */
  get count(): number {
    return this.#count
  }

  /** The memory that it takes. */
  get sizeBytes(): number {
    return this.#slots.byteLength + this.#keys.length + this.#outdated.size * PAGE_BYTES
  }

  /** Notes that the key `bytes[begin..end)` has a record at that offset, which is larger than all before. The key is copied. */
  put(bytes: Uint8Array, begin: number, end: number, offset: number): void {
    const hash = hashOf(bytes, begin, end)
    let word = this.#find(hash, bytes, begin, end)
    if (this.#slots[word + 1] !== 0) this.#setOutdated(this.#offsetAt(word))
    else {
      if ((this.#count + 1) * 2 * SLOT_WORDS > this.#slots.length) {
        this.#grow()
        word = this.#find(hash, bytes, begin, end)
      }
      this.#slots[word] = hash
      this.#slots[word + 1] = this.#keep(bytes, begin, end) + 1
      this.#count++
    }
    this.#slots[word + 2] = offset | 0
    this.#slots[word + 3] = offset / TWO_32
  }

  /** Whether a record at that offset, with the key `bytes[begin..end)`, has a newer one. */
  isOutdated(bytes: Uint8Array, begin: number, end: number, offset: number): boolean {
    const index = offset - this.#firstOffset
    if (index >= 0) {
      const page = this.#outdated.get(Math.floor(index / PAGE_OFFSETS))
      return page !== undefined && (page[(index % PAGE_OFFSETS) >> 3]! & (1 << (index & 7))) !== 0
    }
    const word = this.#find(hashOf(bytes, begin, end), bytes, begin, end)
    return this.#slots[word + 1] !== 0 && this.#offsetAt(word) > offset
  }

  #setOutdated(offset: number): void {
    const index = offset - this.#firstOffset
    if (index < 0) return
    const number = Math.floor(index / PAGE_OFFSETS)
    let page = this.#outdated.get(number)
    if (page === undefined) this.#outdated.set(number, (page = new Uint8Array(PAGE_BYTES)))
    page[(index % PAGE_OFFSETS) >> 3]! |= 1 << (index & 7)
  }

  #offsetAt(word: number): number {
    return this.#slots[word + 3]! * TWO_32 + (this.#slots[word + 2]! >>> 0)
  }

  /** The first word of the slot of the key, or of the empty one where it would go. */
  #find(hash: number, bytes: Uint8Array, begin: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let word = (hash * SLOT_WORDS) & mask; ; word = (word + SLOT_WORDS) & mask) {
      const key = slots[word + 1]!
      if (key === 0 || (slots[word] === hash && this.#isAt(key - 1, bytes, begin, end - begin))) return word
    }
  }

  #isAt(at: number, bytes: Uint8Array, begin: number, length: number): boolean {
    const keys = this.#keys
    if (wordAt(keys, at) !== length) return false
    for (let i = 0; i < length; i++) if (keys[at + LENGTH_BYTES + i] !== bytes[begin + i]) return false
    return true
  }

  /** Copies a key; where it lies. */
  #keep(bytes: Uint8Array, begin: number, end: number): number {
    const at = this.#keyBytes
    const length = end - begin
    this.#keyBytes += LENGTH_BYTES + length
    if (this.#keyBytes > this.#keys.length) {
      const grown = new Uint8Array(Math.max(this.#keyBytes, this.#keys.length * 2))
      grown.set(this.#keys.subarray(0, at))
      this.#keys = grown
    }
    const keys = this.#keys
    for (let i = 0; i < LENGTH_BYTES; i++) keys[at + i] = length >>> (i * 8)
    for (let i = 0; i < length; i++) keys[at + LENGTH_BYTES + i] = bytes[begin + i]!
    return at
  }

  #grow(): void {
    const slots = this.#slots
    const grown = new Int32Array(slots.length * 2)
    const mask = grown.length - 1
    for (let from = 0; from < slots.length; from += SLOT_WORDS) {
      if (slots[from + 1] === 0) continue
      let to = (slots[from]! * SLOT_WORDS) & mask
      while (grown[to + 1] !== 0) to = (to + SLOT_WORDS) & mask
      for (let i = 0; i < SLOT_WORDS; i++) grown[to + i] = slots[from + i]!
    }
    this.#slots = grown
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** Murmur's mixing, four bytes at a time. */
function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = end - begin
  let at = begin
  for (; at + 4 <= end; at += 4) {
    let word = wordAt(bytes, at)
    word = Math.imul(word, 0x5bd1e995)
    word ^= word >>> 24
    hash = Math.imul(hash, 0x5bd1e995) ^ Math.imul(word, 0x5bd1e995)
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x5bd1e995)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0x5bd1e995)
  return hash ^ (hash >>> 15)
}
