/**
 * `npm run soak -- kill | terminate | nodes | process | pipeline`: hurts a real process (or the thread of a node inside it) under load at random moments, again and
 * again, and checks that everything it had confirmed is true afterwards. Prints `{ rounds, acknowledged, lost, reordered, reused, diverged, duplicated }`: a committed
 * offset that goes back, and records that the group was never given, count as lost; `diverged` are replicas whose bytes differ once all are in sync; of a pipeline, records of its output are counted.
 * Exit code 0 only if nothing is wrong; otherwise the directory is kept.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { atEnd } from '../../bench/cleanup.ts'
import { makeWorkspace } from '../../bench/workspace.ts'
import { eventReader } from './event.ts'
import type { SoakEvent } from './event.ts'
import { emptyHistory, isSound, readPositions, takeEvent } from './history.ts'
import type { History } from './history.ts'
import { isFullReading, processUrl } from './process.ts'
import type { SoakTask } from './process.ts'

interface Flags {
  readonly json?: true
  readonly rounds?: number
  readonly records?: number
}

/** What is done to the process, and how often unless somebody says otherwise. */
interface Mode {
  readonly nodes: number
  readonly rounds: number
  run(progress: Progress): Promise<void>
}

/** What a whole run has come to. */
interface Progress {
  readonly directory: string
  readonly nodes: number
  readonly roundsWanted: number
  readonly history: History
  /** Of a pipeline. */
  readonly recordCount: number
  /** Rounds that were gone through. */
  rounds: number
}

/** A process under test. */
interface Subject {
  readonly process: ChildProcess
  /** Resolves when the load begins; rejects if the process ends before. */
  readonly loading: Promise<void>
  /** Resolves when the process is gone and everything it said has been taken. */
  readonly gone: Promise<{ readonly code: number | null; readonly signal: string | null }>
}

/** As many as a majority outlives the loss of one of. */
const NODES = 3

/** How long the load runs before the kill. */
const LOAD_MILLIS_MIN = 50
const LOAD_MILLIS_MAX = 800

/** This share of the kills comes earlier: while the process starts, recovers and reads. */
const EARLY_KILL_SHARE = 0.1
const EARLY_MILLIS_MAX = 500

/** A process that does not get to its load in this time is stuck. */
const START_MILLIS_MAX = 60_000

const SPACE_BYTES = 2 ** 32

/** What a pipeline reads while it is hurt, and how long a round of it takes, about. */
const PIPELINE_RECORDS = 10_000_000
const PIPELINE_ROUND_SECONDS = 1.5

/** Threads that end before the process does. */
const PIPELINE_TERMINATIONS_MAX = 2
const LOOK_MILLIS = 20
const ERASE_LINE = '\r\x1b[2K'

const WHAT =
  'kill: SIGKILL to a process with one node; terminate: end the thread of its node; nodes: end the thread of one of three; process: SIGKILL to all three at once; pipeline: threads ended and processes killed while records are processed exactly once'

/** What can be done to the process. */
const MODES: Readonly<Record<string, Mode>> = {
  kill: { nodes: 1, rounds: 200, run: killRounds },
  terminate: { nodes: 1, rounds: 200, run: terminateRounds },
  nodes: { nodes: NODES, rounds: 500, run: terminateRounds },
  process: { nodes: NODES, rounds: 200, run: killRounds },
  pipeline: { nodes: NODES, rounds: 100, run: pipelineRounds },
}

/** Where nobody looks at a terminal, progress is a line now and then. */
const LINE_EVERY_MILLIS = 10_000
let lineAt = performance.now()

await new Command('soak')
  .description('Hurts a real process under load at random moments, and checks that everything it had confirmed is still true.')
  .addArgument(new Argument('<what>', WHAT).choices(Object.keys(MODES)))
  .option(
    '--rounds <count>',
    `how often (${Object.entries(MODES)
      .map(([name, { rounds }]) => `${name} ${rounds}`)
      .join(', ')})`,
    parseCount,
  )
  .option('--records <count>', `of a pipeline (${PIPELINE_RECORDS})`, parseCount)
  .option('--json', 'print one JSON object')
  .action(run)
  .parseAsync()

async function run(what: string, flags: Flags): Promise<void> {
  const mode = MODES[what]
  if (mode === undefined) throw new Error(`nothing is called ${what}`)
  using workspace = makeWorkspace(SPACE_BYTES)
  const directory = join(workspace.directory, 'data')
  const roundsWanted = flags.rounds ?? mode.rounds
  const progress: Progress = {
    directory,
    nodes: mode.nodes,
    roundsWanted,
    history: emptyHistory(),
    rounds: 0,
    recordCount: flags.records ?? PIPELINE_RECORDS,
  }
  const { history } = progress
  const failure = await mode.run(progress).then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  if (process.stderr.isTTY) process.stderr.write(ERASE_LINE)
  const { acknowledged, lost, reordered, reused, diverged, duplicated, complaints } = history
  const result = { rounds: progress.rounds, acknowledged, lost, reordered, reused, diverged, duplicated }
  console.log(
    flags.json === true
      ? JSON.stringify(result)
      : Object.entries(result)
          .map(([name, count]) => `${name} ${count}`)
          .join(' · '),
  )
  if (isSound(history) && failure === null) return
  workspace.keep()
  process.exitCode = 1
  for (const line of [...complaints, ...(failure === null ? [] : [failure]), `the directory is kept: ${directory}`]) console.error(line)
}

