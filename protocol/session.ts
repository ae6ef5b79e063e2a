/**
 * Sessions of a partition that is consumed: what its client is given, and what it says, is of one of them. Both sides begin new ones, and what they say to each other may cross:
 * who seeks has the last word, whatever the consumer has found out; and where the consumer moves it to, nothing counts that its client has doubted before.
 */

/** Why a session begins: the application seeks; the consumer moves it elsewhere; what was read is doubted, and read again. */
export type SessionCause = 'seek' | 'reset' | 'doubt'

/** A higher cause passes all sessions that lower ones may have begun meanwhile, not heard of yet. */
const STEPS: Readonly<Record<SessionCause, number>> = { seek: 2 ** 20, reset: 2 ** 10, doubt: 1 }

/** The session that comes after one, for that cause. */
export function nextSession(session: number, cause: SessionCause): number {
  const step = STEPS[cause]
  return (Math.floor(session / step) + 1) * step
}
