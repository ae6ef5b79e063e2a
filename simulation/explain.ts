/**
 * What a person wants of a run that broke a promise: the smallest one that still does, its story, and the line that runs it again.
 */
import { loadRunner } from './runner.ts'
import { drawPlan } from './plan.ts'
import type { Plan, PlanOptions } from './plan.ts'
import { describeReduction, parseReduction, wholeOf } from './reduction.ts'
import type { Reduction } from './reduction.ts'
import type { repeatSeed, RunResult, Witnesses } from './run.ts'
import { shrink } from './shrink.ts'
import { Story } from './story.ts'

/** A run to explain. */
export interface Subject {
  readonly seed: number
  readonly options: PlanOptions
  readonly mutant: string | null
}

/** What was left of a run, and what it came to. */
export interface Explanation {
  readonly result: RunResult
  /** As `--keep` takes it. */
  readonly keep: string
  readonly story: readonly string[]
  /** Runs that were tried. */
  readonly tries: number
  /** Nothing more can be left out. */
  readonly isMinimal: boolean
}

/** How long a run is made smaller, in milliseconds. */
export const SHRINK_MILLIS = 30_000

/** Shrinks a run, for so long at most; null if it is not broken. */
export async function explain(
  { seed, options, mutant }: Subject,
  millis: number,
  onProgress: (keep: string, tries: number) => void,
): Promise<Explanation | null> {
  const { plan, timed, repeat } = await prepare({ seed, options, mutant })
  const until = performance.now() + millis
  const shrunk = await shrink(wholeOf(plan), {
    run: (reduction) => repeat(plan, { reduction, timed }),
    isOver: () => performance.now() > until,
    onProgress: (reduction, tries) => onProgress(describeReduction(plan, reduction), tries),
  })
  if (shrunk === null) return null
  const { reduction, tries, isMinimal } = shrunk
  return { ...(await tell({ seed, options, mutant }, reduction)), tries, isMinimal }
}

/** Runs what `keep` leaves of a run. `log` takes the lines of its transcript, `onlooking` looks at it. Throws an Error for a line that makes no sense. */
export async function repeatKept(subject: Subject, keep: string, witnesses: Partial<Witnesses> = {}): Promise<Explanation> {
  const reduction = parseReduction(drawPlan(subject.seed, subject.options), keep)
  return { ...(await tell(subject, reduction, witnesses)), tries: 1, isMinimal: false }
}

async function tell(
  subject: Subject,
  reduction: Reduction,
  { log = null, onlooking = null }: Partial<Witnesses> = {},
): Promise<Pick<Explanation, 'result' | 'keep' | 'story'>> {
  const { plan, timed, repeat } = await prepare(subject)
  const story = new Story()
  const hear = (line: string): void => {
    story.hear(line)
    log?.(line)
  }
  const result = repeat(plan, { reduction, timed }, hear, onlooking)
  return { result, keep: describeReduction(plan, reduction), story: story.tell(result.violation) }
}

/** The whole run says when its faults strike. */
async function prepare({ seed, options, mutant }: Subject): Promise<{
  readonly plan: Plan
  readonly timed: RunResult['timed']
  readonly repeat: typeof repeatSeed
}> {
  const run = await loadRunner(mutant, false)
  const { repeatSeed: repeat } = await import('./run.ts')
  return { plan: drawPlan(seed, options), timed: run(seed, options).timed, repeat }
}