async function killRounds(progress: Progress): Promise<void> {
  const { history, roundsWanted } = progress
  for (let round = 0; round < roundsWanted; round++) {
    const readFrom = isFullReading(round) ? {} : readPositions(history)
    const subject = start({ kind: 'load', loadNumber: round, rounds: 0, readFrom }, progress)
    const isEarly = Math.random() < EARLY_KILL_SHARE
    if (!isEarly) await within(subject.loading, START_MILLIS_MAX)
    await killAfter(subject, randomBetween(isEarly ? 0 : LOAD_MILLIS_MIN, isEarly ? EARLY_MILLIS_MAX : LOAD_MILLIS_MAX), progress)
  }
  await verify(progress, 'after the last kill')
  await verify(progress, 'after a clean close')
}

/** Ends a round by killing the process. */
async function killAfter(subject: Subject, millis: number, progress: Progress): Promise<void> {
  await Promise.race([sleep(millis), subject.gone])
  subject.process.kill('SIGKILL')
  const { code, signal } = await subject.gone
  const round = progress.rounds + 1
  if (signal !== 'SIGKILL') throw new Error(`in round ${round} the process ended by itself, with ${signal ?? code}`)
  if (!isSound(progress.history)) throw new Error(`round ${round} found what is above`)
  endRound(progress)
}

async function terminateRounds(progress: Progress): Promise<void> {
  const subject = start({ kind: 'terminate', loadNumber: 0, rounds: progress.roundsWanted, readFrom: {} }, progress)
  const { code, signal } = await subject.gone
  if (code !== 0) throw new Error(`the process ended with ${signal ?? code}`)
  await verify(progress, 'after a clean close')
}

/** Some rounds end a thread of the process, some the process itself; the work is spread over all of them. */
async function pipelineRounds(progress: Progress): Promise<void> {
  const { roundsWanted, recordCount } = progress
  const perSecond = recordCount / (roundsWanted * PIPELINE_ROUND_SECONDS)
  const task = { loadNumber: 0, readFrom: {}, recordCount, perSecond }
  await ended(start({ ...task, kind: 'writeInput', rounds: 0 }, progress), 'writing the input')
  while (progress.rounds < roundsWanted) {
    const rounds = Math.min(Math.floor(Math.random() * (PIPELINE_TERMINATIONS_MAX + 1)), roundsWanted - progress.rounds - 1)
    const wanted = progress.rounds + rounds
    const subject = start({ ...task, kind: 'pipeline', rounds }, progress)
    await within(subject.loading, START_MILLIS_MAX)
    while (progress.rounds < wanted)
      await Promise.race([sleep(LOOK_MILLIS), subject.gone.then(() => Promise.reject(new Error('the process ended')))])
    await killAfter(subject, randomBetween(LOAD_MILLIS_MIN, 2 * LOAD_MILLIS_MAX), progress)
  }
  showProgress('processing the rest')
  await ended(start({ ...task, kind: 'finishPipeline', rounds: 0 }, progress), 'processing the rest')
  await ended(start({ ...task, kind: 'verifyOutput', rounds: 0 }, progress), 'reading the output')
}

async function ended(subject: Subject, what: string): Promise<void> {
  const { code, signal } = await subject.gone
  if (code !== 0) throw new Error(`${what} ended with ${signal ?? code}`)
}

async function verify(progress: Progress, when: string): Promise<void> {
  showProgress(`reading everything ${when}`)
  await ended(start({ kind: 'verify', loadNumber: 0, rounds: 0, readFrom: {} }, progress), `reading everything ${when}`)
}

function start(task: Omit<SoakTask, 'directory' | 'nodes' | 'recordCount' | 'perSecond'>, progress: Progress): Subject {
  const { history, directory, nodes } = progress
  const parameter = JSON.stringify({ recordCount: 0, perSecond: 0, ...task, directory, nodes } satisfies SoakTask)
  const child = spawn(process.execPath, [fileURLToPath(processUrl), parameter], { stdio: ['ignore', 2, 2, 'pipe'] })
  const forget = atEnd(() => child.kill('SIGKILL'))
  const { promise: loading, resolve, reject } = Promise.withResolvers<void>()
  loading.catch(() => undefined)
  const take = (event: SoakEvent): void => {
    takeEvent(history, event)
    if (event.kind === 'loading') resolve()
    if (event.kind === 'round') endRound(progress)
  }
  const pipe = child.stdio[3] as Readable
  pipe.setEncoding('utf8')
  pipe.on('data', eventReader(take))
  const gone = once(child, 'close').then(([code, signal]: (string | number | null)[]) => {
    forget()
    reject(new Error(`the process ended before its load began, with ${signal ?? code}`))
    return { code: typeof code === 'number' ? code : null, signal: typeof signal === 'string' ? signal : null }
  })
  return { process: child, loading, gone }
}

function endRound(progress: Progress): void {
  const { roundsWanted, history } = progress
  progress.rounds++
  showProgress(`round ${progress.rounds} of ${roundsWanted} is over, ${history.acknowledged} records acknowledged`)
}

async function within(promise: Promise<void>, millis: number): Promise<void> {
  const timeout = sleep(millis, 'late', { ref: false })
  if ((await Promise.race([promise, timeout])) === 'late') throw new Error(`the process did not begin its load in ${millis} ms`)
}

function randomBetween(min: number, max: number): number {
  return min + Math.random() * (max - min)
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) return void process.stderr.write(`${ERASE_LINE}${text}`)
  if (performance.now() - lineAt < LINE_EVERY_MILLIS) return
  lineAt = performance.now()
  console.error(text)
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('a whole number from 1 on')
  return count
}
