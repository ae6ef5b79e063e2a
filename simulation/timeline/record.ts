/**
 * Runs a seed, or what is left of it, once more, and records it as a timeline. The run is the same as without.
 */
import { repeatKept } from '../explain.ts'
import type { Subject } from '../explain.ts'
import { loadRunner } from '../runner.ts'
import type { Onlooking } from '../onlooker.ts'
import { DEFAULT_SECONDS, drawPlan } from '../plan.ts'
import { parseReduction, reducePlan } from '../reduction.ts'
import type { RunResult } from '../run.ts'
import { TraceHash, withRun } from '../trace-hash.ts'
import type { Timeline, TimelineHead } from './model.ts'
import { Recorder } from './recorder.ts'

/** What to record. */
export interface Recording {
  readonly subject: Subject
  /** What is left of the seed, as `--keep` takes it; null: all of it. */
  readonly keep: string | null
  /** In words: why this run is shown. */
  readonly what: string
  readonly commit: string
}

/** What was recorded. */
export interface Recorded {
  readonly timeline: Timeline
  readonly result: RunResult
}

/** Records a run. Throws an Error for a `keep` that makes no sense. */
export async function recordRun({ subject, keep, what, commit }: Recording): Promise<Recorded> {
  const { seed, options, mutant } = subject
  let recorder: Recorder | null = null
  const onlooking: Onlooking = (world) => (recorder = new Recorder(world))
  const result =
    keep === null
      ? (await loadRunner(mutant, false))(seed, options, null, onlooking)
      : (await repeatKept(subject, keep, { onlooking })).result
  // As the report of this one run has it.
  const hash = new TraceHash(withRun(new TraceHash().lanes, result.hash)).toString()
  const head: TimelineHead = { seed, commit, mutant, keep, what, command: commandOf(subject, keep), hash }
  const timeline = recordedBy(recorder).timeline({ head, healedAt: troubleMicros(subject, keep), violation: result.violation })
  return { timeline, result }
}

function recordedBy(recorder: Recorder | null): Recorder {
  if (recorder === null) throw new Error('the run was not looked at')
  return recorder
}

function troubleMicros({ seed, options }: Subject, keep: string | null): number {
  const plan = drawPlan(seed, options)
  return (keep === null ? plan : reducePlan(plan, parseReduction(plan, keep))).seconds * 1_000_000
}

function commandOf({ seed, options, mutant }: Subject, keep: string | null): string {
  const { seconds = DEFAULT_SECONDS } = options
  const more = [
    seconds === DEFAULT_SECONDS ? '' : ` --seconds ${seconds}`,
    mutant === null ? '' : ` --mutant ${mutant}`,
    keep === null ? '' : ` --keep ${keep}`,
  ]
  return `npm run simulate -- --seed ${seed}${more.join('')} --timeline timeline.html`
}
