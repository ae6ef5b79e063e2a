/**
 * How each guarantee of `consumer.process` does its rounds: what happens before records are handled, and what when they were.
 */
import { endsOf, recall, unrecalled } from '../../actors/processing.ts'
import type { Place, ProcessingState } from '../../actors/processing.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Consumer, OffsetToCommit, Producer, Transaction } from './api.ts'
import type { Outlet } from './process-api.ts'

/** The rounds of a guarantee. */
export interface Rounds<OK, OV> {
  /** Where the handler sends its results; there are these records to handle. */
  begin(records: readonly Place[]): Promise<Outlet<OK, OV>>
  /** What was handled counts from now on. */
  commit(handled: readonly OffsetToCommit[]): Promise<void>
  /** It does not. */
  abort(): Promise<void>
  /** Whether that is what was thrown last because the group did not take the offsets in time: it may take them the next time. */
  isLate(error: unknown): boolean
  /** The last transaction may have been committed, or not: nobody has said in time how it ended. */
  isUncertain(): boolean
}

/** Results and offsets in one transaction. `isLost`: the group has given something away meanwhile. */
export function transactionalRounds<OK, OV>(
  consumer: Consumer<unknown, unknown>,
  producer: Producer<OK, OV>,
  isLost: () => boolean,
): Rounds<OK, OV> {
  let transaction: Transaction<OK, OV> | null = null
  let isUncertain = false
  const { inTime, isLate } = newLateness()
  return {
    isLate,
    isUncertain: () => isUncertain,
    begin: async () => (transaction ??= await producer.beginTransaction()),
    commit: async (handled) => {
      // There is none if somebody has sought, and nothing was handled.
      transaction ??= await producer.beginTransaction()
      await inTime(transaction.sendOffsets(consumer, handled))
      // Offsets of a topic that is gone may have been sent for the one that has its name now.
      if (isLost()) throw lostError()
      await transaction.commit().catch((error: unknown) => {
        isUncertain = error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT'
        throw error
      })
      transaction = null
    },
    abort: async () => {
      const open = transaction
      transaction = null
      await open?.abort()
    },
  }
}

/** Results first, then offsets; or (at most once) the other way round. */
export function committedRounds<OK, OV, R extends Place>(
  consumer: Consumer<unknown, unknown>,
  producer: Producer<OK, OV>,
  state: ProcessingState<R>,
): Rounds<OK, OV> {
  const isAtMostOnce = state.plan.guarantee === 'at-most-once'
  let failure: Error | null = null
  const { inTime, isLate } = newLateness()
  const outlet: Outlet<OK, OV> = {
    send: (record) => {
      const sent = producer.send(record)
      // Whether somebody awaits it or not: a record whose result is missing is not committed.
      sent.catch((error: unknown) => (failure ??= error instanceof Error ? error : new Error(String(error))))
      return sent
    },
    write: (record) => producer.write(record),
    drained: () => producer.drained(),
  }
  return {
    isLate,
    isUncertain: () => false,
    begin: async (records) => {
      if (isAtMostOnce) await inTime(consumer.commit(endsOf(records)))
      const missing = unrecalled(state, records)
      if (missing.length > 0) recall(state, missing, await consumer.committed(missing))
      return outlet
    },
    commit: async (handled) => {
      await producer.flush()
      const missing = failure
      failure = null
      if (missing !== null) throw missing
      if (state.isLost) throw lostError()
      // At most once has committed the rest. If that fails, records are skipped.
      if (!isAtMostOnce) await inTime(consumer.commit(handled))
      else if (handled.length > 0) await consumer.commit(handled).catch(() => undefined)
    },
    // What was sent was sent.
    abort: async () => {
      failure = null
    },
  }
}

/** Knows what offsets have failed with because nobody has answered in time, which retries until then have not helped. */
function newLateness(): { readonly inTime: (committed: Promise<void>) => Promise<void>; readonly isLate: (error: unknown) => boolean } {
  let last: unknown = null
  return {
    inTime: (committed) =>
      committed.catch((error: unknown) => {
        last = error
        throw error
      }),
    isLate: (error) => error === last && error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT',
  }
}

/** Whoever has the partitions now begins where the group says. */
function lostError(): KafkaError {
  return new KafkaError('UNKNOWN_MEMBER_ID', 'partitions were lost while their offsets were committed')
}
