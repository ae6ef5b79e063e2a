/**
 * What becomes of a batch that nobody has acknowledged in time.
 */
import type { Outbox } from './actor.ts'
import { deliver, finish, tooLate } from './producer-delivery.ts'
import { takeInFlight } from './producer-queue.ts'
import type { OutgoingBatch, PartitionQueue, ProducerState } from './producer-state.ts'
import { failTransaction } from './producer-transaction.ts'

/**
 * The client has waited long enough. A batch that has a number may be in the log, or get there yet: without it the numbers would have a gap, and those behind it
 * would have to be numbered anew, although they may be in the log, too. So it is sent on, as an orphan, until its fate is known, or that of all that are behind it.
 */
export function giveUp(state: ProducerState, queue: PartitionQueue, one: OutgoingBatch, outbox: Outbox): void {
  const outcome = tooLate(state, one)
  if (state.transaction !== null) {
    if (one.correlationId >= 0) takeInFlight(state, one.correlationId)
    finish(state, queue, one, outcome, outbox)
    return failTransaction(state, outcome, outbox)
  }
  if (one.sequence < 0) return finish(state, queue, one, outcome, outbox)
  deliver(state, one, outcome, outbox)
  // The memory is the client's again.
  one.records = one.records.slice()
  one.isOrphan = true
  one.deadline = Infinity
}
