/**
 * What the command line of the simulator asks for. Exit code 0: nothing is broken; 1: something is, and one line says how to replay it; 2: the command line makes no sense.
 */
import { createWriteStream, writeFileSync } from 'node:fs'
import { HELP, PLAIN_SMALL_MILLIS, readCommand } from './command.ts'
import type { Command } from './command.ts'
import { explain, repeatKept, SHRINK_MILLIS } from './explain.ts'
import type { Explanation, Subject } from './explain.ts'
import { loadRunner } from './runner.ts'
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

const TRACE = ' --trace trace.txt'

/** What all runs of a command have in common. */
function commonOptions({ isQuorum, isBeyond, isSmall, mutant, seconds }: Command): string {
  return [
    isQuorum && mutant === null ? ' --quorum' : '',
    isBeyond ? ' --beyond' : '',
    isSmall ? ' --small' : '',
    isQuorum || seconds === null ? '' : ` --seconds ${seconds}`,
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

function planOptionsOf({ seconds, isBeyond, isSmall }: Command): PlanOptions {
  return { ...(seconds === null ? {} : { seconds }), ...(isBeyond ? { beyond: true } : {}), ...(isSmall ? { small: true } : {}) }
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
  const common = {
    runs,
    seconds,
    mutant,
    quorum: isQuorum,
    beyond: command.isBeyond,
    small: command.isSmall,
    untilFail,
    seed: command.isSeedGiven ? seed : null,
  }
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

/** What a program reads; of what came before in small, all of it. */
function toJson({ report, least }: Outcome, before: Outcome | null): string {
  const { keep, story, tries, isMinimal, result } = least ?? {}
  const told = least === null ? {} : { least: { seed: result?.seed, keep, story, tries, isMinimal } }
  return JSON.stringify({ ...report, ...told, ...(before === null ? {} : { small: before.report }) })
}

function print(command: Command, report: Report): void {
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

/** What a command came to. */
interface Outcome {
  readonly report: Report
  readonly least: Explanation | null
  readonly isInterrupted: boolean
}

/** Does what a command asks for, and says so to a person. */
async function perform(command: Command, commit: string): Promise<Outcome> {
  const { isJson } = command
  if (!isJson) console.log(`commit ${commit} · ${describeCommand(command)}`)
  const { totals, firstSeed, realSeconds, isInterrupted } = await runAll(command)
  const isWhole = command.mutant === null && !command.isQuorum && !command.isBeyond && !command.isSmall
  const report = reportOf(totals, { commit, realSeconds, isWhole })
  const [broken] = report.violations
  const isExplained = command.keep !== null || command.trace !== null
  const isWanted = command.explains || (command.shrinks && !isJson)
  const isShrinking = broken !== undefined && isWanted && !isExplained && !command.isQuorum
  if (!isJson) print(command, report)
  if (isInterrupted)
    console.error(
      `\ninterrupted before seed ${firstSeed + totals.seeds}${command.state === null ? '' : ': the same command line goes on there'}`,
    )
  const least = isShrinking ? await explainFirst(command, broken) : null
  if (!isJson && least !== null) tell(command, least)
  if (command.timeline !== null) await draw(command, command.timeline, { commit, broken, keep: least?.keep ?? command.keep })
  return { report, least, isInterrupted }
}

async function main(): Promise<number> {
  const command = readCommand()
  if (command === null) {
    console.log(HELP)
    return 0
  }
  const commit = currentCommit()
  const isInTwo = command.isPlain && command.state === null && !command.isSmall && !command.isQuorum
  const small = isInTwo ? await perform({ ...command, isSmall: true, timeMillis: PLAIN_SMALL_MILLIS }, commit) : null
  const isOver = small !== null && exitCodeOf(small.report, small.isInterrupted) > 0
  if (isInTwo && !isOver && !command.isJson) console.log()
  const timeMillis = command.timeMillis === null || !isInTwo ? command.timeMillis : command.timeMillis - PLAIN_SMALL_MILLIS
  const outcome = isOver ? small : await perform({ ...command, timeMillis }, commit)
  if (command.isJson) console.log(toJson(outcome, isOver ? null : small))
  return exitCodeOf(outcome.report, outcome.isInterrupted)
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
