/**
 * A member of a group as a record of `__consumer_offsets`, big-endian; the key is Kafka's (ConsumerGroupMemberMetadataKey v5), the value is ours, and for members of both protocols:
 *   key    version i16 = 5 | group string | member id string
 *   value  version i16 = 0 | join id i64 | node i32 | actor string | instance id string, empty for none
 * A null value (a tombstone) says that the member has left.
 */
import type { Address } from '../../protocol/address.ts'
import { readI32, readI64, writeI16, writeI32, writeI64 } from '../../protocol/bytes.ts'
import { readString, readU16, writeString } from './strings.ts'

const KEY_VERSION = 5
const VALUE_VERSION = 0
const ACTOR_AT = 2 + 8 + 4

const encoder = new TextEncoder()

/** What the log knows of a member. */
export interface NamedMember {
  /** Correlation id of the request by which it joined: what it had sent before says nothing of now. */
  readonly joinId: number
  /** Where it was heard from. */
  readonly address: Address
  /** Of a classic group, whose members are given their ids: who has never heard its own may come back under this one. Null: it has none, or is of another group. */
  readonly instanceId: string | null
}

/** A record read back. */
export interface MemberRecord {
  readonly group: string
  readonly memberId: string
  /** Null: a tombstone. */
  readonly member: NamedMember | null
}

/** The key of a member. */
export function encodeMemberKey(group: string, memberId: string): Uint8Array {
  const groupBytes = encoder.encode(group)
  const memberBytes = encoder.encode(memberId)
  const bytes = new Uint8Array(2 + 2 + groupBytes.length + 2 + memberBytes.length)
  writeI16(bytes, 0, KEY_VERSION)
  writeString(bytes, writeString(bytes, 2, groupBytes), memberBytes)
  return bytes
}

/** The value of a member. */
export function encodeMemberValue({ joinId, address, instanceId }: NamedMember): Uint8Array {
  const actor = encoder.encode(address.actor)
  const instance = encoder.encode(instanceId ?? '')
  const bytes = new Uint8Array(ACTOR_AT + 2 + actor.length + 2 + instance.length)
  writeI16(bytes, 0, VALUE_VERSION)
  writeI64(bytes, 2, joinId)
  writeI32(bytes, 10, address.node)
  writeString(bytes, writeString(bytes, ACTOR_AT, actor), instance)
  return bytes
}

/** Null for records of another kind or version, and for bytes that are not such a record at all. */
export function decodeMemberRecord(key: Uint8Array | null, value: Uint8Array | null): MemberRecord | null {
  if (key === null || key.length < 6 || readU16(key, 0) !== KEY_VERSION) return null
  const group = readString(key, 2)
  const memberId = group === null ? null : readString(key, group.end)
  if (group === null || memberId === null || memberId.end !== key.length) return null
  const of = { group: group.text, memberId: memberId.text }
  if (value === null) return { ...of, member: null }
  if (value.length < ACTOR_AT || readU16(value, 0) !== VALUE_VERSION) return null
  const actor = readString(value, ACTOR_AT)
  const instance = actor === null ? null : readString(value, actor.end)
  if (actor === null || instance?.end !== value.length) return null
  const address = { node: readI32(value, 10), actor: actor.text }
  return { ...of, member: { joinId: readI64(value, 2), address, instanceId: instance.text === '' ? null : instance.text } }
}
