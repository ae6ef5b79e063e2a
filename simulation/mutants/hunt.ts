/**
 * Goes through the catalogue of mutants: `npm run mutants -- --help`. Unless it is to search, it runs again the noted seed of each, and with `--witnesses` the
 * test that notices it. Exit code 0: all is as it is noted, and no mutant is found by neither; 1: it is not; 2: the command line makes no sense.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { mutants } from './catalogue.ts'
import { elsewhere } from './elsewhere.ts'
import { figuresOf, killRateLine, verdictsOf } from './figures.ts'
import { findMutant } from './loader.ts'
import type { Mutant } from './mutant.ts'
import { CATALOGUE_FILES, noteInCatalogue, noteInReadme, noteInTable } from './notes.ts'
import type { Found } from './notes.ts'
import { search, searchBug, searchTogether } from './search.ts'
import { isNoticed } from './witness.ts'
import { WITNESSES } from './witnesses.ts'

const HELP = `npm run mutants -- [options]

  --id ID           only this mutant; may be repeated
  --noted           run nothing: what the catalogue says
  --witnesses       run the witnesses, too: each is a test run of its own
  --hunt            look for what its noted seed does not find, counting up from seed 1
  --from S          the same from seed S, whatever is noted
  --together        from seed 1, or from S, for all at once that the search has not found: N seeds cost little more than for one
  --small           look for them with clusters in small, wherever they were found before
  --max N           give a mutant up after so many seeds (default 2000)
  --workers N       mutants at a time (default 2)
  --update          write what was found into the catalogue, docs/simulation.md and README.md
  --json            print one JSON object
`

interface Command {
  readonly hunted: readonly Mutant[]
  readonly isWhole: boolean
  readonly isNoted: boolean
  readonly runsWitnesses: boolean
  /** Null: nothing is searched. */
  readonly from: number | null
  readonly triesNoted: boolean
  readonly isTogether: boolean
  /** Null: where it is noted. */
  readonly run: 'small' | null
  readonly max: number
  readonly workers: number
  readonly update: boolean
  readonly isJson: boolean
}

interface Hunted {
  readonly mutant: Mutant
  readonly found: Found | null
  readonly isWitnessed: boolean
  readonly seconds: number
}

