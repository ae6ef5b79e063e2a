/**
 * What the command line of the simulator asks for. Exit code 0: nothing is broken; 1: something is, and one line says how to replay it; 2: the command line makes no sense.
 */
import { randomInt } from 'node:crypto'
import { createWriteStream, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { explain, repeatKept, SHRINK_MILLIS } from './explain.ts'
import type { Subject } from './explain.ts'
import { loadRunner } from './runner.ts'
import { mutants } from './mutants/catalogue.ts'
import { DEFAULT_SECONDS } from './plan.ts'
import { describeReport, describeUncovered, exitCodeOf, reportOf } from './report.ts'
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

  --seed S          the first seed (default: a random one, which is printed)
  --runs N          how many seeds, counting up from S (default 1)
  --until-fail      stop at the first violation
  --until-found     the same, for mutants: up to 20000 seeds
  --seconds V       virtual seconds of trouble in each run (default ${DEFAULT_SECONDS})
  --workers N       worker threads (default: as many as there are cores; 1 with --until-fail and --until-found)
  --time T          no new seeds after that much real time: 90s, 10m, 8h
  --state FILE      keep there how far the fleet is; the same command line goes on from there
  --mutant ID       put a known bug into the code: ${mutants.map(({ id }) => id).join(', ')}
  --quorum          only the metadata quorum, in small: hundreds of seeds a second
  --trace FILE      write every step of the first seed to a file
  --timeline FILE   draw a run as a page for the browser: what is left of the first broken run when it has been made smaller,
                    else that run as it is, else the first seed
  --keep WHAT       run only what is left of a seed, and tell its story: seconds=12,producers=1,kill=0+3
                    (the line that is printed when a broken run has been made smaller)
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
  readonly trace: string | null
  readonly timeline: string | null
  readonly keep: string | null
  readonly shrinks: boolean
  readonly showsCoverage: boolean
  readonly isJson: boolean
}

const RUNS_UNTIL_FOUND = 20_000

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
      quorum: { type: 'boolean', default: false },
      trace: { type: 'string' },
      timeline: { type: 'string' },
      keep: { type: 'string' },
      'no-shrink': { type: 'boolean', default: false },
      coverage: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const untilFound = values['until-found']
  const mutant = values.mutant ?? null
  const found = mutants.find(({ id }) => id === mutant)
  if (mutant !== null && found === undefined) throw new Error(`there is no mutant ${mutant}`)
  const isQuorum = values.quorum || found?.run === 'quorum'
  if (isQuorum && values.timeline !== undefined) throw new Error('the quorum in small has no timeline')
  const isEndless = values['until-fail'] || values.time !== undefined
  const runsDefault = untilFound ? RUNS_UNTIL_FOUND : isEndless ? Number.MAX_SAFE_INTEGER : 1
  const runs = wholeNumber('runs', values.runs, runsDefault, Number.MAX_SAFE_INTEGER)
  const untilFail = values['until-fail'] || untilFound
  return {
    seed: wholeNumber('seed', values.seed, randomInt(1, 2 ** 31), Number.MAX_SAFE_INTEGER),
    isSeedGiven: values.seed !== undefined,
    runs,
    untilFail,
    seconds: wholeNumber('seconds', values.seconds, DEFAULT_SECONDS, 100_000),
    workers: wholeNumber('workers', values.workers, untilFail ? 1 : Math.min(availableParallelism(), runs), WORKERS_MAX),
    timeMillis: values.time === undefined ? null : duration(values.time),
    state: values.state ?? null,
    mutant,
    isQuorum,
    trace: values.trace ?? null,
    timeline: values.timeline ?? null,
    keep: values.keep ?? null,
    shrinks: !values['no-shrink'],
    showsCoverage: values.coverage,
    isJson: values.json,
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

function replayLine(command: Command, seed: number, keep: string | null = null): string {
  const seconds = command.isQuorum ? ' --quorum' : command.seconds === DEFAULT_SECONDS ? '' : ` --seconds ${command.seconds}`
  return `npm run simulate -- --seed ${seed}${seconds}${command.mutant === null ? '' : ` --mutant ${command.mutant}`}${keep === null ? '' : ` --keep ${keep}`}${TRACE}`
}

async function runTraced(command: Command, path: string): Promise<RunResult> {
  const runSeed = await loadRunner(command.mutant, command.isQuorum)
  return intoFile(path, (log) => runSeed(command.seed, { seconds: command.seconds }, log))
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

function subjectOf({ seconds, mutant }: Command, seed: number): Subject {
  return { seed, options: { seconds }, mutant }
}

/** Makes the first broken run smaller, and tells the story of what is left. Returns that; null if it is not broken when it is run again. */
async function explainFirst(command: Command, { seed }: Pick<RunResult, 'seed'>): Promise<string | null> {
  const showProgress = process.stderr.isTTY
  if (showProgress) process.stderr.write(`\nmaking seed ${seed} smaller, for ${SHRINK_MILLIS / 1000} s at most …`)
  const found = await explain(subjectOf(command, seed), SHRINK_MILLIS, (keep, tries) => {
    if (showProgress) process.stderr.write(`\r\u001b[K${tries} tries: ${keep}`.slice(0, process.stderr.columns))
  })
  if (showProgress) process.stderr.write('\r\u001b[K')
  if (found === null) return null
  const { result, keep, story, tries, isMinimal } = found
  console.log(`\nThe least of seed ${seed} that is still broken${isMinimal ? '' : ' (there was no time for less)'}, after ${tries} tries:`)
  console.log(`  ${keep}\n\n${story.join('\n')}\n\n  ${replayLine(command, result.seed, keep)}`)
  return keep
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
  const fleet = { firstSeed: seed, runs, workers, untilFail, isGuarded: true, mutant, isQuorum, plan: { seconds } }
  const common = { runs, seconds, mutant, quorum: isQuorum, untilFail, seed: command.isSeedGiven ? seed : null }
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

function print(command: Command, report: Report): void {
  if (command.isJson) return console.log(JSON.stringify(report))
  console.log(describeReport(report))
  if (command.showsCoverage && report.coverage !== null) console.log(describeUncovered(report.coverage))
  for (const { seed, code, message, atSeconds } of report.violations.slice(0, 10)) {
    const line = replayLine(command, seed)
    // One run shows nothing: it takes two, and a seed that is alone is run twice.
    console.log(`\n${code} at ${atSeconds} s with seed ${seed}: ${message}\n  ${code === 'DET' ? line.replace(TRACE, '') : line}`)
  }
}

async function main(): Promise<number> {
  const command = readCommand()
  if (command === null) {
    console.log(HELP)
    return 0
  }
  const commit = currentCommit()
  if (!command.isJson)
    console.log(
      `commit ${commit} · npm run simulate -- --seed ${command.seed} --runs ${command.runs}${command.mutant === null ? '' : ` --mutant ${command.mutant}`}`,
    )
  const { totals, firstSeed, realSeconds, isInterrupted } = await runAll(command)
  const report = reportOf(totals, { commit, realSeconds, isWhole: command.mutant === null && !command.isQuorum })
  print(command, report)
  if (isInterrupted)
    console.error(
      `\ninterrupted before seed ${firstSeed + totals.seeds}${command.state === null ? '' : ': the same command line goes on there'}`,
    )
  const [broken] = report.violations
  const isExplained = command.keep !== null || command.trace !== null
  const isShrinking = broken !== undefined && command.shrinks && !isExplained && !command.isJson && !command.isQuorum
  const keep = isShrinking ? await explainFirst(command, broken) : command.keep
  if (command.timeline !== null) await draw(command, command.timeline, { commit, broken, keep })
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
