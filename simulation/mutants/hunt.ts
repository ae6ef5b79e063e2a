/**
 * Looks for every mutant: `npm run mutants -- --help`. The noted seed is tried first; if it does not find the mutant, seeds are counted up. Each
 * hunt has worker threads of its own, for a thread never gets rid of a mutant. Exit code 0: all are found; 1: one is not; 2: the command line makes
 * no sense.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runFleet } from '../fleet.ts'
import type { RunResult } from '../run.ts'
import { mutants } from './catalogue.ts'
import { findMutant } from './loader.ts'
import type { Mutant } from './mutant.ts'
import { noteInCatalogue, noteInTable } from './notes.ts'
import type { Found } from './notes.ts'

const HELP = `npm run mutants -- [options]

  --id ID           only this mutant; may be repeated
  --from S          count up from S; the noted seeds are not tried first
  --max N           give a mutant up after so many seeds (default 2000)
  --workers N       worker threads (default 2)
  --update          write what was found into catalogue.ts and docs/simulation.md
  --json            print one JSON object
`

interface Command {
  readonly hunted: readonly Mutant[]
  /** Null: the noted seed first, then from 1. */
  readonly from: number | null
  readonly max: number
  readonly workers: number
  readonly update: boolean
  readonly isJson: boolean
}

interface Hunted {
  readonly mutant: Mutant
  readonly found: Found | null
  readonly seconds: number
}

function readCommand(): Command | null {
  const { values } = parseArgs({
    options: {
      id: { type: 'string', multiple: true },
      from: { type: 'string' },
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
    from: values.from === undefined ? null : wholeNumber('from', values.from),
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

async function hunt(mutant: Mutant, command: Command, showProgress: (text: string) => void): Promise<Hunted> {
  const startedAt = performance.now()
  const { id, seed } = mutant
  let found: Found | null = null
  if (command.from === null) {
    const code = seed === 0 ? undefined : (await search(mutant, seed, 1, 1, () => undefined))?.violation?.code
    if (code !== undefined) found = { id, code, seed, seeds: mutant.seedsToFind }
  }
  const from = command.from ?? 1
  if (found === null) {
    const runs = mutant.run === 'quorum' ? command.max * QUORUM_FACTOR : command.max
    const first = await search(mutant, from, runs, command.workers, (count) => showProgress(`${id}: ${count} seeds`))
    if (first?.violation) found = { id, code: first.violation.code, seed: first.seed, seeds: first.seed - from + 1 }
  }
  return { mutant, found, seconds: (performance.now() - startedAt) / 1000 }
}

/** The lowest seed that finds the mutant; undefined if none does. */
async function search(
  { id: mutant, run }: Mutant,
  firstSeed: number,
  runs: number,
  workers: number,
  onCount: (count: number) => void,
): Promise<RunResult | undefined> {
  let count = 0
  const results = await runFleet({ firstSeed, runs, workers, untilFail: true, mutant, isQuorum: run === 'quorum', plan: {} }, () =>
    onCount(++count),
  )
  return results.filter(({ violation }) => violation !== null).toSorted((a, b) => a.seed - b.seed)[0]
}

function describe({ mutant, found, seconds }: Hunted): string {
  const cells = [
    mutant.id.padEnd(4),
    (found?.code ?? 'missed').padEnd(6),
    String(found?.seeds ?? '-').padStart(5),
    seconds.toFixed(1).padStart(7),
  ]
  return `${cells.join('  ')}  ${mutant.title}`
}

/** Where mutants are, and where they are described; from the root of the repository. */
const CATALOGUE = [
  'catalogue.ts',
  'replication-mutants.ts',
  'trust-mutants.ts',
  'compaction-mutants.ts',
  'classic-mutants.ts',
  'client-mutants.ts',
  'group-mutants.ts',
  'quota-mutants.ts',
  'share-mutants.ts',
  'reader-mutants.ts',
  'transaction-mutants.ts',
  'quorum.ts',
].map((file) => inRoot(`simulation/mutants/${file}`))
const TABLE = inRoot('docs/simulation.md')

function inRoot(path: string): URL {
  return new URL(`../../${path}`, import.meta.url)
}

function note(found: readonly Found[]): void {
  const texts = noteInCatalogue(
    CATALOGUE.map((file) => readFileSync(file, 'utf8')),
    found,
  )
  CATALOGUE.forEach((file, i) => writeFileSync(file, texts[i] ?? ''))
  writeFileSync(TABLE, noteInTable(readFileSync(TABLE, 'utf8'), found))
}

function middle(numbers: readonly number[]): number | null {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? null
}

async function main(): Promise<number> {
  const command = readCommand()
  if (command === null) {
    console.log(HELP)
    return 0
  }
  const showProgress = (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r\u001B[K${text}`))
  if (!command.isJson) console.log('id    code    seeds  seconds  title')
  const hunted: Hunted[] = []
  for (const mutant of command.hunted) {
    showProgress(mutant.id)
    const one = await hunt(mutant, command, showProgress)
    showProgress('')
    hunted.push(one)
    if (!command.isJson) console.log(describe(one))
  }
  const found = hunted.flatMap((one) => one.found ?? [])
  const missed = hunted.filter((one) => one.found === null).map(({ mutant }) => mutant.id)
  if (command.update) note(found)
  const report = { total: hunted.length, found: found.length, medianSeeds: middle(found.map(({ seeds }) => seeds)), missed }
  if (command.isJson) console.log(JSON.stringify(report))
  else console.log(`${report.found} of ${report.total} found · half of them within ${report.medianSeeds ?? '-'} seeds`)
  return missed.length > 0 ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
