/**
 * What a process under test says about itself while it may be killed at any moment, as a line of text per event. A line counts only with its end, so a
 * kill in the middle of one says nothing rather than something wrong.
 *
 * Records of one author in one partition are numbered 0, 1, 2, … (their sequence): a run is `count` of them with neighbouring offsets and sequences.
 */

/** Neighbouring records of one author, from `offset` and `sequence` on. */
export interface Run {
  readonly offset: number
  readonly author: number
  readonly sequence: number
  readonly count: number
}

/** Where something happened: `topic-partition`. */
interface At {
  readonly where: string
}

/** What can be said. */
export type SoakEvent =
  /** The load is about to begin. */
  | { readonly kind: 'loading' }
  /** A node was terminated, came back, and what it holds was read. */
  | { readonly kind: 'round' }
  /** The producer was told where these records are. */
  | ({ readonly kind: 'acknowledged' } & At & Run)
  /** The producer was told that all records of the author below `sequenceEnd` are written, but not where; `count` of them are new. */
  | ({ readonly kind: 'flushed'; readonly author: number; readonly sequenceEnd: number; readonly count: number } & At)
  /** The log will be read from here. */
  | ({ readonly kind: 'reading'; readonly offset: number } & At)
  /** These records are in the log. */
  | ({ readonly kind: 'read' } & At & Run)
  /** The log has been read up to here, and there is no more. */
  | ({ readonly kind: 'readEnd'; readonly offset: number } & At)
  /** So many replicas do not hold the bytes that the first one holds. */
  | ({ readonly kind: 'diverged'; readonly count: number } & At)
  /** The group was given these records. */
  | ({ readonly kind: 'delivered'; readonly offset: number; readonly count: number } & At)
  /** The group was told that this offset is committed. */
  | ({ readonly kind: 'committed'; readonly offset: number } & At)
  /** What has become of a pipeline's records: right, missing, there twice, or something else. */
  | {
      readonly kind: 'output'
      readonly acknowledged: number
      readonly lost: number
      readonly duplicated: number
      readonly reordered: number
    }
  /** The group asked, and this offset is committed (0 for none). */
  | ({ readonly kind: 'found'; readonly offset: number } & At)

/** The author of a record whose bytes are not what anybody wrote. */
export const DAMAGED_AUTHOR = 0xffff_ffff

/** The line of an event, with its end. */
export function lineOf(event: SoakEvent): string {
  return `${JSON.stringify(event)}\n`
}

/** Collects bytes into events; keeps an unfinished line until its end comes. */
export function eventReader(take: (event: SoakEvent) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(JSON.parse(line) as SoakEvent)
  }
}
