/**
 * Who runs which seed: hands seeds out in order, about one in twenty of them twice, and compares. A run is a function of its seed; whatever else it depends on (the
 * thread, the runs before it, the time of day) makes all other seeds worth nothing, so it is a violation like any other: DET.
 */
import { Random } from './random.ts'
import type { RunResult } from './run.ts'

/** Which seeds, and how. */
export interface DispatchOptions {
  readonly firstSeed: number
  readonly runs: number
  readonly workers: number
  /** No new seeds after the first run with a violation. */
  readonly untilFail: boolean
  /** Some seeds are run twice, and compared. */
  readonly isGuarded: boolean
  /** The first seeds of the fleet were run before: if chance has none of them run twice, the first was. */
  readonly isResumed?: boolean
}

/** What is known of a seed for good. */
export interface Finished {
  readonly result: RunResult
  readonly isRepeated: boolean
}

/** One seed in so many is run twice. */
const GUARDED_SEEDS = 20

/** In the first seeds of a fleet there is one that is run twice; if chance has none among so many, the first is. */
const LONELY_SEEDS_MAX = 200

interface Half {
  readonly first: RunResult
  readonly worker: number
}

/** Hands out the seeds of a fleet. */
export class Dispatch {
  readonly #options: DispatchOptions
  readonly #isLonely: boolean
  #next: number
  #isOver = false
  /** What each worker is busy with: a seed for the first time (null), or again. */
  readonly #running: Map<number, Half | null> = new Map()
  /** To be run again, elsewhere if there is an elsewhere. */
  readonly #halves: Half[] = []

  constructor(options: DispatchOptions) {
    this.#options = options
    this.#next = options.firstSeed
    const span = Array.from({ length: Math.min(options.runs, LONELY_SEEDS_MAX) }, (_, i) => options.firstSeed + i)
    this.#isLonely = options.isResumed !== true && !span.some(isGuarded)
  }

  /** No new seeds: what is under way, and what is to be run again, is all that is left. */
  stop(): void {
    this.#isOver = true
  }

  /** What a worker shall do: a seed, `wait` until somebody else is done, or null: that was all. */
  next(worker: number): number | 'wait' | null {
    const { firstSeed, runs, workers } = this.#options
    const index = this.#halves.findIndex((half) => workers === 1 || half.worker !== worker)
    const [half] = index < 0 ? [] : this.#halves.splice(index, 1)
    if (half !== undefined) {
      this.#running.set(worker, half)
      return half.first.seed
    }
    if (this.#isOver || this.#next >= firstSeed + runs) return this.#running.size > 0 || this.#halves.length > 0 ? 'wait' : null
    this.#running.set(worker, null)
    return this.#next++
  }

  /** A worker is done with what it was given; null if the seed is to be run again. */
  done(worker: number, result: RunResult): Finished | null {
    const half = this.#running.get(worker) ?? null
    this.#running.delete(worker)
    if (half !== null) return { result: compared(half.first, result), isRepeated: true }
    if (this.#options.untilFail && result.violation !== null) this.stop()
    if (!this.#isRepeated(result.seed)) return { result, isRepeated: false }
    this.#halves.push({ first: result, worker })
    return null
  }

  #isRepeated(seed: number): boolean {
    const { isGuarded: isWanted, firstSeed } = this.#options
    return isWanted && (isGuarded(seed) || (this.#isLonely && seed === firstSeed))
  }
}

/** Whether a seed is one of those that are run twice, in whatever fleet. */
export function isGuarded(seed: number): boolean {
  return new Random(seed, 'run again').below(GUARDED_SEEDS) === 0
}

function compared(first: RunResult, again: RunResult): RunResult {
  if (again.hash === first.hash || first.violation !== null) return first
  const message = `run again, it is another run: its hash is ${again.hash} after ${again.events} events, not ${first.hash} after ${first.events}`
  return { ...first, violation: { code: 'DET', message, atMicros: Math.round(first.virtualSeconds * 1_000_000) } }
}
