/**
 * Where the mending of a damaged log stands (actors/replica-mend.ts), as plain data.
 */

/** A damaged log on its way to be what was written. */
export interface Mending {
  /** Everything before is sound: where it goes on. */
  segmentBaseOffset: number
  position: number
  offset: number
  /** Of the question to the leader; and the uptime when it is asked again. -1 while there is none. */
  correlationId: number
  askAt: number
  /** Answers in a row that there is nothing to read there. */
  emptyCount: number
  /** The offset of the batch that was written last; -1: none was. */
  mended: number
  /** Sync answers still awaited. */
  syncing: number
  /** Where the log is cut when they are there: the leader has nothing from there on. -1: nowhere, it is whole. */
  cutAt: number
}
