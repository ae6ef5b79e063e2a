/**
 * Whether an unsound end of a log is more than a torn write: what was being written when the power went away is the last there is, as a rule. A sound batch
 * behind it says that something was written, and perhaps acknowledged, that cannot be read any more (Alagappan et al., Protocol-Aware Recovery, FAST 2018).
 *
 * What it does not know: whether a batch that rotted at the very end was acknowledged. Only a checkpoint can say so.
 */
import * as batch from '../protocol/record-batch.ts'
import type { Checkpoint } from './checkpoint.ts'

/** Whether bytes hold a whole, sound batch with a base offset of at least `offset`, wherever it begins: of an unsound one not even the size counts. */
export function hasSoundBatch(bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at + batch.BATCH_HEADER_BYTES <= bytes.length; at++) {
    if (batch.magic(bytes, at) !== batch.MAGIC_V2 || batch.baseOffset(bytes, at) < offset) continue
    if (batch.checkBatch(bytes, at, bytes.length - at).ok) return true
  }
  return false
}

/**
 * Which batch is damaged where a log does not go on as it should: everything below the recovery point was sound. Also one that seems to end just there, and is not
 * what was written: where it ends is what may be wrong, and what follows is no tail. -1 if none is.
 */
export function damagedOffset(found: {
  readonly checkpoint: Checkpoint | null
  readonly expectedOffset: number
  readonly unsoundEnd: number
}): number {
  const recoveryPoint = found.checkpoint?.recoveryPoint ?? 0
  if (found.expectedOffset < recoveryPoint) return found.expectedOffset
  return found.expectedOffset === recoveryPoint ? found.unsoundEnd : -1
}
