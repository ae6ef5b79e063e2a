/**
 * What a host needs of a disk: it performs storage effects and answers each with a message. `file-storage.ts` has real files,
 * `memory-storage.ts` none. (The simulator has its own, with faults.)
 */
import type { StorageEffect } from '../actors/effect.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'

/** Takes the answer to an effect. */
export type Answer = (answer: StorageAnswer) => void

/** A disk, or what stands for one. */
export interface Storage {
  /** Performs an effect, now or (a sync) soon. Answers come in the order of the effects per log; that of a cleaning when it is done. */
  perform(effect: StorageEffect, answer: Answer): void
  /** Starts the syncs that were asked for since the last call, one per file. Hosts call it once per cycle. */
  startSyncs(): void
  /** Syncs and cleanings under way: their answers need the event loop. */
  readonly pendingSyncs: number
  /** Closes every file; resolves when nothing is under way any more. */
  close(): Promise<void>
}
