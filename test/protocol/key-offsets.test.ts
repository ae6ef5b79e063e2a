// The newest offsets of keys against a plain map, before and behind the first offset that is noted, and far above what 32 bits hold.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyOffsets } from '../../protocol/key-offsets.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Few keys, so that they come again; some with a common beginning, one empty. */
const key = fc.integer({ min: 0, max: 40 }).map((n) => (n === 0 ? '' : 'k'.repeat(n % 7) + n))

function isOutdated(offsets: KeyOffsets, text: string, offset: number): boolean {
  const bytes = encode(text)
  return offsets.isOutdated(bytes, 0, bytes.length, offset)
}

test('a record is outdated if its key was noted at a later offset, and only then', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 100, 2 ** 32 - 5, 2 ** 45),
      fc.array(fc.record({ key, gap: fc.integer({ min: 1, max: 70_000 }) }), { maxLength: 300 }),
      key,
      (firstOffset, puts, old) => {
        const offsets = new KeyOffsets(firstOffset)
        const newest = new Map<string, number>()
        const all: { readonly text: string; readonly offset: number }[] = []
        let offset = Math.max(-1, firstOffset - 50_000)
        for (const one of puts) {
          offset += one.gap
          const bytes = encode(`--${one.key}--`)
          offsets.put(bytes, 2, bytes.length - 2, offset)
          newest.set(one.key, offset)
          all.push({ text: one.key, offset })
        }
        for (const one of all) expect(isOutdated(offsets, one.text, one.offset)).toBe(newest.get(one.text) !== one.offset)
        if (firstOffset > 50_000) expect(isOutdated(offsets, old, firstOffset - 50_000)).toBe(newest.has(old))
        expect(offsets.count).toBe(newest.size)
      },
    ),
  )
})

test('thousands of keys are told apart', () => {
  const offsets = new KeyOffsets(0)
  const empty = offsets.sizeBytes
  for (let i = 0; i < 20_000; i++) {
    const bytes = encode(`key ${i}`)
    offsets.put(bytes, 0, bytes.length, i)
  }
  expect(offsets.count).toBe(20_000)
  expect(offsets.sizeBytes).toBeGreaterThan(empty)
  for (let i = 0; i < 20_000; i += 7) expect(isOutdated(offsets, `key ${i}`, i)).toBe(false)
  const again = encode('key 7')
  offsets.put(again, 0, again.length, 20_000)
  expect(isOutdated(offsets, 'key 7', 7)).toBe(true)
  expect(isOutdated(offsets, 'key 8', 8)).toBe(false)
})
