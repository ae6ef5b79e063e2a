/**
 * A mutant: a bug that real logs have had, put into otherwise sound code as a replacement of text. The product carries no switches for it.
 */

/** One replacement; the text must stand in the file exactly once. */
export interface Edit {
  /** Path from the root of the repository. */
  readonly file: string
  readonly text: string
  readonly replacement: string
}

/** A bug, and how it is known. */
export interface Mutant {
  readonly id: string
  readonly title: string
  readonly edits: readonly Edit[]
  /** What the faulty rule does to whom. */
  readonly why: string
  /** Looked for by the metadata quorum in small, or by clusters in small, with disks that are harmed beyond the atlas or not; otherwise by whole clusters. */
  readonly run?: 'quorum' | 'small' | 'beyond'
  /** A seed that finds it; 0 if only a test of its own does. */
  readonly seed: number
  /** How many seeds the random search took, beginning at 1; 0 if it has not found it. */
  readonly seedsToFind: number
}
