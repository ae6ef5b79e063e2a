/**
 * The newest offset of each key, as the cleaner of a log needs it: a hash table with open addressing over typed arrays. The keys themselves are kept and
 * compared, not only their hashes: two keys that are taken for one would cost a record.
 *
 *   slot: hash i32 │ where the key lies i32 │ its length i32, -1: empty │ offset f64        keys: one after the other
 */

const SLOT_BYTES = 20
const FIRST_SLOTS = 1024
const FIRST_KEY_BYTES = 16 * 1024

/** Newest offsets by key. */
export class KeyOffsets {
  #hashes: Int32Array = new Int32Array(FIRST_SLOTS)
  #begins: Int32Array = new Int32Array(FIRST_SLOTS)
  #lengths: Int32Array = new Int32Array(FIRST_SLOTS).fill(-1)
  #offsets: Float64Array = new Float64Array(FIRST_SLOTS)
  #keys: Uint8Array = new Uint8Array(FIRST_KEY_BYTES)
  #keyBytes = 0
  #count = 0

  /** How many keys it knows. */
  get count(): number {
    return this.#count
  }

  /** The memory that it takes. */
  get sizeBytes(): number {
    return this.#lengths.length * SLOT_BYTES + this.#keys.length
  }

  /** Notes that the key `bytes[begin..end)` has a record at that offset, which is larger than all before. The key is copied. */
  put(bytes: Uint8Array, begin: number, end: number, offset: number): void {
    const hash = hashOf(bytes, begin, end)
    let slot = this.#find(hash, bytes, begin, end)
    if (this.#lengths[slot] === -1) {
      if ((this.#count + 1) * 2 > this.#lengths.length) {
        this.#grow()
        slot = this.#find(hash, bytes, begin, end)
      }
      this.#enter(slot, hash, bytes, begin, end)
    }
    this.#offsets[slot] = offset
  }

  /** The newest offset of the key `bytes[begin..end)`; -1 if it is not known. */
  get(bytes: Uint8Array, begin: number, end: number): number {
    const slot = this.#find(hashOf(bytes, begin, end), bytes, begin, end)
    return this.#lengths[slot] === -1 ? -1 : this.#offsets[slot]!
  }

  /** The slot of the key, or the empty one where it would go. */
  #find(hash: number, bytes: Uint8Array, begin: number, end: number): number {
    const mask = this.#lengths.length - 1
    const length = end - begin
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const known = this.#lengths[slot]!
      if (known === -1) return slot
      if (known === length && this.#hashes[slot] === hash && this.#isAt(this.#begins[slot]!, bytes, begin, length)) return slot
    }
  }

  #isAt(at: number, bytes: Uint8Array, begin: number, length: number): boolean {
    const keys = this.#keys
    for (let i = 0; i < length; i++) if (keys[at + i] !== bytes[begin + i]) return false
    return true
  }

  #enter(slot: number, hash: number, bytes: Uint8Array, begin: number, end: number): void {
    const length = end - begin
    const needed = this.#keyBytes + length
    if (needed > this.#keys.length) {
      const grown = new Uint8Array(Math.max(needed, this.#keys.length * 2))
      grown.set(this.#keys.subarray(0, this.#keyBytes))
      this.#keys = grown
    }
    for (let i = 0; i < length; i++) this.#keys[this.#keyBytes + i] = bytes[begin + i]!
    this.#hashes[slot] = hash
    this.#begins[slot] = this.#keyBytes
    this.#lengths[slot] = length
    this.#keyBytes = needed
    this.#count++
  }

  #grow(): void {
    const [hashes, begins, lengths, offsets] = [this.#hashes, this.#begins, this.#lengths, this.#offsets]
    const slots = lengths.length * 2
    const mask = slots - 1
    this.#hashes = new Int32Array(slots)
    this.#begins = new Int32Array(slots)
    this.#lengths = new Int32Array(slots).fill(-1)
    this.#offsets = new Float64Array(slots)
    for (let i = 0; i < lengths.length; i++) {
      if (lengths[i] === -1) continue
      let slot = hashes[i]! & mask
      while (this.#lengths[slot] !== -1) slot = (slot + 1) & mask
      this.#hashes[slot] = hashes[i]!
      this.#begins[slot] = begins[i]!
      this.#lengths[slot] = lengths[i]!
      this.#offsets[slot] = offsets[i]!
    }
  }
}

/** Murmur's mixing, four bytes at a time. */
function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = end - begin
  let at = begin
  for (; at + 4 <= end; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, 0x5bd1e995)
    word ^= word >>> 24
    hash = Math.imul(hash, 0x5bd1e995) ^ Math.imul(word, 0x5bd1e995)
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x5bd1e995)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0x5bd1e995)
  return hash ^ (hash >>> 15)
}
