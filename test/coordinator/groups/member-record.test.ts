// Members as records of `__consumer_offsets`: read back whole or not at all, and never taken for a committed offset.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeMemberRecord, encodeMemberKey, encodeMemberValue } from '../../../coordinator/groups/member-record.ts'
import { decodeGroupCommit, encodeOffsetKey } from '../../../coordinator/groups/offset-record.ts'
import { hex } from '../../protocol/record-batch-support.ts'
import '../support.ts'

const member = { joinId: 42, address: { node: -1, actor: 'c1' }, instanceId: 'i' }
const key = encodeMemberKey('g1', 'm')
const value = encodeMemberValue(member)

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom('', '\uFEFFg', 'é'))

test("the key is Kafka's ConsumerGroupMemberMetadataKey, version 5", () => {
  expect(key).toEqual(hex('0005 0002 6731 0001 6d'))
  expect(value).toEqual(hex('0000 000000000000002a ffffffff 0002 6331 0001 69'))
})

test('gives back who was named', () => {
  fc.assert(
    fc.property(
      text,
      text,
      text,
      fc.nat({ max: 1000 }),
      fc.option(fc.string({ minLength: 1 })),
      (group, memberId, actor, joinId, instanceId) => {
        const named = { joinId, address: { node: joinId - 500, actor }, instanceId }
        const decoded = decodeMemberRecord(encodeMemberKey(group, memberId), encodeMemberValue(named))
        expect(decoded).toEqual({ group, memberId, member: named })
      },
    ),
  )
})

test('without a value it says that the member has left', () => {
  expect(decodeMemberRecord(key, null)).toEqual({ group: 'g1', memberId: 'm', member: null })
})

test('what is no such record, or not all of one, is none', () => {
  for (let end = 0; end < key.length; end++) expect(decodeMemberRecord(key.subarray(0, end), value)).toBeNull()
  for (let end = 0; end < value.length; end++) expect(decodeMemberRecord(key, value.subarray(0, end))).toBeNull()
  expect(decodeMemberRecord(null, value)).toBeNull()
  expect(decodeMemberRecord(key, hex('0001 000000000000002a ffffffff 0002 6331'))).toBeNull()
  expect(decodeMemberRecord(encodeOffsetKey('g1', 'm', 0), value)).toBeNull()
  expect(decodeGroupCommit(key, value)).toBeNull()
})
