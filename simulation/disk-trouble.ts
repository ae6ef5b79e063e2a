/**
 * What may befall a disk beside the faults that it draws itself.
 */
import type { StorageEffect } from '../actors/effect.ts'

/** Asked by a disk until the run heals. */
export interface DiskTrouble {
  /** An operation was handed in: so much longer it takes, in microseconds, and all that waits behind it. */
  holdMicros(effect: StorageEffect): number
  /** An operation has come to its end: whether it fails. */
  fails(effect: StorageEffect): boolean
}
