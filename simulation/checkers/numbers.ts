/**
 * What a replica keeps although the records are gone. DUP: who leads knows the last batch of each producer that is committed, so that it recognises it when it is sent again, unless retention or an administrator has
 * taken it, or a loss. CMP: nothing counts as cleaned that is not in the log.
 */
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { PartitionTruth, Truth } from '../truth.ts'

/** A leader has committed more: what it compares its producers with is what the next one must know. */
export function noteNumbers({ numbers }: PartitionTruth, { producers }: ReplicaState): void {
  for (const [producerId, { producerEpoch, batches }] of producers) {
    const last = batches.at(-1)
    if (last === undefined) numbers.delete(producerId)
    else numbers.set(producerId, { producerEpoch, baseOffset: last.baseOffset })
  }
}

/** A reign begins, and nothing may have been lost. */
export function checkNumbers({ world }: Truth, { name, numbers, startOffset }: PartitionTruth, { appended, self }: ReplicaState): void {
  for (const [producerId, { producerEpoch, baseOffset }] of numbers) {
    if (baseOffset < startOffset) continue
    const entry = appended.get(producerId)
    const isNewer = entry !== undefined && (entry.producerEpoch > producerEpoch || entry.batches.length === 0)
    if (isNewer || entry?.batches.some((one) => one.baseOffset >= baseOffset) === true) continue
    world.fail(
      'DUP',
      `${name}: node ${self.node} leads, and does not know the batch of producer ${producerId} at ${baseOffset}: it would take it again`,
    )
  }
}

/** A replica has handled a message. */
export function checkCleanedEnd({ world }: Truth, { name, isUnclean }: PartitionTruth, { cleaning, log, self }: ReplicaState): void {
  const { cleanedOffset } = cleaning
  if (cleanedOffset > log.logEndOffset && !isUnclean)
    world.fail(
      'CMP',
      `${name}: node ${self.node} counts everything below ${cleanedOffset} as cleaned, but its log ends at ${log.logEndOffset}`,
    )
}
