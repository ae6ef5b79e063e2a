// The keys that were seen last: what is remembered, what is forgotten, and that the metadata of an offset can carry it.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RECENT_KEYS_MAX, RecentKeys } from '../../protocol/recent-keys.ts'
import { OFFSET_METADATA_LENGTH_MAX } from '../../protocol/messages/group.ts'

describe('recent keys', () => {
  test('are those that were added last, however they travelled', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 })), fc.integer({ min: 1, max: 20 }), (keys, max) => {
        let recent = new RecentKeys(max)
        for (const key of keys) {
          recent.add(key)
          recent = RecentKeys.decode(Buffer.from(recent.encode(), 'utf8').toString('utf8'), max)
        }
        const last = new Set([...new Set(keys.toReversed())].slice(0, max))
        for (const key of new Set(keys)) expect(recent.has(key)).toBe(last.has(key))
        expect(recent.has('none of them: longer than twenty characters')).toBe(false)
      }),
    )
  })

  test('fit into the metadata of an offset', () => {
    const recent = new RecentKeys(RECENT_KEYS_MAX)
    for (let i = 0; i < 2 * RECENT_KEYS_MAX; i++) recent.add(`key ${i}`)
    expect(recent.encode().length).toBeLessThanOrEqual(OFFSET_METADATA_LENGTH_MAX)
    expect(recent.has(`key ${RECENT_KEYS_MAX}`)).toBe(true)
    expect(recent.has(`key ${RECENT_KEYS_MAX - 1}`)).toBe(false)
  })

  test('are none where the metadata is of another kind', () => {
    expect(RecentKeys.decode('checked by hand', 10).encode()).toBe(new RecentKeys(10).encode())
  })

  test('do not collide, as far as 200,000 keys that differ a little can show', () => {
    const recent = new RecentKeys(200_000)
    for (let i = 0; i < 100_000; i++) {
      expect(recent.has(`order-${i}`)).toBe(false)
      recent.add(`order-${i}`)
      recent.add(`order-${i}/x`)
    }
  })
})
