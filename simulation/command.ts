/**
 * The command line of the simulator, read and judged: what contradicts itself, or cannot be written, is refused before anything runs.
 */
import { randomInt } from 'node:crypto'
import { accessSync, constants, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SHRINK_MILLIS } from './explain.ts'
import { mutants } from './mutants/catalogue.ts'
import { DEFAULT_SECONDS } from './plan.ts'
import { SMALL_SECONDS } from './small-plan.ts'

/** What `--help` prints. */
export const HELP: string = `npm run simulate -- [options]

Alone: as many seeds as half a minute has room for, from a random one on, on all cores, until one is broken: clusters in small first, then whole ones.

  --seed S          the first seed (default: a random one, which is printed); alone, only this one
  --runs N          how many seeds, counting up from S
  --until-fail      stop at the first violation
  --until-found     the same, for mutants: up to 20000 seeds
  --seconds V       virtual seconds of trouble in each run (default ${DEFAULT_SECONDS}; in small ${SMALL_SECONDS})
  --workers N       worker threads (default: as many as there are cores; 1 with --until-fail and --until-found)
  --time T          no new seeds after that much real time: 90s, 10m, 8h
  --state FILE      keep there how far the fleet is; the same command line goes on from there
  --mutant ID       put a known bug into the code: ${mutants.map(({ id }) => id).join(', ')}
  --beyond          disks are harmed beyond the bounds in which records are kept: everything must work again in the end
  --small           clusters in small: one cast of clients, few nodes, a few seconds; ten and more a second
  --quorum          only the metadata quorum, in small: hundreds of seeds a second
  --trace FILE      write every step of the first seed to a file
  --timeline FILE   draw a run as a page for the browser: what is left of the first broken run when it has been made smaller,
                    else that run as it is, else the first seed
  --keep WHAT       run only what is left of a seed, and tell its story: seconds=12,producers=1,kill=0+3
                    (the line that is printed when a broken run has been made smaller)
  --explain         with --json, too: make the first broken run smaller, and tell its story (\`least\`)
  --no-shrink       do not make the first broken run smaller (that takes up to ${SHRINK_MILLIS / 1000} s)
  --coverage        say in which states of which actor which messages have never come
  --json            print one JSON object
`

/** What a command line asks for. */
export interface Command {
  readonly seed: number
  readonly isSeedGiven: boolean
  readonly runs: number
  readonly untilFail: boolean
  /** Null: as many as such runs have. */
  readonly seconds: number | null
  readonly workers: number
  readonly timeMillis: number | null
  readonly state: string | null
  readonly mutant: string | null
  readonly isQuorum: boolean
  readonly isBeyond: boolean
  readonly isSmall: boolean
  /** Nothing says how much is run: some seeds in small, then some of whole clusters. */
  readonly isPlain: boolean
  readonly trace: string | null
  readonly timeline: string | null
  readonly keep: string | null
  readonly shrinks: boolean
  /** Also where a program reads. */
  readonly explains: boolean
  readonly showsCoverage: boolean
  readonly isJson: boolean
}

const RUNS_UNTIL_FOUND = 20_000

/** Without options that say how much, seeds are begun for so long. */
const PLAIN_MILLIS = 30_000
/** Of that, for so long in small. */
export const PLAIN_SMALL_MILLIS = 10_000

/** Options that say how much is run. */
const AMOUNTS = ['seed', 'runs', 'until-fail', 'until-found', 'time', 'trace', 'timeline', 'keep'] as const

const WORKERS_MAX = 64

