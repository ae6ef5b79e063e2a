/**
 * What the command line of the simulator asks for. Exit code 0: nothing is broken; 1: something is, and one line says how to replay it; 2: the command line makes no sense.
 */
import { randomInt } from 'node:crypto'
import { accessSync, constants, createWriteStream, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { explain, repeatKept, SHRINK_MILLIS } from './explain.ts'
import type { Explanation, Subject } from './explain.ts'
import { loadRunner } from './runner.ts'
import { mutants } from './mutants/catalogue.ts'
import { DEFAULT_SECONDS } from './plan.ts'
import type { PlanOptions } from './plan.ts'
import { PROMISES } from './promises.ts'
import { describeProof, describeReport, describeUncovered, exitCodeOf, reportOf } from './report.ts'
import type { Report } from './report.ts'
import type { RunResult } from './run.ts'
import { runSession } from './session.ts'
import type { Session } from './session.ts'
import { currentCode, currentCommit } from './state-file.ts'
import { timelinePage } from './timeline/page.ts'
import { recordRun } from './timeline/record.ts'
import { addResult, newTotals } from './totals.ts'
import type { SeedViolation } from './totals.ts'

const HELP = `npm run simulate -- [options]

Alone: as many seeds as half a minute has room for, from a random one on, on all cores, until one is broken.

  --seed S          the first seed (default: a random one, which is printed); alone, only this one
  --runs N          how many seeds, counting up from S
  --until-fail      stop at the first violation
  --until-found     the same, for mutants: up to 20000 seeds
  --seconds V       virtual seconds of trouble in each run (default ${DEFAULT_SECONDS})
  --workers N       worker threads (default: as many as there are cores; 1 with --until-fail and --until-found)
  --time T          no new seeds after that much real time: 90s, 10m, 8h
  --state FILE      keep there how far the fleet is; the same command line goes on from there
  --mutant ID       put a known bug into the code: ${mutants.map(({ id }) => id).join(', ')}
  --beyond          disks are harmed beyond the bounds in which records are kept: everything must work again in the end
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

interface Command {
  readonly seed: number
  readonly isSeedGiven: boolean
  readonly runs: number
  readonly untilFail: boolean
  readonly seconds: number
  readonly workers: number
  readonly timeMillis: number | null
  readonly state: string | null
  readonly mutant: string | null
  readonly isQuorum: boolean
  readonly isBeyond: boolean
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

/** Options that say how much is run. */
const AMOUNTS = ['seed', 'runs', 'until-fail', 'until-found', 'time', 'trace', 'timeline', 'keep'] as const

const WORKERS_MAX = 64

function readCommand(): Command | null {
  const { values } = parseArgs({
    options: {
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
      quorum: { type: 'boolean', default: false },
      trace: { type: 'string' },
      timeline: { type: 'string' },
      keep: { type: 'string' },
      explain: { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
      coverage: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const mutant = values.mutant ?? null
  const found = mutants.find(({ id }) => id === mutant)
  if (mutant !== null && found === undefined) throw new Error(`there is no mutant ${mutant}`)
  const isQuorum = values.quorum || found?.run === 'quorum'
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
    seconds: wholeNumber('seconds', values.seconds, DEFAULT_SECONDS, 100_000),
    workers: wholeNumber('workers', values.workers, isOneByOne ? 1 : Math.min(availableParallelism(), runs), WORKERS_MAX),
    timeMillis: values.time !== undefined ? duration(values.time) : isPlain ? PLAIN_MILLIS : null,
    state: values.state ?? null,
    mutant,
    isQuorum,
    isBeyond: values.beyond,
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

const TRACE = ' --trace trace.txt'

/** What all runs of a command have in common. */
function commonOptions({ isQuorum, isBeyond, mutant, seconds }: Command): string {
  return [
    isQuorum && mutant === null ? ' --quorum' : '',
    isBeyond ? ' --beyond' : '',
    isQuorum || seconds === DEFAULT_SECONDS ? '' : ` --seconds ${seconds}`,
    mutant === null ? '' : ` --mutant ${mutant}`,
  ].join('')
}

function replayLine(command: Command, seed: number, keep: string | null = null): string {
  return `npm run simulate -- --seed ${seed}${commonOptions(command)}${keep === null ? '' : ` --keep ${keep}`}${TRACE}`
}

/** The whole command, with the seed that was drawn. */
function describeCommand(command: Command): string {
  const { seed, runs, untilFail, timeMillis, keep } = command
  const isEndless = runs > Number.MAX_SAFE_INTEGER - seed
  const count = isEndless ? '' : ` --runs ${runs}`
  const time = timeMillis === null ? '' : ` --time ${timeMillis / 1000}s`
  return `npm run simulate -- --seed ${seed}${count}${untilFail ? ' --until-fail' : ''}${time}${commonOptions(command)}${keep === null ? '' : ` --keep ${keep}`}`
}

async function runTraced(command: Command, path: string): Promise<RunResult> {
  const runSeed = await loadRunner(command.mutant, command.isQuorum)
  return intoFile(path, (log) => runSeed(command.seed, planOptionsOf(command), log))
}

async function intoFile<Result>(path: string, run: (log: (line: string) => void) => Result | Promise<Result>): Promise<Result> {
  const file = createWriteStream(path)
  const result = await run((line) => file.write(`${line}\n`))
  await new Promise((resolve) => file.end(resolve))
  return result
}

/** What is left of a seed, and its story. */
async function runKept(command: Command, keep: string): Promise<RunResult> {
  const subject = subjectOf(command, command.seed)
  const { trace } = command
  const { story, result } = await (trace === null
    ? repeatKept(subject, keep)
    : intoFile(trace, (log) => repeatKept(subject, keep, { log })))
  if (!command.isJson) console.log(`\n${story.join('\n')}\n`)
  return result
}

function subjectOf(command: Command, seed: number): Subject {
  return { seed, options: planOptionsOf(command), mutant: command.mutant }
}

function planOptionsOf({ seconds, isBeyond }: Command): PlanOptions {
  return { seconds, ...(isBeyond ? { beyond: true } : {}) }
}

/** Makes the first broken run smaller. Returns what is left; null if it is not broken when it is run again. */
async function explainFirst(command: Command, { seed }: Pick<RunResult, 'seed'>): Promise<Explanation | null> {
  const showProgress = process.stderr.isTTY
  if (showProgress) process.stderr.write(`\nmaking seed ${seed} smaller, for ${SHRINK_MILLIS / 1000} s at most …`)
  const found = await explain(subjectOf(command, seed), SHRINK_MILLIS, (keep, tries) => {
    if (showProgress) process.stderr.write(`\r\u001b[K${tries} tries: ${keep}`.slice(0, process.stderr.columns))
  })
  if (showProgress) process.stderr.write('\r\u001b[K')
  return found
}

function tell(command: Command, { result, keep, story, tries, isMinimal }: Explanation): void {
  const { seed } = result
  console.log(`\nThe least of seed ${seed} that is still broken${isMinimal ? '' : ' (there was no time for less)'}, after ${tries} tries:`)
  console.log(`  ${keep}\n\n${story.join('\n')}\n\n  ${replayLine(command, seed, keep)}`)
}

/** Draws what has been found. */
async function draw(command: Command, path: string, { commit, broken, keep }: Found): Promise<void> {
  const seed = broken?.seed ?? command.seed
  const isShrunk = keep !== null && command.keep === null
  const left = isShrunk ? `the least of seed ${seed} that is still broken` : `what --keep leaves of seed ${seed}`
  const what = keep !== null ? left : `the whole run of seed ${seed}`
  const { timeline } = await recordRun({ subject: subjectOf(command, seed), keep, what, commit })
  writeFileSync(path, await timelinePage(timeline))
  if (!command.isJson) console.log(`\n${path} shows ${what}`)
}

interface Found {
  readonly commit: string
  readonly broken: SeedViolation | undefined
  /** What is left of the seed; null: all of it. */
  readonly keep: string | null
}

async function runAll(command: Command): Promise<Session> {
  if (command.keep !== null) return alone(await runKept(command, command.keep))
  if (command.trace !== null) return alone(await runTraced(command, command.trace))
  const { seed, runs, workers, untilFail, mutant, isQuorum, seconds, isJson, timeMillis, state } = command
  const fleet = { firstSeed: seed, runs, workers, untilFail, isGuarded: true, mutant, isQuorum, plan: planOptionsOf(command) }
  const common = { runs, seconds, mutant, quorum: isQuorum, beyond: command.isBeyond, untilFail, seed: command.isSeedGiven ? seed : null }
  const identity = state === null ? common : { commit: currentCode(), ...common }
  const isShown = !isJson && process.stderr.isTTY && runs > 1
  const show = (line: string): void => void process.stderr.write(`\r\u001b[K${line.slice(0, process.stderr.columns - 1)}`)
  const session = await runSession({ fleet, stateFile: state, identity, timeMillis, show: isShown ? show : null })
  if (isShown) show('')
  return session
}

/** A run that is no fleet. */
function alone(result: RunResult): Session {
  const totals = newTotals()
  addResult(totals, result, false)
  return { identity: {}, firstSeed: result.seed, totals, realSeconds: performance.now() / 1000, isInterrupted: false }
}

function print(command: Command, report: Report, least: Explanation | null): void {
  if (command.isJson) {
    const { keep, story, tries, isMinimal, result } = least ?? {}
    const told = least === null ? {} : { least: { seed: result?.seed, keep, story, tries, isMinimal } }
    return console.log(JSON.stringify({ ...report, ...told }))
  }
  console.log(describeReport(report))
  if (command.showsCoverage && report.coverage !== null) console.log(describeUncovered(report.coverage))
  for (const { seed, code, message, atSeconds } of report.violations.slice(0, 10)) {
    const line = replayLine(command, seed)
    // One run shows nothing: it takes two, and a seed that is alone is run twice.
    console.log(
      `\n${code} at ${atSeconds} s with seed ${seed}: ${message}${promiseOf(code)}\n  ${code === 'DET' ? line.replace(TRACE, '') : line}`,
    )
  }
  if (report.violations.length === 0 && command.keep === null) console.log(`\n${describeProof(report, command.isBeyond)}`)
}

function promiseOf(code: string): string {
  const promise = PROMISES[code]
  return promise === undefined ? '' : `\n  (the promise: ${promise})`
}

async function main(): Promise<number> {
  const command = readCommand()
  if (command === null) {
    console.log(HELP)
    return 0
  }
  const commit = currentCommit()
  if (!command.isJson) console.log(`commit ${commit} · ${describeCommand(command)}`)
  const { totals, firstSeed, realSeconds, isInterrupted } = await runAll(command)
  const report = reportOf(totals, { commit, realSeconds, isWhole: command.mutant === null && !command.isQuorum && !command.isBeyond })
  const [broken] = report.violations
  const isExplained = command.keep !== null || command.trace !== null
  const isWanted = command.explains || (command.shrinks && !command.isJson)
  const isShrinking = broken !== undefined && isWanted && !isExplained && !command.isQuorum
  if (!command.isJson) print(command, report, null)
  if (isInterrupted)
    console.error(
      `\ninterrupted before seed ${firstSeed + totals.seeds}${command.state === null ? '' : ': the same command line goes on there'}`,
    )
  const least = isShrinking ? await explainFirst(command, broken) : null
  if (command.isJson) print(command, report, least)
  else if (least !== null) tell(command, least)
  if (command.timeline !== null) await draw(command, command.timeline, { commit, broken, keep: least?.keep ?? command.keep })
  return exitCodeOf(report, isInterrupted)
}

/** Does it, and sets the exit code. */
export async function runCommandLine(): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 2
  }
}
