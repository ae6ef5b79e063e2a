/**
 * Texts that come again and again, each kept once and known by its index.
 */

/** A list without repetitions. */
export class Terms {
  readonly all: string[] = []
  readonly #indexes: Map<string, number> = new Map()

  /** The index of a text, which is added if it is new. */
  of(text: string): number {
    const known = this.#indexes.get(text)
    if (known !== undefined) return known
    const index = this.all.push(text) - 1
    this.#indexes.set(text, index)
    return index
  }
}