function readCommand(): Command | null {
  const { values } = parseArgs({
    options: {
      id: { type: 'string', multiple: true },
      noted: { type: 'boolean', default: false },
      witnesses: { type: 'boolean', default: false },
      hunt: { type: 'boolean', default: false },
      from: { type: 'string' },
      together: { type: 'boolean', default: false },
      small: { type: 'boolean', default: false },
      max: { type: 'string', default: '2000' },
      workers: { type: 'string', default: '2' },
      update: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const hunted = values.id?.map((id) => {
    const mutant = findMutant(id)
    if (mutant === undefined) throw new Error(`there is no mutant ${id}`)
    return mutant
  })
  return {
    hunted: hunted ?? mutants,
    isWhole: hunted === undefined,
    isNoted: values.noted,
    runsWitnesses: values.witnesses,
    from: values.from === undefined ? (values.hunt ? 1 : null) : wholeNumber('from', values.from),
    triesNoted: values.from === undefined,
    isTogether: values.together,
    run: values.small ? 'small' : null,
    max: wholeNumber('max', values.max),
    workers: wholeNumber('workers', values.workers),
    update: values.update,
    isJson: values.json,
  }
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} is a whole number from 1 on, not ${text}`)
  return number
}

/** The quorum in small takes milliseconds a seed. */
const QUORUM_FACTOR = 10

async function hunt(mutant: Mutant, { from, triesNoted, max, runsWitnesses, run: wanted }: Command): Promise<Hunted> {
  const startedAt = performance.now()
  const { id, seed, seedsToFind: seeds } = mutant
  const { run } = mutant
  const searchedBy = run === 'quorum' ? run : (wanted ?? run)
  const runs = run === 'quorum' ? max * QUORUM_FACTOR : max
  const noted = triesNoted && seed > 0 ? await search({ id, firstSeed: seed, runs: 1, run }) : undefined
  const searched = noted === undefined && from !== null ? await searchBug({ id, firstSeed: from, runs, run: searchedBy }) : undefined
  const isWitnessed = runsWitnesses ? await isNoticed(id) : Object.hasOwn(WITNESSES, id)
  const code = (noted ?? searched)?.violation?.code
  const place =
    noted === undefined && searched !== undefined
      ? { run: searchedBy, seed: searched.seed, seeds: searched.seed - (from ?? 1) + 1 }
      : { run, seed, seeds }
  return { mutant, found: code === undefined ? null : { id, code, ...place }, isWitnessed, seconds: (performance.now() - startedAt) / 1000 }
}

/** Several at a time: a mutant has a thread of its own anyway, for a thread never gets rid of it. */
async function huntAll(command: Command, onHunted: (hunted: Hunted, count: number) => void): Promise<Hunted[]> {
  const rest = [...command.hunted]
  const done: Hunted[] = []
  const work = async (): Promise<void> => {
    for (let mutant = rest.shift(); mutant !== undefined; mutant = rest.shift()) {
      const hunted = await hunt(mutant, command)
      onHunted(hunted, done.push(hunted))
    }
  }
  await Promise.all(Array.from({ length: command.workers }, work))
  return command.hunted.flatMap(({ id }) => done.find(({ mutant }) => mutant.id === id) ?? [])
}

/** The search for all at once that are not found yet; those of the quorum in small are looked for alone. Ends at the last of its seeds, or when all are found. */
async function huntTogether({ hunted, from, max, workers, update, isJson, run: wanted }: Command): Promise<number> {
  const ids = hunted.flatMap(({ id, run, seedsToFind }) => (seedsToFind === 0 && run !== 'quorum' ? id : []))
  const found: Found[] = []
  await searchTogether(ids, { firstSeed: from ?? 1, runs: max, workers, run: wanted ?? undefined }, (seed, those) => {
    const names = those.map(({ id, code }) => `${id} (${code})`)
    if (!isJson) console.log(`seed ${seed}: ${names.length > 0 ? names.join(', ') : 'only several together, or none'}`)
    found.push(...those)
    if (update) note(found)
  })
  const missed = ids.filter((id) => !found.some((one) => one.id === id))
  if (isJson) console.log(JSON.stringify({ runs: max, found, missed }))
  else console.log(`${found.length} of ${ids.length} found in ${max} seeds; not found: ${missed.join(', ')}`)
  return 0
}

function describe({ mutant, found, isWitnessed, seconds }: Hunted): string {
  const cells = [
    mutant.id.padEnd(4),
    (found?.code ?? (mutant.seed > 0 ? 'missed' : '-')).padEnd(6),
    String(found?.seeds ?? '-').padStart(5),
    (isWitnessed ? 'noticed' : '-').padEnd(7),
    seconds.toFixed(1).padStart(7),
  ]
  return `${cells.join('  ')}  ${mutant.title}`
}

function note(found: readonly Found[]): void {
  const files = [...CATALOGUE_FILES, 'docs/simulation.md', 'README.md'].map((path) => new URL(`../../${path}`, import.meta.url))
  const texts = files.map((file) => readFileSync(file, 'utf8'))
  const [table = '', readme = ''] = texts.splice(-2)
  const known = mutants.map((mutant) => ({ ...mutant, seedsToFind: found.find(({ id }) => id === mutant.id)?.seeds ?? mutant.seedsToFind }))
  const line = killRateLine(figuresOf(verdictsOf(known, WITNESSES), elsewhere))
  const noted = [...noteInCatalogue(texts, found), noteInTable(table, found), noteInReadme(readme, line)]
  files.forEach((file, i) => writeFileSync(file, noted[i] ?? ''))
}

/** What was noted of a mutant is not so any more, or was searched for in vain. */
function isOff({ mutant, found, isWitnessed }: Hunted, isSearching: boolean): boolean {
  return (found === null && (isSearching || mutant.seed > 0)) || (!isWitnessed && Object.hasOwn(WITNESSES, mutant.id))
}

async function main(): Promise<number> {
  const command = readCommand()
  if (command === null) {
    console.log(HELP)
    return 0
  }
  if (command.isTogether) return await huntTogether(command)
  const { hunted: chosen, isWhole, isNoted, isJson, update } = command
  const isLoud = !isJson && !isNoted
  if (isLoud) console.log('id    found   seeds  witness  seconds  title')
  const showProgress = (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r\u001B[K${text}`))
  const hunted = isNoted
    ? null
    : await huntAll(command, (one, count) => {
        showProgress('')
        if (isLoud) console.log(describe(one))
        showProgress(`${count} of ${chosen.length}`)
      })
  showProgress('')
  if (update) note(hunted?.flatMap((one) => one.found ?? []) ?? [])
  const verdicts = hunted?.map(({ mutant: { id }, found, isWitnessed }) => ({ id, isWitnessed, seedsToFind: found?.seeds ?? 0 }))
  const figures = figuresOf(verdicts ?? verdictsOf(chosen, WITNESSES), isWhole ? elsewhere : [])
  const off = hunted?.filter((one) => isOff(one, command.from !== null)).map(({ mutant }) => mutant.id) ?? []
  const rerun = {
    seeds: command.triesNoted ? (hunted?.filter(({ mutant }) => mutant.seed > 0).length ?? 0) : 0,
    witnesses: command.runsWitnesses ? (hunted?.filter(({ mutant }) => Object.hasOwn(WITNESSES, mutant.id)).length ?? 0) : 0,
  }
  if (isJson) console.log(JSON.stringify({ ...figures, rerun, off }))
  else console.log(`${killRateLine(figures)}${off.length > 0 ? `\nnot as noted: ${off.join(', ')}` : ''}`)
  return figures.missed.length > 0 || off.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
