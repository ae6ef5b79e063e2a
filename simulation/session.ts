/**
 * A fleet from its first seed to its last, or until its time is up, or somebody interrupts it: adds up what comes in, in the order of the seeds; shows how far it is; and
 * keeps a state file, if there is one, from which the same command line goes on.
 */
import { runFleet } from './fleet.ts'
import type { FleetOptions, Take } from './fleet.ts'
import { progressLine } from './progress.ts'
import type { RunResult } from './run.ts'
import { holdFile, loadFleet, saveFleet } from './state-file.ts'
import type { FleetIdentity, SavedFleet } from './state-file.ts'
import { addResult, newTotals } from './totals.ts'

/** What makes a fleet a session. */
export interface SessionOptions {
  readonly fleet: FleetOptions
  /** Null: nothing is kept. */
  readonly stateFile: string | null
  /** What must be as it was for the fleet to go on. */
  readonly identity: FleetIdentity
  /** Null: however long it takes. */
  readonly timeMillis: number | null
  /** Takes the line that says how far it is, again and again; null: nobody looks. */
  readonly show: ((line: string) => void) | null
}

/** What a session came to, with those before it. */
export interface Session extends SavedFleet {
  /** Somebody has ended it before its time. */
  readonly isInterrupted: boolean
}

/** How often the state is written, and the progress shown, in milliseconds. */
const SAVE_MILLIS = 3000
const SHOW_MILLIS = 200

/** Runs a session. Throws an Error if the state file is of another fleet, or another process is at it. */
export async function runSession(options: SessionOptions): Promise<Session> {
  const letGo = options.stateFile === null ? null : holdFile(options.stateFile)
  try {
    return await runHeld(options)
  } finally {
    letGo?.()
  }
}

async function runHeld({ fleet, stateFile, identity, timeMillis, show }: SessionOptions): Promise<Session> {
  const saved = stateFile === null ? null : loadFleet(stateFile, identity)
  const before = saved ?? { identity, firstSeed: fleet.firstSeed, realSeconds: 0, totals: newTotals() }
  const { totals } = before
  const beganAt = performance.now()
  const millis = (): number => performance.now() - beganAt
  const now = (): SavedFleet => ({ ...before, realSeconds: before.realSeconds + millis() / 1000 })
  const save = (): void => void (stateFile !== null && saveFleet(stateFile, now()))
  const saveSometimes = sometimes(SAVE_MILLIS, save)
  const pace = { runs: fleet.runs, seedsBefore: totals.seeds, timeMillis }
  const showSometimes = sometimes(SHOW_MILLIS, () => show?.(progressLine(totals, { ...pace, millis: millis() })))
  const interruption = new Interruption()
  // However little time there is, it gets on.
  const isLate = (): boolean => timeMillis !== null && totals.seeds > pace.seedsBefore && millis() >= timeMillis
  const isOver = (): boolean => interruption.isHere || isLate()
  const firstSeed = before.firstSeed + totals.seeds
  const runs = fleet.untilFail && totals.violationCount > 0 ? 0 : fleet.runs - totals.seeds
  const take = inOrder(firstSeed, (result, isRepeated) => {
    addResult(totals, result, isRepeated)
    saveSometimes()
    showSometimes()
  })
  await runFleet({ ...fleet, firstSeed, runs, isResumed: totals.seeds > 0 }, take, isOver)
  interruption.ignore()
  save()
  return { ...now(), isInterrupted: interruption.isHere }
}

/** The first Ctrl-C asks for an end; the second one does not ask. */
class Interruption {
  isHere = false
  readonly #onSignal = (): void => {
    this.isHere = true
    this.ignore()
  }

  constructor() {
    process.on('SIGINT', this.#onSignal)
  }

  ignore(): void {
    process.off('SIGINT', this.#onSignal)
  }
}

/** Hands results on by their seeds: those that came early wait, as long as one run lasts at most. */
function inOrder(firstSeed: number, take: Take): Take {
  const early = new Map<number, readonly [RunResult, boolean]>()
  let next = firstSeed
  return (result, isRepeated) => {
    early.set(result.seed, [result, isRepeated])
    for (let found = early.get(next); found !== undefined; found = early.get(next)) {
      early.delete(next++)
      take(...found)
    }
  }
}

/** Calls a function, but not more often than that. */
function sometimes(millis: number, call: () => void): () => void {
  let nextAt = performance.now() + millis
  return () => {
    if (performance.now() < nextAt) return
    call()
    nextAt = performance.now() + millis
  }
}
