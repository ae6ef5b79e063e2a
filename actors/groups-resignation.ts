/**
 * The end of a reign: who waits for an answer, for a write or for other members, is told that nobody is here any more, and looks for the next coordinator at once.
 */
import type { Waiter } from '../coordinator/groups/classic/classic-group.ts'
import { isRequest } from '../protocol/messages/message.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import type { GroupsState } from './groups-state.ts'

/** Does nothing any more from now on, and says so. */
export function resign(state: GroupsState, { correlationId, leaderEpoch }: MessageOf<'resign'>, { from }: Context, outbox: Outbox): void {
  // Its predecessor was asked twice, and has gone meanwhile.
  if (leaderEpoch !== state.config.leaderEpoch) return
  if (!state.hasResigned) for (const waiter of waitersOf(state)) refuseWaiter(waiter, outbox)
  state.hasResigned = true
  outbox.push({ kind: 'send', to: from, message: { kind: 'resigned', correlationId } })
}

/** Whoever asks afterwards hears that nobody is here any more. */
export function refuse(message: Message, { from }: Context, outbox: Outbox): void {
  if (isRequest(message)) refuseWaiter({ from, correlationId: message.correlationId }, outbox)
}

function refuseWaiter({ from, correlationId }: Waiter, outbox: Outbox): void {
  outbox.push({ kind: 'send', to: from, message: { kind: 'undeliverable', correlationId } })
}

function waitersOf({ pending, pendingTransactional, naming, farewells, groups }: GroupsState): Waiter[] {
  const requests = [...naming.values(), ...pendingTransactional.values()]
  const members = [...groups.values()].flatMap(({ classic }) => [...(classic?.members.values() ?? [])])
  return [
    ...[...pending.values()].flatMap(({ from, correlationId }) => (from === null ? [] : [{ from, correlationId }])),
    ...requests.map(({ from, request }) => ({ from, correlationId: request.correlationId })),
    ...[...farewells.values()].flat().map(({ to, message }) => ({ from: to, correlationId: message.correlationId })),
    ...members.flatMap(({ join, sync }) => [join, sync]).filter((one) => one !== null),
  ]
}
