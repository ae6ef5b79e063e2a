// What consumers say to each other, as Kafka's own bytes.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeAssignment,
  decodeStickyUserData,
  decodeSubscription,
  encodeAssignment,
  encodeCooperativeUserData,
  encodeStickyUserData,
  encodeSubscription,
} from '../../../../coordinator/groups/classic/consumer-protocol.ts'
import type { Subscription } from '../../../../coordinator/groups/classic/consumer-protocol.ts'
import { fromOpaque, toOpaque } from '../../../../protocol/opaque-bytes.ts'
import '../../support.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const opaque = (text: string): string => toOpaque(Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex')))

const names = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/)
const userData = fc.option(fc.uint8Array({ maxLength: 20 }))
const partitions = fc.array(fc.record({ topic: names, partitions: fc.array(fc.nat(1000), { maxLength: 4 }) }), { maxLength: 4 })
const subscriptions: fc.Arbitrary<Subscription> = fc.record({
  topics: fc.array(names, { maxLength: 4 }),
  userData,
  ownedPartitions: partitions,
  generationId: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  rackId: fc.option(names),
})

const SAMPLE: Subscription = {
  topics: ['t'],
  userData: Uint8Array.of(7),
  ownedPartitions: [{ topic: 't', partitions: [0, 2] }],
  generationId: 5,
  rackId: 'r',
}

const SAMPLE_BYTES = '0003 00000001 0001 74 00000001 07 00000001 0001 74 00000002 00000000 00000002 00000005 0001 72'.replaceAll(' ', '')

describe('a subscription', () => {
  test('has these bytes', () => {
    expect(hex(fromOpaque(encodeSubscription(SAMPLE)))).toBe(SAMPLE_BYTES)
    const bare = { topics: [], userData: null, ownedPartitions: [], generationId: -1, rackId: null }
    expect(hex(fromOpaque(encodeSubscription(bare)))).toBe('0003 00000000 ffffffff 00000000 ffffffff ffff'.replaceAll(' ', ''))
  })

  test('of an older version lacks what came later; of a younger one, what is not known is left alone', () => {
    const rest = { userData: null, ownedPartitions: [], generationId: -1, rackId: null }
    expect(decodeSubscription(opaque('0000 00000001 0001 74 ffffffff'))).toEqual({ topics: ['t'], ...rest })
    const owned = opaque('0001 00000000 ffffffff 00000001 0001 74 00000001 00000003')
    expect(decodeSubscription(owned)).toEqual({ ...rest, topics: [], ownedPartitions: [{ topic: 't', partitions: [3] }] })
    expect(decodeSubscription(opaque('0002 00000000 ffffffff 00000000 00000009'))).toEqual({ ...rest, topics: [], generationId: 9 })
    expect(decodeSubscription(opaque(`0009${SAMPLE_BYTES.slice(4)}cafe`))).toEqual(SAMPLE)
  })

  test('comes back as it was', () => {
    fc.assert(
      fc.property(subscriptions, (one) => {
        expect(decodeSubscription(encodeSubscription(one))).toEqual(one)
      }),
    )
  })

  test('that is cut anywhere is none', () => {
    const text = encodeSubscription(SAMPLE)
    for (let size = 0; size < text.length; size++) expect(decodeSubscription(text.slice(0, size))).toBeNull()
  })
})

describe('an assignment', () => {
  test('has these bytes; no bytes are no partitions', () => {
    const one = { partitions: [{ topic: 't', partitions: [1] }], userData: null }
    expect(hex(fromOpaque(encodeAssignment(one)))).toBe('0003 00000001 0001 74 00000001 00000001 ffffffff'.replaceAll(' ', ''))
    expect(decodeAssignment('')).toEqual({ partitions: [], userData: null })
  })

  test('comes back as it was', () => {
    fc.assert(
      fc.property(fc.record({ partitions, userData }), (one) => {
        expect(decodeAssignment(encodeAssignment(one))).toEqual(one)
      }),
    )
  })

  test('that is cut anywhere is none', () => {
    const text = encodeAssignment({ partitions: [{ topic: 't', partitions: [1, 2] }], userData: Uint8Array.of(1) })
    for (let size = 1; size < text.length; size++) expect(decodeAssignment(text.slice(0, size))).toBeNull()
  })
})

describe('user data', () => {
  test('of the sticky assignor has its partitions and its generation, in v0 only the former', () => {
    const last = { partitions: [{ topic: 't', partitions: [4] }], generationId: 3 }
    expect(hex(encodeStickyUserData(last))).toBe('00000001 0001 74 00000001 00000004 00000003'.replaceAll(' ', ''))
    expect(decodeStickyUserData(encodeStickyUserData(last))).toEqual(last)
    expect(decodeStickyUserData(encodeStickyUserData(last).subarray(0, -4))).toEqual({ ...last, generationId: -1 })
    for (const size of [0, 1, 5, 9, 13, 16]) expect(decodeStickyUserData(encodeStickyUserData(last).subarray(0, size))).toBeNull()
  })

  test('of the cooperative one is the generation', () => {
    expect(hex(encodeCooperativeUserData(258))).toBe('00000102')
  })
})

test('whatever the bytes are, nothing is read that is not there', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const decoded of [decodeSubscription(toOpaque(bytes)), decodeAssignment(toOpaque(bytes)), decodeStickyUserData(bytes)])
        expect(decoded === null || typeof decoded === 'object').toBe(true)
      const subscription = decodeSubscription(toOpaque(bytes))
      if (subscription !== null) expect(subscription.topics.join('').length).toBeLessThanOrEqual(bytes.length)
    }),
  )
})
