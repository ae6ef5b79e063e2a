/**
 * Makes a run that breaks a promise smaller, for as long as it breaks the same one: a shorter time, fewer parts, clients and nodes, fewer kinds of faults, then
 * fewer strikes, one after the other (delta debugging: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
 */
import { FAULT_KINDS } from './faults.ts'
import type { FaultKind } from './faults.ts'
import { PARTS } from './reduction.ts'
import type { Part, Reduction } from './reduction.ts'
import type { RunResult } from './run.ts'
import type { Violation } from './world.ts'

/** What is asked of a run. */
export type ShrinkableResult = Pick<RunResult, 'violation' | 'timed' | 'faults'>

/** How a run is tried, and for how long. */
export interface Shrinking {
  /** Runs what is left. */
  run(reduction: Reduction): ShrinkableResult | Promise<ShrinkableResult>
  /** There is no more time. */
  isOver(): boolean
  /** Hears of each smaller run that is as broken. */
  onProgress(reduction: Reduction, tries: number): void
}

/** The smallest run that was found. */
export interface Shrunk {
  readonly reduction: Reduction
  /** Runs that were tried. */
  readonly tries: number
  /** There was nothing more to leave out; false: there was no more time. */
  readonly isMinimal: boolean
}

/** Producers submit so often, at most: tried from the least on. */
const SUBMISSIONS = [1, 2, 4, 8, 16, 32, 64, 128] as const

/** Trouble lasts so much longer than until the promise was broken, in seconds: some are found broken only when somebody looks. */
const SECONDS_BEHIND = [1, 3] as const

/** The first time, strikes are left out in so many portions: single ones when all else is small. */
const COARSE = 8

/** Shrinks a run; null if it breaks nothing when it is repeated. */
export function shrink(whole: Reduction, shrinking: Shrinking): Promise<Shrunk | null> {
  return new Shrinker(whole, shrinking).result()
}

class Shrinker {
  readonly #shrinking: Shrinking
  #best: Reduction
  #result: ShrinkableResult | null = null
  #tries = 0

  constructor(whole: Reduction, shrinking: Shrinking) {
    this.#best = whole
    this.#shrinking = shrinking
  }

  async result(): Promise<Shrunk | null> {
    this.#tries++
    const first = await this.#shrinking.run(this.#best)
    if (first.violation === null) return null
    this.#result = first
    let before: Reduction
    let isFirst = true
    do {
      before = this.#best
      await this.#endEarly()
      await this.#dropIdle()
      await this.#dropKinds()
      await this.#dropParts()
      await this.#dropClients()
      await this.#dropStrikes(isFirst ? COARSE : 1)
      await this.#shorten()
      isFirst = false
    } while (before !== this.#best && !this.#shrinking.isOver())
    return { reduction: this.#best, tries: this.#tries, isMinimal: before === this.#best }
  }

  /** Whether the same promise is broken when there is no more than this; then it is what is left. */
  async #try(change: Partial<Reduction>): Promise<boolean> {
    if (this.#shrinking.isOver()) return false
    const reduction = { ...this.#best, ...change }
    this.#tries++
    const result = await this.#shrinking.run(reduction)
    if (result.violation === null || promiseOf(result.violation) !== promiseOf(this.#result?.violation)) return false
    this.#best = reduction
    this.#result = result
    this.#shrinking.onProgress(reduction, this.#tries)
    return true
  }

  async #endEarly(): Promise<void> {
    const brokenAt = (this.#result?.violation?.atMicros ?? 0) / 1_000_000
    for (const behind of SECONDS_BEHIND) {
      const seconds = Math.ceil(brokenAt) + behind
      if (seconds < this.#best.seconds && (await this.#try({ seconds }))) break
    }
  }

  async #shorten(): Promise<void> {
    let step = Math.floor(this.#best.seconds / 2)
    while (step >= 1 && !this.#shrinking.isOver()) {
      if (step >= this.#best.seconds || !(await this.#try({ seconds: this.#best.seconds - step }))) step = Math.floor(step / 2)
    }
  }

  /** Kinds that have not struck: all at once. */
  async #dropIdle(): Promise<void> {
    const { strikes } = this.#best
    const kinds = FAULT_KINDS.filter((kind) => (strikes[kind] ?? []).length > 0)
    const struck = kinds.filter((kind) => (this.#result?.faults[kind] ?? 0) > 0)
    if (struck.length < kinds.length) await this.#try({ strikes: Object.fromEntries(struck.map((kind) => [kind, strikes[kind]])) })
  }

  async #dropKinds(): Promise<void> {
    const { strikes } = this.#best
    const kinds = FAULT_KINDS.filter((kind) => (strikes[kind] ?? []).length > 0)
    await minimise(kinds, (kept) => this.#try({ strikes: Object.fromEntries(kept.map((kind) => [kind, strikes[kind]])) }))
  }

  async #dropParts(): Promise<void> {
    const { without } = this.#best
    const parts = PARTS.filter((part) => !without.includes(part))
    await minimise(parts, (kept) => this.#try({ without: PARTS.filter((part: Part) => !kept.includes(part)) }))
  }

  async #dropClients(): Promise<void> {
    for (const name of ['producers', 'members', 'nodes'] as const) {
      for (let count = 1; count < this.#best[name]; count++) if (await this.#try({ [name]: count })) break
    }
    if (this.#best.producers === 0) return
    for (const submissions of SUBMISSIONS) {
      if (submissions >= this.#best.submissions || (await this.#try({ submissions }))) break
    }
  }

  async #dropStrikes(portion: number): Promise<void> {
    for (const kind of FAULT_KINDS) {
      const kept = this.#best.strikes[kind]
      if (kept === undefined || kept.length === 0) continue
      const ordinals = kept === 'all' ? [...Array(this.#strikesOf(kind)).keys()] : kept
      const smallest = Math.ceil(ordinals.length / portion)
      await minimise(ordinals, (some) => this.#try({ strikes: { ...this.#best.strikes, [kind]: some } }), portion === 1 ? 1 : smallest)
    }
  }

  /** How often a kind struck, or could have. */
  #strikesOf(kind: FaultKind): number {
    return Math.max(this.#result?.timed[kind].length ?? 0, this.#result?.faults[kind] ?? 0)
  }
}

/** What is broken: everything that shall happen in the end is one property, so what did not is part of it. */
function promiseOf(violation: Violation | null | undefined): string {
  if (violation === null || violation === undefined) return ''
  if (violation.code === 'LIVE') return `LIVE ${violation.message.split(/[:0-9]/)[0]}`
  // What somebody's own code says is known by its words.
  return violation.code === 'SCENARIO' ? violation.message.replaceAll(/[\d,\s…]+/g, ' ') : violation.code
}

/** As few of the items as still do, by leaving out halves, then quarters, at last each by itself; all of them, if not without. */
async function minimise<Item>(items: readonly Item[], isEnough: (kept: readonly Item[]) => Promise<boolean>, smallest = 1): Promise<void> {
  if (items.length === 0 || (await isEnough([]))) return
  let kept = items
  let size = Math.ceil(kept.length / 2)
  while (size >= smallest && kept.length > 1) {
    let hasShrunk = false
    for (let begin = 0; begin < kept.length && kept.length > 1;) {
      const rest = [...kept.slice(0, begin), ...kept.slice(begin + size)]
      if (rest.length < kept.length && rest.length > 0 && (await isEnough(rest))) {
        kept = rest
        hasShrunk = true
      } else begin += size
    }
    if (size > 1) size = Math.floor(size / 2)
    else if (!hasShrunk) return
  }
}
