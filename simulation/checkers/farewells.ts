/**
 * LIVE: who has left a group, and was told so, is waited for by no later coordinator of it: the log does not name it any more.
 */
import type { Effect } from '../../actors/effect.ts'
import { isActive } from '../../actors/groups-state.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { GroupTruth } from './groups.ts'
import { isInCharge } from './in-charge.ts'

/** Who leaves a group. */
export interface Farewells {
  /** By client and correlation id: who says that it goes. */
  readonly said: Map<string, readonly string[]>
  /** Those that were told that they are gone, and have not come again. */
  readonly gone: Set<string>
}

/** A coordinator has handled a message. */
export function checkFarewells(group: GroupTruth, state: GroupsState, message: Message, from: Address, effects: readonly Effect[]): void {
  const { said, gone } = group.farewells
  if ('group' in message && message.group === group.name) noteSaid(group.farewells, message, from)
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

function noteSaid({ said, gone }: Farewells, message: Message, from: Address): void {
  if (message.kind === 'joinGroup') gone.delete(message.memberId)
  if (message.kind === 'leaveGroup') said.set(keyOf(from, message.correlationId), namesOf(message.members))
  if (message.kind !== 'consumerGroupHeartbeat') return
  if (message.memberEpoch < 0) said.set(keyOf(from, message.correlationId), [message.memberId])
  else gone.delete(message.memberId)
}

function namesOf(members: readonly { readonly memberId: string }[]): string[] {
  return members.map(({ memberId }) => memberId).filter((memberId) => memberId !== '')
}

function isFarewell(message: Message): message is Extract<Message, { kind: 'leaveGroupResponse' | 'consumerGroupHeartbeatResponse' }> {
  return message.kind === 'leaveGroupResponse' || message.kind === 'consumerGroupHeartbeatResponse'
}

function keyOf({ node, actor }: Address, correlationId: number): string {
  return `${actor}@${node}/${correlationId}`
}
