/**
 * What a hunt has found, and where it is noted: `seed` and `seedsToFind` in catalogue.ts, the last two columns of the table in docs/simulation.md.
 */

/** A mutant that was found. */
export interface Found {
  readonly id: string
  /** Of the violation. */
  readonly code: string
  readonly seed: number
  /** How many seeds the search took. */
  readonly seeds: number
}

/** The text of one file of the catalogue with what was found of the mutants that are in it. */
export function noteInCatalogue(text: string, found: readonly Found[]): string {
  return found.reduce((noted, { id, seed, seeds }) => {
    const entry = new RegExp(String.raw`(\{\n    id: '${id}',(?:(?!\n  \},)[^])*?\n    seed: )\d+(,\n    seedsToFind: )\d+`)
    return noted.replace(entry, (_, before: string, between: string) => `${before}${seed}${between}${seeds}`)
  }, text)
}

/** The text with the table of mutants with what was found; throws if a mutant is not in it. */
export function noteInTable(text: string, found: readonly Found[]): string {
  return found.reduce((noted, { id, code, seeds }) => {
    const row = new RegExp(String.raw`^(\| ${id} \| .* \| )[A-Z0-9a-z ]+ \| [^|]+ \|$`, 'm')
    return replaceOnce(noted, row, id, (_, before) => `${before}${code} | ${seeds} |`)
  }, text)
}

function replaceOnce(text: string, pattern: RegExp, id: string, write: (...groups: string[]) => string): string {
  if (!pattern.test(text)) throw new Error(`there is no place to note what was found of mutant ${id}`)
  return text.replace(pattern, write)
}
