/**
 * How good the search is, in numbers: how many known bugs there are, how many of them can be put into this code, how many of those a test of their own notices
 * (the witness: its author knew the bug), and how many the random search finds unaided (it knows of none).
 */
import type { ElsewhereBug } from './elsewhere.ts'
import type { Mutant } from './mutant.ts'

/** What is known of one mutant. */
export interface Verdict {
  readonly id: string
  /** Its witness is red with it. */
  readonly isWitnessed: boolean
  /** How many seeds the random search took, counting up from 1; 0 if it has not found it. */
  readonly seedsToFind: number
}

/** What a program reads. */
export interface Figures {
  /** Known bugs: those in the catalogue, and those that have no place here. */
  readonly total: number
  /** Those in the catalogue. */
  readonly applicable: number
  readonly witness: { readonly found: number; readonly missed: readonly string[] }
  readonly unaided: { readonly found: number; readonly medianSeeds: number | null; readonly missed: readonly string[] }
  /** Found by neither. */
  readonly missed: readonly string[]
}

/** What the catalogue itself says. */
export function verdictsOf(mutants: readonly Mutant[], witnesses: Readonly<Record<string, unknown>>): Verdict[] {
  return mutants.map(({ id, seedsToFind }) => ({ id, isWitnessed: Object.hasOwn(witnesses, id), seedsToFind }))
}

/** Counts them. */
export function figuresOf(verdicts: readonly Verdict[], elsewhere: readonly ElsewhereBug[]): Figures {
  const unwitnessed = verdicts.filter(({ isWitnessed }) => !isWitnessed).map(({ id }) => id)
  const found = verdicts.filter(({ seedsToFind }) => seedsToFind > 0)
  const unfound = verdicts.filter(({ seedsToFind }) => seedsToFind === 0).map(({ id }) => id)
  return {
    total: verdicts.length + elsewhere.length,
    applicable: verdicts.length,
    witness: { found: verdicts.length - unwitnessed.length, missed: unwitnessed },
    unaided: { found: found.length, medianSeeds: middle(found.map((one) => one.seedsToFind)), missed: unfound },
    missed: unfound.filter((id) => unwitnessed.includes(id)),
  }
}

/** The kill rate in one line, as README has it. */
export function killRateLine({ total, applicable, witness, unaided }: Figures): string {
  const share = Math.round((unaided.found / applicable) * 100)
  return (
    `Of ${total} known bugs ${applicable} can be put back into this code: the random search finds ${unaided.found} of them unaided (${share} %), ` +
    `half of those within ${unaided.medianSeeds ?? 0} seeds; ${witness.found} have a test of their own that notices them.`
  )
}

function middle(numbers: readonly number[]): number | null {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? null
}
