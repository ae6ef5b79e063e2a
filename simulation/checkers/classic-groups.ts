/**
 * What a classic group may not do, beside what no group may (groups.ts). EXCL: a generation gives no partition to two members, and nothing is given before its leader has shared
 * out. As in Kafka, an instance id belongs to whoever has joined with it last, also where that is one that had it before and was too slow to hear that somebody has succeeded it (KIP-345).
 */
import type { GroupsState } from '../../actors/groups-state.ts'
import { decodeAssignment } from '../../coordinator/groups/classic/consumer-protocol.ts'
import { namesOf } from '../../coordinator/groups/names.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { believerOf, markSucceeded, partitionOf } from './groups.ts'
import type { GroupTruth } from './groups.ts'
import { isInCharge } from './in-charge.ts'

/** A coordinator has handled a message; one that is not in charge any more gives nothing that counts. */
export function checkClassic(group: GroupTruth, state: GroupsState, message: Message): void {
  if (!group.isClassic || ('group' in message && message.group !== group.name) || !isInCharge(group.truth, state)) return
  const classic = state.groups.get(group.name)?.classic ?? null
  if (classic === null) return
  const isHeard = message.kind === 'joinGroup' || message.kind === 'syncGroup' || message.kind === 'heartbeat'
  if (isHeard && classic.members.has(message.memberId)) group.heardAt.set(believerOf(group, message.memberId), group.truth.world.nowMicros)
  for (const { memberId, instanceId } of classic.members.values())
    if (instanceId !== null) noteInstance(group, believerOf(group, memberId), instanceId)
  if (classic.state !== 'stable') return
  const owners = new Map<string, string>()
  for (const { memberId, assignment } of classic.members.values()) {
    for (const name of namesOf(decodeAssignment(assignment)?.partitions ?? [])) {
      const other = owners.get(name)
      if (other !== undefined) group.truth.world.fail('EXCL', `${group.name} has given ${name} to ${other} and ${memberId}`)
      owners.set(name, memberId)
      partitionOf(group, name).owner = believerOf(group, memberId)
    }
  }
}

/** Somebody has joined with an instance id: whoever had it until now is fenced, and does not know before it is answered next. */
function noteInstance(group: GroupTruth, member: string, instanceId: string): void {
  const former = group.instances.get(instanceId)
  if (former === member) return
  if (former !== undefined) markSucceeded(group, former)
  group.succeeded.delete(member)
  group.instances.set(instanceId, member)
}
