/**
 * LIVE: who has left a group, and was told so, is waited for by no later coordinator of it: the log does not name it any more.
 */
import type { Effect } from '../../actors/effect.ts'
import { isActive } from '../../actors/groups-state.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/address.ts'
import { JOIN_EPOCH } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { GroupTruth } from './groups.ts'
import { isInCharge } from './in-charge.ts'

/** Who leaves a group. */
export interface Farewells {
  /** By client and correlation id: who says that it goes, and has to be struck from the log. */
  readonly said: Map<string, Set<string>>
  /** Those that were told that they are gone, and have not come again, also not between what they said and what they were told. */
  readonly gone: Set<string>
}

/** A coordinator has handled a message. */
export function checkFarewells(group: GroupTruth, state: GroupsState, message: Message, from: Address, effects: readonly Effect[]): void {
  const { said, gone } = group.farewells
  if ('group' in message && message.group === group.name) noteSaid(group, state, message, from)
  if (!isInCharge(group.truth, state)) return
  for (const effect of effects) {
    if (effect.kind !== 'send' || !isFarewell(effect.message)) continue
    const key = keyOf(effect.to, effect.message.correlationId)
    if (effect.message.errorCode === NONE) for (const memberId of said.get(key) ?? []) gone.add(memberId)
    said.delete(key)
  }
  if (gone.size === 0 || !isActive(state)) return
  for (const memberId of state.groups.get(group.name)?.roster?.missing.keys() ?? [])
    if (gone.has(memberId)) group.truth.world.fail('LIVE', `${group.name} waits for ${memberId}, which was told that it is gone`)
}

function noteSaid({ name, farewells: { said, gone } }: GroupTruth, state: GroupsState, message: Message, from: Address): void {
  if (message.kind === 'joinGroup') gone.delete(message.memberId)
  if (message.kind === 'consumerGroupHeartbeat' && message.memberEpoch >= 0) gone.delete(message.memberId)
  if (isNamedBy(state, message)) for (const leaving of said.values()) leaving.delete(message.memberId)
  const leaving = leavingBy(message).filter((memberId) => isToBeStruck(state, name, memberId))
  if (leaving.length > 0 && 'correlationId' in message) said.set(keyOf(from, message.correlationId), new Set(leaving))
}

/** It has asked to join, perhaps long ago, and the network has brought that now: its name goes to the log behind the tombstone of the one that leaves, whatever that is told. */
function isNamedBy(
  { groups }: GroupsState,
  message: Message,
): message is Extract<Message, { kind: 'joinGroup' | 'consumerGroupHeartbeat' }> {
  const isJoin = message.kind === 'joinGroup' || (message.kind === 'consumerGroupHeartbeat' && message.memberEpoch === JOIN_EPOCH)
  return isJoin && groups.get(message.group)?.roster?.named.has(message.memberId) === true
}

function leavingBy(message: Message): readonly string[] {
  if (message.kind === 'leaveGroup') return message.members.map(({ memberId }) => memberId)
  return message.kind === 'consumerGroupHeartbeat' && message.memberEpoch < 0 ? [message.memberId] : []
}

/** Its coordinator knows that the log names it; one whose log is shorter than that of a later one may not. */
function isToBeStruck({ striking, unstruck }: GroupsState, group: string, memberId: string): boolean {
  const isStruck = [...striking.values()].some((strike) => strike.group === group && strike.memberIds.has(memberId))
  return isStruck || unstruck.get(group)?.has(memberId) === true
}

function isFarewell(message: Message): message is Extract<Message, { kind: 'leaveGroupResponse' | 'consumerGroupHeartbeatResponse' }> {
  return message.kind === 'leaveGroupResponse' || message.kind === 'consumerGroupHeartbeatResponse'
}

function keyOf({ node, actor }: Address, correlationId: number): string {
  return `${actor}@${node}/${correlationId}`
}
