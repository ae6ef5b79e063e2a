/**
 * LIVE: whoever waits for a commit hears of it, at the latest when its deadline is over: it may hold a partition until then, or be about to end.
 */
import type { ConsumerState } from '../../actors/consumer-state.ts'
import type { World } from '../world.ts'

/** A consumer was woken at this uptime of its host, in milliseconds, and has done what was due. */
export function checkCommitsOver(world: World, who: string, { commits }: Pick<ConsumerState, 'commits'>, uptime: number): void {
  const over = commits.find(({ deadline }) => uptime >= deadline)
  if (over !== undefined) world.fail('LIVE', `${who} waits for a commit whose deadline was over ${uptime - over.deadline} ms ago`)
}
