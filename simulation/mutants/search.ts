/**
 * The random search for mutants: one at a time, or many in the same code. Together they cost what one costs, for a mutant that a run does not meet changes
 * nothing in it; which of them a broken run has met is found by halving (group testing: Dorfman 1943). What only several do together counts for none of them.
 */
import { runFleet } from '../fleet.ts'
import type { RunResult } from '../run.ts'
import type { Mutant } from './mutant.ts'
import type { Found } from './notes.ts'

/** What is searched: `id` may name several mutants, as the loader takes them; null: the code as it is. */
export interface Search {
  readonly id: string | null
  readonly firstSeed: number
  readonly runs: number
  readonly workers?: number
  /** Where it is looked for. */
  readonly run?: Mutant['run']
}

/** The lowest of the seeds that found something; undefined if none did. */
export async function search({ id, firstSeed, runs, workers = 1, run }: Search): Promise<RunResult | undefined> {
  let found: RunResult | undefined
  const fleet = {
    firstSeed,
    runs,
    workers,
    untilFail: true,
    isGuarded: false,
    mutant: id,
    isQuorum: run === 'quorum',
    plan: run === 'small' || run === 'beyond' ? { small: true, beyond: run === 'beyond' } : {},
  }
  await runFleet(fleet, (result) => {
    if (result.violation !== null && (found === undefined || result.seed < found.seed)) found = result
  })
  return found
}

/** The same, but of those seeds that the code as it is does not break. */
export async function searchBug({ firstSeed, runs, ...others }: Search): Promise<RunResult | undefined> {
  for (let seed = firstSeed; seed < firstSeed + runs;) {
    const found = await search({ ...others, firstSeed: seed, runs: firstSeed + runs - seed })
    if (found === undefined || (await isSound(found.seed, others.run))) return found
    seed = found.seed + 1
  }
  return undefined
}

async function isSound(seed: number, run: Search['run']): Promise<boolean> {
  return (await search({ id: null, firstSeed: seed, runs: 1, run })) === undefined
}

/** How far many are searched. */
export type TogetherOptions = Required<Pick<Search, 'firstSeed' | 'runs' | 'workers'>> & Pick<Search, 'run'>

/** Where a search of many stands: the seed that broke, and who of them breaks it alone. */
export type Tell = (seed: number, found: readonly Found[]) => void

/** Searches for all of them at once, counting up from a seed: whoever is found is taken out, and the search goes on with that seed. */
export async function searchTogether(
  ids: readonly string[],
  { firstSeed, runs, workers, run }: TogetherOptions,
  tell: Tell,
): Promise<void> {
  let rest = [...ids]
  for (let seed = firstSeed; rest.length > 0;) {
    const broken = await search({ id: rest.join('+'), firstSeed: seed, runs: firstSeed + runs - seed, workers, run })
    if (broken === undefined) break
    const those = (await isSound(broken.seed, run)) ? await guilty(rest, broken.seed, run) : []
    const found = those.map(({ id, code }) => ({
      id,
      code,
      run,
      seed: broken.seed,
      seeds: broken.seed - firstSeed + 1,
    }))
    tell(broken.seed, found)
    rest = rest.filter((id) => !found.some((one) => one.id === id))
    seed = found.length > 0 ? broken.seed : broken.seed + 1
  }
}

/** Those that break the seed alone. */
async function guilty(ids: readonly string[], seed: number, run: Search['run']): Promise<Pick<Found, 'id' | 'code'>[]> {
  const code = (await search({ id: ids.join('+'), firstSeed: seed, runs: 1, run }))?.violation?.code
  if (code === undefined) return []
  const [id, ...others] = ids
  if (id === undefined || others.length === 0) return id === undefined ? [] : [{ id, code }]
  const half = ids.length >> 1
  return [...(await guilty(ids.slice(0, half), seed, run)), ...(await guilty(ids.slice(half), seed, run))]
}
