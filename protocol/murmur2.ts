// murmur2 as Kafka's default partitioner computes it (seed 0x9747b28c), so that a key lands in the same partition as with any Kafka client.
// It does not decide what happens to records without a key.

import { assert } from './assert.ts'

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/** The murmur2 hash of some bytes, as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const tail = length & ~3
  let hash = SEED ^ length
  for (let at = 0; at < tail; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ word
  }
  return finish(length === tail ? hash : mixTail(hash, bytes, tail))
}

/** The partition of a key: `toPositive(murmur2(key)) % partitionCount`, as in Kafka. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  assert(partitionCount > 0, 'a topic has at least one partition')
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

function mixTail(hash: number, bytes: Uint8Array, tail: number): number {
  let rest = 0
  for (let at = bytes.length - 1; at >= tail; at--) rest = (rest << 8) | bytes[at]!
  return Math.imul(hash ^ rest, MULTIPLIER)
}

function finish(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return mixed ^ (mixed >>> 15)
}
