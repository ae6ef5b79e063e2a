/**
 * How a producer says what became of a batch, once per batch: of one that its client is to split it says no more, but what becomes of the parts.
 */
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { Delivered } from '../protocol/messages/client.ts'
import type { Outbox } from './actor.ts'
import type { OutgoingBatch, PartitionQueue, ProducerState } from './producer-state.ts'

/** What became of a batch, as its client hears it. */
export type Outcome = Pick<Delivered, 'errorCode' | 'errorMessage' | 'baseOffset' | 'logAppendTime'>

/** What a leader says to a batch that is to be split, where it can be. */
export const TOO_LARGE = 'MESSAGE_TOO_LARGE'

/** Sent, and nobody answers. */
export const DONE: Outcome = { errorCode: NONE, errorMessage: null, baseOffset: -1, logAppendTime: -1 }

/** An outcome that is none. */
export function failure(errorCode: number, errorMessage: string | null): Outcome {
  return { errorCode, errorMessage, baseOffset: -1, logAppendTime: -1 }
}

/** A leader does not take a batch now. That its disk has failed says more than who leads since then, or that nobody does. */
export function noteRefusal(one: OutgoingBatch, refusal: ErrorName, reason: string | null): void {
  if (refusal === 'NOT_ENOUGH_REPLICAS_AFTER_APPEND') one.isAppended = true
  if (one.refusal === 'KAFKA_STORAGE_ERROR' && refusal !== 'KAFKA_STORAGE_ERROR' && refusal !== 'NOT_ENOUGH_REPLICAS') return
  one.refusal = refusal
  one.reason = reason
}

/** Nobody has acknowledged a batch in time; a leader may have refused it, and said why. Refused when it was sent again, it may be in the log all the same. */
export function tooLate({ config, transaction }: ProducerState, { refusal, reason, isAppended }: OutgoingBatch): Outcome {
  const isShort = (refusal === 'NOT_ENOUGH_REPLICAS' || refusal === 'NOT_ENOUGH_REPLICAS_AFTER_APPEND') && transaction === null
  const short = isAppended ? 'NOT_ENOUGH_REPLICAS_AFTER_APPEND' : 'NOT_ENOUGH_REPLICAS'
  const why = refusal === null ? '' : `, the leader's last answer was ${refusal}${reason === null ? '' : ` (${reason})`}`
  const message = `no acknowledgement within deliveryTimeoutMillis (${config.deliveryTimeoutMillis})${why}`
  return failure(codeOf(isShort ? short : 'REQUEST_TIMED_OUT'), message)
}

/** The batch leaves its queue, and its client hears why. */
export function finish(state: ProducerState, queue: PartitionQueue, one: OutgoingBatch, outcome: Outcome, outbox: Outbox): void {
  if (one === queue.batches[0]) queue.batches.shift()
  else queue.batches.splice(queue.batches.indexOf(one), 1)
  deliver(state, one, outcome, outbox)
}

/** Its client hears what became of the batch, unless it has heard that before, or is splitting it: then it has parts that are answered. */
export function deliver(state: ProducerState, one: OutgoingBatch, outcome: Outcome, outbox: Outbox): void {
  if (one.isOrphan || isSplitting(one)) return
  outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'delivered', token: one.token, ...outcome } })
}

/** Its parts are awaited: nothing is sent from here on. */
export function isSplitting({ refusal, isOrphan }: OutgoingBatch): boolean {
  return refusal === TOO_LARGE && !isOrphan
}
