/**
 * LIVE: whoever waits for a commit hears of it, at the latest when its deadline is over: it may hold a partition until then, or be about to end. And a consumer that has something to
 * commit, and does not know where its group is, asks for it until then.
 */
import type { ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import type { Host } from '../host.ts'
import type { World } from '../world.ts'

/** A consumer was woken at this uptime of its host, in milliseconds, and has done what was due. */
export function checkCommitsOver(world: World, who: string, { commits }: Pick<ConsumerState, 'commits'>, uptime: number): void {
  const over = commits.find(({ deadline }) => uptime >= deadline)
  if (over !== undefined) world.fail('LIVE', `${who} waits for a commit whose deadline was over ${uptime - over.deadline} ms ago`)
}

/** Since when a consumer has something to commit, and does not know where, and when it is to ask for its group; Infinity: it is not so. */
export interface Search {
  since: number
  dueAt: number
}

/** It asks no later than so long after that, in milliseconds. */
const LATE_MILLIS_MAX = 1000

/** A consumer has handled a message. Its timer may be late. */
export function checkGroupSought(
  world: World,
  who: string,
  search: Search,
  { commits, membership }: Pick<ConsumerState, 'commits' | 'membership'>,
  { host, effects }: { readonly host: Pick<Host, 'clock' | 'isPaused'>; readonly effects: readonly Effect[] },
): void {
  const uptime = host.clock.uptime()
  const lateMillis = uptime - search.dueAt
  const asks = effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'findCoordinator')
  // One that has slept for too long commits nothing any more.
  if (!asks && !membership.lost && !host.isPaused && lateMillis > LATE_MILLIS_MAX)
    world.fail('LIVE', `${who} has something to commit, and was to ask ${lateMillis} ms ago where its group is`)
  const isOpen = commits.length > 0 && membership.step === 'finding' && membership.correlationId < 0
  search.since = isOpen ? Math.min(search.since, uptime) : Infinity
  search.dueAt = isOpen ? Math.max(membership.dueAt, search.since) : Infinity
}
