/**
 * The process under test: opens the directory, says what is there, then works until it is killed, until it has been through its rounds, or (`verify`)
 * not at all. What it says goes to a pipe by blocking writes: an event that has been said is in the hands of the system, and a kill cannot take it back.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Cluster } from '../../edge/client/api.ts'
import { open } from '../../edge/client/index.ts'
import { terminateNode } from '../../edge/client/testing.ts'
import { lineOf } from './event.ts'
import type { SoakEvent } from './event.ts'
import { createTopics, reportCommitted, startLoad } from './load.ts'
import { runPipeline, untilDone, verifyOutput, writeInput } from './pipeline.ts'
import { readBack } from './read-back.ts'
import { compareReplicas } from './replica-files.ts'

/** What the process is to do; passed as JSON in its first argument. */
export interface SoakTask {
  /**
   * `load`: until killed; `terminate`: `rounds` times end a node's thread; `verify`: read, close and end. A pipeline first has its input written, then runs until
   * killed, ending a node's thread `rounds` times, then runs until it has read everything, and is verified.
   */
  readonly kind: 'load' | 'terminate' | 'verify' | 'writeInput' | 'pipeline' | 'finishPipeline' | 'verifyOutput'
  readonly directory: string
  /** With more than one, replicas are compared after each round. */
  readonly nodes: number
  /** Numbers the first load, later ones count on: no two of one directory share a number. */
  readonly loadNumber: number
  readonly rounds: number
  /** Where to read from, by partition; absent partitions from the beginning. */
  readonly readFrom: Readonly<Record<string, number>>
  /** Of a pipeline: how many records its input has. */
  readonly recordCount: number
  /** Of a pipeline: how many it processes per second. */
  readonly perSecond: number
}

/** Every so many rounds everything is read again, not only what is new. */
const FULL_READING_EVERY = 25

/** Where the checker starts this module from. */
export const processUrl: string = import.meta.url

/** The pipe to the checker. */
const REPORT_DESCRIPTOR = 3

const DELAY_MILLIS_MAX = 500
const AFTER_MILLIS = 100

/** A thread that has not lived so long is started again after a pause that grows: most rounds wait for it, so that rounds stay short. */
const STABLE_MILLIS = 1000

/** This share of the rounds does not wait: the thread ends while it starts, recovers and catches up. */
const EARLY_SHARE = 0.1
const RETURN_MILLIS_MAX = 30_000

/** Whether a round reads everything. */
export function isFullReading(round: number): boolean {
  return round % FULL_READING_EVERY === FULL_READING_EVERY - 1
}

async function work(task: SoakTask): Promise<void> {
  const { kind, directory, nodes, loadNumber, readFrom } = task
  await using cluster = await open(directory, { nodes })
  if (kind !== 'load' && kind !== 'terminate' && kind !== 'verify') return await workOnPipeline(cluster, task)
  await createTopics(cluster)
  await reportCommitted(cluster, report)
  const ends = await readBack(cluster, readFrom, report)
  if (nodes > 1) await compareReplicas(cluster, report)
  if (kind === 'terminate') await terminateAgainAndAgain(cluster, task, ends)
  if (kind === 'load') {
    const load = startLoad(cluster, loadNumber, report)
    report({ kind: 'loading' })
    await sleep(2 ** 30)
    await load.stop()
  }
}

async function workOnPipeline(cluster: Cluster, { kind, nodes, rounds, recordCount, perSecond }: SoakTask): Promise<void> {
  if (kind === 'writeInput') return await writeInput(cluster, recordCount)
  if (kind === 'verifyOutput') return await verifyOutput(cluster, recordCount, report)
  const stopping = new AbortController()
  const running = runPipeline(cluster, kind === 'pipeline' ? perSecond : Infinity, stopping.signal)
  // A failure must be heard at once.
  running.catch((error: unknown) => {
    throw error
  })
  report({ kind: 'loading' })
  for (let round = 0; round < rounds; round++) {
    await sleep(Math.random() * 2 * DELAY_MILLIS_MAX)
    const victim = Math.floor(Math.random() * nodes)
    const up = untilUp(cluster, victim)
    await terminateNode(cluster, victim)
    await up
    report({ kind: 'round' })
  }
  if (kind === 'pipeline') await sleep(2 ** 30)
  await untilDone(cluster)
  stopping.abort()
  await running
}

async function terminateAgainAndAgain(cluster: Cluster, task: SoakTask, begins: Readonly<Record<string, number>>): Promise<void> {
  const { loadNumber, rounds, nodes } = task
  const upSince = new Map<number, number>()
  cluster.on('nodeUp', ({ node }) => upSince.set(Number(node), performance.now()))
  let readFrom = begins
  for (let round = loadNumber; round < loadNumber + rounds; round++) {
    const load = startLoad(cluster, round, report)
    const victim = Math.floor(Math.random() * nodes)
    const isEarly = Math.random() < EARLY_SHARE
    const stableAfter = isEarly ? 0 : (upSince.get(victim) ?? -Infinity) + STABLE_MILLIS - performance.now()
    await sleep(Math.max(0, stableAfter) + Math.random() * DELAY_MILLIS_MAX)
    const up = untilUp(cluster, victim)
    await terminateNode(cluster, victim)
    await up
    await sleep(AFTER_MILLIS)
    await load.stop()
    await reportCommitted(cluster, report)
    readFrom = await readBack(cluster, isFullReading(round) ? {} : readFrom, report)
    if (nodes > 1) await compareReplicas(cluster, report)
    report({ kind: 'round' })
  }
}

async function untilUp(cluster: Cluster, victim: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  cluster.on('nodeUp', ({ node }) => (node === victim ? resolve() : undefined))
  const timeout = sleep(RETURN_MILLIS_MAX, 'late', { ref: false })
  if ((await Promise.race([promise, timeout])) === 'late') throw new Error(`node ${victim} was not back after ${RETURN_MILLIS_MAX} ms`)
}

function report(event: SoakEvent): void {
  const bytes = Buffer.from(lineOf(event))
  for (let at = 0; at < bytes.length;) at += writeSync(REPORT_DESCRIPTOR, bytes, at)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await work(JSON.parse(process.argv[2] ?? '') as SoakTask)
