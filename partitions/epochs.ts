/**
 * Which leader wrote which offsets (KIP-101, KIP-279): one entry per leader epoch that has records, with the offset at which it begins. Two logs agree up
 * to the end of the last epoch that both know and that ends at the same offset in both; what lies beyond was written by leaders that did not
 * know of each other.
 */
import { assert } from '../protocol/assert.ts'

/** The first offset that the leader of an epoch wrote. */
export interface EpochEntry {
  readonly epoch: number
  readonly startOffset: number
}

/** Where an epoch ends: one past its last record. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

/** By epoch, ascending in both columns. */
export type Epochs = EpochEntry[]

/** The epoch of a log without records. */
export const NO_EPOCH = -1

/** Notes that a batch of that epoch begins at that offset, which is the log end. */
export function noteEpoch(epochs: Epochs, epoch: number, startOffset: number): void {
  const last = epochs[epochs.length - 1]
  assert(last === undefined || epoch >= last.epoch, 'O1 leader epochs never go back in a log')
  if (last === undefined || epoch > last.epoch) epochs.push({ epoch, startOffset })
}

/** The epoch of the last record; NO_EPOCH without any. */
export function lastEpoch(epochs: Epochs): number {
  return epochs[epochs.length - 1]?.epoch ?? NO_EPOCH
}

/** The epoch of the record at an offset; NO_EPOCH below the first one. */
export function epochAt(epochs: Epochs, offset: number): number {
  return epochs.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? NO_EPOCH
}

/** Whether a batch at an offset can be of that epoch: the one that is known to be there; below the first one, none that is later. Its CRC does not say so. */
export function isOfEpoch(epochs: Epochs, offset: number, epoch: number): boolean {
  const known = epochAt(epochs, offset)
  return known === NO_EPOCH ? epoch >= NO_EPOCH && epoch <= (epochs[0]?.epoch ?? Infinity) : epoch === known
}

/** The largest epoch here that is not larger, and where it ends; NO_EPOCH if there is none that old. */
export function endOfEpoch(epochs: Epochs, epoch: number, logEndOffset: number): EpochEnd {
  for (let i = epochs.length - 1; i >= 0; i--) {
    const entry = epochs[i]
    if (entry !== undefined && entry.epoch <= epoch) return { epoch: entry.epoch, endOffset: epochs[i + 1]?.startOffset ?? logEndOffset }
  }
  return { epoch: NO_EPOCH, endOffset: epochs[0]?.startOffset ?? logEndOffset }
}

/** Forgets what was written at or above an offset: the log has been cut there. */
export function truncateEpochs(epochs: Epochs, endOffset: number): void {
  while (epochs.length > 0 && (epochs[epochs.length - 1]?.startOffset ?? 0) >= endOffset) epochs.pop()
}

/** Forgets epochs that are later than that one; what was said to be of them is of the one before. */
export function capEpochs(epochs: Epochs, epoch: number): void {
  const [first] = epochs
  while (lastEpoch(epochs) > epoch) epochs.pop()
  if (epochs.length === 0 && first !== undefined) epochs.push({ epoch, startOffset: first.startOffset })
}

/** Forgets epochs that ended below the first batch that is left; the one that holds it begins there now. */
export function trimEpochs(epochs: Epochs, startOffset: number): void {
  while (epochs.length > 1 && (epochs[1]?.startOffset ?? Infinity) <= startOffset) epochs.shift()
  const first = epochs[0]
  if (first !== undefined && first.startOffset < startOffset) epochs[0] = { epoch: first.epoch, startOffset }
}

/**
 * Where a follower's log ends to agree with its leader, which says that its own epoch `leader.epoch` ends at `leader.endOffset` (KIP-279): not beyond that, and
 * not beyond where that epoch ends here. It must ask again afterwards: the epochs may go on to differ.
 */
export function divergingEnd(epochs: Epochs, leader: EpochEnd, logEndOffset: number): number {
  const own = endOfEpoch(epochs, leader.epoch, logEndOffset)
  return Math.min(leader.endOffset, own.endOffset, logEndOffset)
}
