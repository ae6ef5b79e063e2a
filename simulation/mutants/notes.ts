/**
 * What a hunt has found, and where it is noted: `run`, `seed` and `seedsToFind` in catalogue.ts, the last two columns of the table in docs/simulation.md,
 * and one line in README.
 */

import type { Mutant } from './mutant.ts'

/** A mutant that was found. */
export interface Found {
  readonly id: string
  /** Of the violation. */
  readonly code: string
  /** By what kind of run. */
  readonly run: Mutant['run']
  readonly seed: number
  /** How many seeds the search took. */
  readonly seeds: number
}

/** The files in which mutants are, from the root of the repository. */
export const CATALOGUE_FILES: readonly string[] = [
  'catalogue',
  'replication-mutants',
  'trust-mutants',
  'proof-mutants',
  'compaction-mutants',
  'classic-mutants',
  'client-mutants',
  'group-mutants',
  'quota-mutants',
  'share-mutants',
  'reader-mutants',
  'transaction-mutants',
  'quorum',
].map((name) => `simulation/mutants/${name}.ts`)

/** The files of the catalogue with what was found; throws if a mutant is in none of them. */
export function noteInCatalogue(texts: readonly string[], found: readonly Found[]): string[] {
  for (const { id } of found) {
    if (!texts.some((text) => placeOf(id).test(text))) throw new Error(`there is no place to note what was found of mutant ${id}`)
  }
  return texts.map((text) => noteInFile(text, found))
}

function placeOf(id: string): RegExp {
  return new RegExp(
    String.raw`(\{\n    id: '${id}',(?:(?!\n  \},)[^])*?\n)(?:    run: '[a-z]+',\n)?(    seed: )\d+(,\n    seedsToFind: )\d+`,
  )
}

function noteInFile(text: string, found: readonly Found[]): string {
  return found.reduce((noted, { id, run, seed, seeds }) => {
    const line = run === undefined ? '' : `    run: '${run}',\n`
    return noted.replace(
      placeOf(id),
      (_, before: string, begin: string, between: string) => `${before}${line}${begin}${seed}${between}${seeds}`,
    )
  }, text)
}

/** The text with the table of mutants with what was found; throws if a mutant is not in it. */
export function noteInTable(text: string, found: readonly Found[]): string {
  return found.reduce((noted, { id, code, seeds }) => {
    const row = new RegExp(String.raw`^(\| ${id} \| .* \| )[A-Z0-9a-z ]+ \| [^|]+ \|$`, 'm')
    return replaceOnce(noted, row, id, (_, before) => `${before}${code} | ${seeds} |`)
  }, text)
}

/** README with its line about the kill rate; throws if it has none. */
export function noteInReadme(text: string, line: string): string {
  const old = /^Of \d+ known bugs .*$/m
  if (!old.test(text)) throw new Error('there is no place in README to note the kill rate')
  return text.replace(old, line)
}

function replaceOnce(text: string, pattern: RegExp, id: string, write: (...groups: string[]) => string): string {
  if (!pattern.test(text)) throw new Error(`there is no place to note what was found of mutant ${id}`)
  return text.replace(pattern, write)
}
