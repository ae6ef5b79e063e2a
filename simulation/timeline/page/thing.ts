/**
 * Anything on the page that can be pointed at.
 */

/** What kind of thing it is, and which of them. A life, a pause and a note are of a lane; a stage is of a transaction. */
export interface Thing {
  readonly of: 'flight' | 'step' | 'fault' | 'reign' | 'transaction' | 'decision' | 'life' | 'violation'
  readonly index: number
  /** Of a life: its lane. Of a reign: its partition. */
  readonly owner?: number
}

/** Whether two are the same. */
export function isSame(a: Thing | null, b: Thing | null): boolean {
  return a?.of === b?.of && a?.index === b?.index && a?.owner === b?.owner
}
