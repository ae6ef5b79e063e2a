/**
 * The command line of the simulator: `npm run simulate -- --help`. Exit code 0: nothing is broken; 1: something is, and one line says how to replay it;
 * 2: the command line makes no sense.
 */
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createWriteStream, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { explain, repeatKept, SHRINK_MILLIS } from './explain.ts'
import type { Subject } from './explain.ts'
import { loadRunner, runFleet } from './fleet.ts'
import { mutants } from './mutants/catalogue.ts'
import { DEFAULT_SECONDS } from './plan.ts'
import { describeReport, summarise } from './report.ts'
import type { Report, SeedViolation } from './report.ts'
import type { RunResult } from './run.ts'
import { timelinePage } from './timeline/page.ts'
import { recordRun } from './timeline/record.ts'

const HELP = `npm run simulate -- [options]

  --seed S          the first seed (default: a random one, which is printed)
  --runs N          how many seeds, counting up from S (default 1)
  --until-fail      stop at the first violation
  --until-found     the same, for mutants: up to 20000 seeds
  --seconds V       virtual seconds of trouble in each run (default ${DEFAULT_SECONDS})
  --workers 1|2     worker threads (default 1)
  --mutant ID       put a known bug into the code: ${mutants.map(({ id }) => id).join(', ')}
  --quorum          only the metadata quorum, in small: hundreds of seeds a second
  --trace FILE      write every step of the first seed to a file
  --timeline FILE   draw a run as a page for the browser: what is left of the first broken run when it has been made smaller,
                    else that run as it is, else the first seed
  --keep WHAT       run only what is left of a seed, and tell its story: seconds=12,producers=1,kill=0+3
                    (the line that is printed when a broken run has been made smaller)
  --no-shrink       do not make the first broken run smaller (that takes up to ${SHRINK_MILLIS / 1000} s)
  --json            print one JSON object
`

interface Command {
  readonly seed: number
  readonly runs: number
  readonly untilFail: boolean
  readonly seconds: number
  readonly workers: number
  readonly mutant: string | null
  readonly isQuorum: boolean
  readonly trace: string | null
  readonly timeline: string | null
  readonly keep: string | null
  readonly shrinks: boolean
  readonly isJson: boolean
}

const RUNS_UNTIL_FOUND = 20_000

function readCommand(): Command | null {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      'until-fail': { type: 'boolean', default: false },
      'until-found': { type: 'boolean', default: false },
      seconds: { type: 'string' },
      workers: { type: 'string' },
      mutant: { type: 'string' },
      quorum: { type: 'boolean', default: false },
      trace: { type: 'string' },
      timeline: { type: 'string' },
      keep: { type: 'string' },
      'no-shrink': { type: 'boolean', default: false },
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
  return {
    seed: wholeNumber('seed', values.seed, randomInt(1, 2 ** 31), Number.MAX_SAFE_INTEGER),
    runs: wholeNumber(
      'runs',
      values.runs,
      untilFound ? RUNS_UNTIL_FOUND : values['until-fail'] ? Number.MAX_SAFE_INTEGER : 1,
      Number.MAX_SAFE_INTEGER,
    ),
    untilFail: values['until-fail'] || untilFound,
    seconds: wholeNumber('seconds', values.seconds, DEFAULT_SECONDS, 100_000),
    workers: wholeNumber('workers', values.workers, 1, 64),
    mutant,
    isQuorum,
    trace: values.trace ?? null,
    timeline: values.timeline ?? null,
    keep: values.keep ?? null,
    shrinks: !values['no-shrink'],
    isJson: values.json,
  }
}

function wholeNumber(name: string, text: string | undefined, fallback: number, max: number): number {
  const number = text === undefined ? fallback : Number(text)
  if (!Number.isSafeInteger(number) || number < 1 || number > max)
    throw new Error(`--${name} is a whole number from 1 to ${max}, not ${text}`)
  return number
}

/** The commit of the working tree, with a plus if it was changed since. */
function currentCommit(): string {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

function replayLine(command: Command, seed: number, keep: string | null = null): string {
  const seconds = command.isQuorum ? ' --quorum' : command.seconds === DEFAULT_SECONDS ? '' : ` --seconds ${command.seconds}`
  return `npm run simulate -- --seed ${seed}${seconds}${command.mutant === null ? '' : ` --mutant ${command.mutant}`}${keep === null ? '' : ` --keep ${keep}`} --trace trace.txt`
}

async function runTraced(command: Command, path: string): Promise<RunResult[]> {
  const runSeed = await loadRunner(command.mutant, command.isQuorum)
  return [await intoFile(path, (log) => runSeed(command.seed, { seconds: command.seconds }, log))]
}

async function intoFile<Result>(path: string, run: (log: (line: string) => void) => Result | Promise<Result>): Promise<Result> {
  const file = createWriteStream(path)
  const result = await run((line) => file.write(`${line}\n`))
  await new Promise((resolve) => file.end(resolve))
  return result
}

/** What is left of a seed, and its story. */
async function runKept(command: Command, keep: string): Promise<RunResult[]> {
  const subject = subjectOf(command, command.seed)
  const { trace } = command
  const { story, result } = await (trace === null
    ? repeatKept(subject, keep)
    : intoFile(trace, (log) => repeatKept(subject, keep, { log })))
  if (!command.isJson) console.log(`\n${story.join('\n')}\n`)
  return [result]
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

async function runAll(command: Command): Promise<RunResult[]> {
  if (command.keep !== null) return runKept(command, command.keep)
  if (command.trace !== null) return runTraced(command, command.trace)
  const { seed: firstSeed, runs, workers, untilFail, mutant, isQuorum, seconds, isJson } = command
  let count = 0
  const showProgress = !isJson && process.stderr.isTTY && runs > 1
  const results = await runFleet({ firstSeed, runs, workers, untilFail, mutant, isQuorum, plan: { seconds } }, () => {
    if (showProgress && ++count % 10 === 0) process.stderr.write(`\r${count}${untilFail ? '' : ` of ${runs}`} seeds`)
  })
  if (showProgress) process.stderr.write('\r\u001b[K')
  return results
}

function print(command: Command, report: Report): void {
  if (command.isJson) return console.log(JSON.stringify(report))
  console.log(describeReport(report))
  for (const { seed, code, message, atSeconds } of report.violations.slice(0, 10)) {
    console.log(`\n${code} at ${atSeconds} s with seed ${seed}: ${message}\n  ${replayLine(command, seed)}`)
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
  const startedAt = performance.now()
  const results = await runAll(command)
  const report = summarise(results, commit, (performance.now() - startedAt) / 1000, command.isQuorum)
  print(command, report)
  const [broken] = report.violations
  const isExplained = command.keep !== null || command.trace !== null
  const isShrinking = broken !== undefined && command.shrinks && !isExplained && !command.isJson && !command.isQuorum
  const keep = isShrinking ? await explainFirst(command, broken) : command.keep
  if (command.timeline !== null) await draw(command, command.timeline, { commit, broken, keep })
  return report.violations.length > 0 || (command.mutant === null && report.unseen.length > 0) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
