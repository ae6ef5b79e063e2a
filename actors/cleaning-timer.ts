/**
 * When a replica looks whether its log is to be compacted: regularly from the moment on in which there is something closed, so that idle logs cost nothing.
 * What it does then is in replica-compact.ts.
 */
import { isCompacted } from '../protocol/topic-config.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'

/** How often a log is looked at; Kafka's log.cleaner.backoff.ms is 15,000. */
const CLEANING_CHECK_MILLIS = 5000

/** Looks soon, if the topic is compacted and there may be something to clean. */
export function armCleaning(state: ReplicaState, outbox: Outbox): void {
  const { cleaning, config, log } = state
  const mayRoll = config.maxCompactionLagMillis < Number.MAX_SAFE_INTEGER
  if (cleaning.isArmed || !isCompacted(config) || (log.segments.length < 2 && !mayRoll)) return
  cleaning.isArmed = true
  outbox.push({ kind: 'startTimer', timer: 'cleaning', afterMillis: CLEANING_CHECK_MILLIS })
}
