/**
 * Batches that a topic finds too large, for it takes less at once than it did when they were made (KIP-126). The client splits them; their parts take their place and, as
 * there are as many records as before, their numbers. What is behind them waits, and goes again: the leader cannot have taken it without them (unless nothing is numbered;
 * then it may be written first).
 */
import { codeOf } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import * as batch from '../protocol/record-batch.ts'
import { lastSequenceOf, nextSequence } from '../partitions/idempotence.ts'
import type { Outbox } from './actor.ts'
import { failure, isSplitting, TOO_LARGE } from './producer-delivery.ts'
import type { Outcome } from './producer-delivery.ts'
import { takeInFlight } from './producer-queue.ts'
import type { OutgoingBatch, PartitionQueue, ProducerState } from './producer-state.ts'
import { failureOf } from './producer-transaction.ts'

/** Whether a batch that was refused may go in parts: its records are not all too large by themselves, and somebody waits for them. */
export function maySplit({ config, transaction }: ProducerState, { count, isOrphan }: OutgoingBatch, error: ErrorName): boolean {
  const isWanted = !isOrphan && (transaction === null || failureOf(transaction) === null)
  return error === TOO_LARGE && config.splitsBatches === true && count > 1 && isWanted
}

/** The client is to split it. */
export function askToSplit({ config }: ProducerState, one: OutgoingBatch, outbox: Outbox): void {
  one.refusal = TOO_LARGE
  one.reason = null
  // The memory is the client's again, and the batch may be given up, and go on as a whole.
  one.records = one.records.slice()
  outbox.push({ kind: 'send', to: config.client, message: { kind: 'tooLarge', token: one.token } })
}

/** The parts take the place of the batch; null if nobody waits for it any more. */
export function onSplitBatch(state: ProducerState, { token, parts }: MessageOf<'splitBatch'>, outbox: Outbox): PartitionQueue | null {
  for (const queue of state.queues.values()) {
    const at = queue.batches.findIndex((one) => one.token === token && isSplitting(one))
    if (at < 0) continue
    const behind = queue.batches.splice(at)
    const whole = behind.shift()
    if (state.config.isIdempotent) for (const one of behind) if (one.correlationId >= 0) takeInFlight(state, one.correlationId)
    if (whole !== undefined) queue.batches.push(...partsOf(state, queue, whole, parts))
    queue.batches.push(...behind)
    // The window of what the leader remembers is counted in parts, too; some of what was before them, and in it, may be answered and gone.
    for (const one of behind) one.ordinal += parts.length - 1
    queue.submitted += parts.length - 1
    return queue
  }
  const outcome = tooLateToSplit(state)
  for (const part of parts)
    outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'delivered', token: part.token, ...outcome } })
  return null
}

/** The batch was given up while it was split. With others behind it, it goes on as a whole, and is written where the topic takes as much again: nobody may say that it is not in the log. */
function tooLateToSplit({ transaction }: ProducerState): Outcome {
  const why = transaction === null ? null : failureOf(transaction)
  if (why !== null) return failure(why.errorCode, why.errorMessage)
  return failure(codeOf('REQUEST_TIMED_OUT'), 'the batch was given up while it was split')
}

function partsOf(
  { config, producerId }: ProducerState,
  { producerEpoch }: PartitionQueue,
  whole: OutgoingBatch,
  parts: MessageOf<'splitBatch'>['parts'],
): OutgoingBatch[] {
  let { sequence } = whole
  return parts.map(({ token, records }, index) => {
    const count = batch.recordCount(records, 0)
    // Without numbers of its own it is stamped when its turn comes.
    const ordinal = whole.ordinal + index
    const part = { ...whole, token, ordinal, records, count, sequence: config.isIdempotent ? sequence : -1, refusal: null, reason: null }
    if (part.sequence >= 0) {
      batch.stampProducer(records, 0, producerId, producerEpoch, sequence)
      sequence = nextSequence(lastSequenceOf(sequence, count))
    }
    return part
  })
}