const OPTIONS = {
  seed: { type: 'string' },
  runs: { type: 'string' },
  'until-fail': { type: 'boolean', default: false },
  'until-found': { type: 'boolean', default: false },
  seconds: { type: 'string' },
  workers: { type: 'string' },
  time: { type: 'string' },
  state: { type: 'string' },
  mutant: { type: 'string' },
  beyond: { type: 'boolean', default: false },
  small: { type: 'boolean', default: false },
  quorum: { type: 'boolean', default: false },
  trace: { type: 'string' },
  timeline: { type: 'string' },
  keep: { type: 'string' },
  explain: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
  coverage: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** Reads the command line; null: it asks for help. Throws an Error that names what makes no sense. */
export function readCommand(): Command | null {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) return null
  const mutant = values.mutant ?? null
  const found = mutants.find(({ id }) => id === mutant)
  if (mutant !== null && found === undefined) throw new Error(`there is no mutant ${mutant}`)
  const isQuorum = values.quorum || found?.run === 'quorum'
  const isSmall = values.small || (found?.run === 'small' && !values.quorum)
  refuseContradictions(values, isQuorum && found?.run !== 'quorum' && mutant !== null ? mutant : null, isQuorum)
  for (const path of [values.trace, values.timeline, values.state]) if (path !== undefined) refuseUnwritable(path)
  const isPlain = AMOUNTS.every((option) => values[option] === undefined || values[option] === false)
  const isEndless = values['until-fail'] || values.time !== undefined || isPlain
  const seed = wholeNumber('seed', values.seed, randomInt(1, 2 ** 31), Number.MAX_SAFE_INTEGER)
  const runsMax = Number.MAX_SAFE_INTEGER - seed + 1
  const runsDefault = values['until-found'] ? RUNS_UNTIL_FOUND : isEndless ? runsMax : 1
  const runs = wholeNumber('runs', values.runs, Math.min(runsDefault, runsMax), runsMax)
  const untilFail = values['until-fail'] || values['until-found'] || isPlain
  const isOneByOne = untilFail && !isPlain
  return {
    seed,
    isSeedGiven: values.seed !== undefined,
    runs,
    untilFail,
    seconds: values.seconds === undefined ? null : wholeNumber('seconds', values.seconds, 1, 100_000),
    workers: wholeNumber('workers', values.workers, isOneByOne ? 1 : Math.min(availableParallelism(), runs), WORKERS_MAX),
    timeMillis: values.time !== undefined ? duration(values.time) : isPlain ? PLAIN_MILLIS : null,
    state: values.state ?? null,
    mutant,
    isQuorum,
    isBeyond: values.beyond,
    isSmall,
    isPlain,
    trace: values.trace ?? null,
    timeline: values.timeline ?? null,
    keep: values.keep ?? null,
    shrinks: !values['no-shrink'],
    explains: values.explain,
    showsCoverage: values.coverage,
    isJson: values.json,
  }
}

/** What is given, as far as options may contradict each other. */
interface Given {
  readonly runs?: string
  readonly time?: string
  readonly 'until-fail': boolean
  readonly 'until-found': boolean
  readonly trace?: string
  readonly timeline?: string
  readonly keep?: string
  readonly state?: string
  readonly beyond: boolean
  readonly small: boolean
  readonly explain: boolean
  readonly 'no-shrink': boolean
}

/** `stranger`: a mutant that the quorum in small does not meet. */
function refuseContradictions(given: Given, stranger: string | null, isQuorum: boolean): void {
  const { runs, trace, keep, time, state } = given
  const isMany =
    (runs !== undefined && runs !== '1') || time !== undefined || state !== undefined || given['until-fail'] || given['until-found']
  const alone = keep !== undefined ? '--keep' : trace !== undefined ? '--trace' : null
  if (alone !== null && isMany)
    throw new Error(`${alone} runs one seed: leave out --runs, --time, --state, --until-fail and --until-found, and name it with --seed`)
  if (stranger !== null) throw new Error(`mutant ${stranger} is not met by the metadata quorum in small: leave out --quorum`)
  if (isQuorum && given.timeline !== undefined) throw new Error('the quorum in small has no timeline')
  if (isQuorum && keep !== undefined) throw new Error('the quorum in small is not made smaller: --keep is for runs of whole clusters')
  if (isQuorum && given.beyond) throw new Error('the quorum in small has disks of its own: leave out --quorum or --beyond')
  if (isQuorum && given.small) throw new Error('the quorum in small is no cluster: leave out --quorum or --small')
  if (given.explain && given['no-shrink']) throw new Error('--explain makes the broken run smaller: leave out --no-shrink')
}

/** Before anything is run, not after it. */
function refuseUnwritable(path: string): void {
  try {
    accessSync(dirname(resolve(path)), constants.W_OK)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error('it is a directory')
  } catch (error) {
    throw new Error(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function wholeNumber(name: string, text: string | undefined, fallback: number, max: number): number {
  const number = text === undefined ? fallback : Number(text)
  if (!Number.isSafeInteger(number) || number < 1 || number > max)
    throw new Error(`--${name} is a whole number from 1 to ${max}, not ${text}`)
  return number
}

function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smh])$/.exec(text) ?? []
  if (count === undefined || Number(count) < 1)
    throw new Error(`--time is a number of seconds, minutes or hours (90s, 10m, 8h), not ${text}`)
  return Number(count) * (unit === 's' ? 1000 : unit === 'm' ? 60_000 : 3_600_000)
}
