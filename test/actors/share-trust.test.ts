// What a member of a share group may rely on, and until when.

import { expect, test } from 'vitest'
import { doubt, newShareTrust, TRUST_MILLIS, trustAnswer, trustIn } from '../../actors/share-trust.ts'
import type { ShareHold, ShareTrust } from '../../actors/share-trust.ts'
import type { ShareFetchResponse } from '../../protocol/messages/share.ts'

const RANGE = { topic: 'orders', topicId: 5, partition: 0, first: 0, last: 9 }
const LOCK_MILLIS = 3000

interface Exchange {
  readonly sessionEpoch: number
  readonly reign?: number
  readonly waitedMillis?: number
  readonly maxRecords?: number
  readonly isGiven?: boolean
  /** Acknowledgements, and how many of them are refused. */
  readonly said?: readonly [number, number]
}

/** A question is asked and answered at that time. */
function exchange(trust: ShareTrust, askedAt: number, one: Exchange): ShareHold {
  const { sessionEpoch, reign = 1, waitedMillis = 0, maxRecords = 10, isGiven = false, said = [0, 0] } = one
  const [acknowledgements, refused] = said.map((count) => Array.from({ length: count }, () => ({ ...RANGE, type: 'accept' as const })))
  const acquired = isGiven ? [{ ...RANGE, deliveryCount: 1 }] : []
  const response: ShareFetchResponse = {
    ...{ kind: 'shareFetchResponse', correlationId: 1, errorCode: 0, reign, waitedMillis },
    ...{ acquired, refused: refused! },
  }
  const request = { sessionEpoch, acknowledgements: acknowledgements!, maxRecords, lockMillis: LOCK_MILLIS }
  return trustAnswer(trust, { request, askedAt }, response)
}

test('it is sure for a while from when it was found out, and then asks again', () => {
  const trust = newShareTrust()
  const hold = exchange(trust, 1000, { sessionEpoch: 1, isGiven: true, waitedMillis: 100 })
  expect(trustIn(trust, hold, 999 + TRUST_MILLIS)).toBe('sure')
  expect(trustIn(trust, hold, 1000 + TRUST_MILLIS)).toBe('unsure')
  exchange(trust, 2000, { sessionEpoch: 2, maxRecords: 0 })
  expect(trustIn(trust, hold, 2000)).toBe('sure')
})

test('it is over with the lock, whoever is in charge', () => {
  const trust = newShareTrust()
  const hold = exchange(trust, 1000, { sessionEpoch: 1, isGiven: true, waitedMillis: 100 })
  exchange(trust, 3900, { sessionEpoch: 2, maxRecords: 0 })
  expect(trustIn(trust, hold, 3999)).toBe('sure')
  expect(trustIn(trust, hold, 4000)).toBe('void')
})

test('another memory knows nothing of it', () => {
  const trust = newShareTrust()
  const hold = exchange(trust, 1000, { sessionEpoch: 1, isGiven: true })
  exchange(trust, 1100, { sessionEpoch: 2, reign: 2 })
  expect(trustIn(trust, hold, 1100)).toBe('void')
})

test('an old answer of who is in charge no more brings nothing', () => {
  const trust = newShareTrust()
  const now = exchange(trust, 1100, { sessionEpoch: 2, reign: 2, isGiven: true })
  const old = exchange(trust, 1000, { sessionEpoch: 1, reign: 1, isGiven: true })
  expect([trustIn(trust, old, 1100), trustIn(trust, now, 1100)]).toEqual(['void', 'sure'])
})

test('the death of a node makes it unsure', () => {
  const trust = newShareTrust()
  const hold = exchange(trust, 1000, { sessionEpoch: 1, isGiven: true })
  doubt(trust)
  expect(trustIn(trust, hold, 1000)).toBe('unsure')
})

test.each<[string, boolean, Omit<Exchange, 'sessionEpoch'>]>([
  ['an acknowledgement that is taken', true, { said: [2, 1] }],
  ['acknowledgements that are refused', false, { said: [2, 2] }],
  ['nothing for who would like more', false, {}],
])('%s proves who is in charge: %s', (_what, isProof, one) => {
  const trust = newShareTrust()
  const hold = exchange(trust, 1000, { sessionEpoch: 1, isGiven: true })
  exchange(trust, 1400, { sessionEpoch: 2, ...one })
  expect(trustIn(trust, hold, 1600)).toBe(isProof ? 'sure' : 'unsure')
})
