/**
 * How a consumer leaves its group: it says farewell, so that nobody waits for it. Whoever closes does so even if it does not know whether it is a member, and looks for its group
 * if need be; a first request to join a classic group has to be answered before, for the answer says which member is to leave. All that does not take long.
 */
import type { Context, Outbox } from './actor.ts'
import { giveBackFormer, sendClassicLeave } from './consumer-classic-requests.ts'
import { sendLeave } from './consumer-group-requests.ts'
import { endMembership, hasJoined, isSubscribed, wakeAt } from './consumer-state.ts'
import type { ConsumerState } from './consumer-state.ts'

/** Whoever closes gives its farewell so long, at most: a member that nobody hears of is none any more when its session is over. */
const FAREWELL_MILLIS = 3000

/** It wants no topics any more, and has let go of everything. */
export function isReadyToLeave(state: ConsumerState): boolean {
  const { membership, partitions, commits } = state
  const hasLetGo = partitions.size === 0 && commits.length === 0
  const isIn = hasJoined(state) || (owesFarewell(state) && membership.memberId !== '')
  return membership.step === 'ready' && !isSubscribed(state) && isIn && hasLetGo
}

/** Says farewell, if there is somebody to say it to. */
export function leave(state: ConsumerState, context: Context, outbox: Outbox): void {
  if (isStatic(state)) endMembership(state)
  else if (state.membership.classic === null) sendLeave(state, context, outbox)
  else sendClassicLeave(state, context, outbox)
}

/** The group may have it among its members, or waits for it because the coordinator before had, and is to hear that it goes. */
export function owesFarewell(state: ConsumerState): boolean {
  return state.membership.mayBeKnown && !isStatic(state)
}

/** The last commit is answered: says farewell to the group, then to the client. */
export function closeIfDone(state: ConsumerState, context: Context, outbox: Outbox): void {
  if (state.closing < 0 || state.commits.length > 0 || isLeaving(state, context, outbox)) return
  giveBackFormer(state, outbox)
  outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'consumerClosed', correlationId: state.closing } })
  outbox.push({ kind: 'stop', actor: state.self.actor })
}

/** Says farewell as soon as that can be; false: it is said, or has taken too long. */
function isLeaving(state: ConsumerState, context: Context, outbox: Outbox): boolean {
  const { membership, config } = state
  if (!owesFarewell(state)) return false
  if (membership.farewellBy === Infinity) membership.farewellBy = context.uptime + Math.min(FAREWELL_MILLIS, config.sessionTimeoutMillis)
  if (context.uptime >= membership.farewellBy) return false
  wakeAt(state, membership.farewellBy, context, outbox)
  if (membership.step === 'ready' && membership.memberId !== '') leave(state, context, outbox)
  return true
}

/** A static member of a classic group stays in it for as long as its session lasts. */
function isStatic({ membership, config }: ConsumerState): boolean {
  return membership.classic !== null && config.instanceId !== null
}
