/**
 * The words of a benchmark: a question, what it is run with, what it measures and what would be good. Plain data; running and printing are
 * elsewhere (main.ts, report.ts).
 */

/** One thing that was measured: every run is a sample, in `unit`. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly samples: readonly number[]
}

/** What would be good, in the unit of the result. `flat`: the slowest result is within so many percent of the fastest. */
export type Goal =
  | { readonly kind: 'atLeast'; readonly result: string; readonly value: number }
  | { readonly kind: 'atMost'; readonly result: string; readonly value: number }
  | { readonly kind: 'ratio' | 'ratioAtMost'; readonly result: string; readonly over: string; readonly value: number }
  | { readonly kind: 'flat'; readonly percent: number }

/** How a question is run. */
export interface RunOptions {
  /** Runs of each measurement; at least 3 for a median that means something. */
  readonly runs: number
  /** Leaves out the largest sizes. */
  readonly isQuick: boolean
  /** Multiplies the work; 1 is what the goals are about. */
  readonly scale: number
  /** Says what is going on; shown on a terminal only. */
  readonly progress: (text: string) => void
  /** Says something beside the results; printed with the conditions. */
  readonly note: (text: string) => void
}

/** What the figures depend on, by name. */
export type Conditions = Readonly<Record<string, string | number>>

/** A question with a number for an answer. */
export interface Question {
  readonly name: string
  /** The question, as a sentence. */
  readonly question: string
  /** The names of its results: others read them, so they stay. */
  readonly results: readonly string[]
  readonly goals: readonly Goal[]
  /** Threads, acks, flush, sizes: what else than the machine the answer depends on. */
  conditions(options: RunOptions): Conditions
  run(options: RunOptions): Promise<Measurement[]>
}

/** An amount of work under a scale: never nothing. */
export function scaled(count: number, { scale }: RunOptions): number {
  return Math.max(1, Math.round(count * scale))
}

/** Runs all measurements in turn, again and again, so that noise hits all of them alike. `measure` answers with one sample. */
export async function interleave(
  names: readonly string[],
  unit: string,
  options: RunOptions,
  measure: (name: string) => Promise<number>,
): Promise<Measurement[]> {
  const measurements = names.map((name) => ({ name, unit, samples: [] as number[] }))
  for (let run = 1; run <= options.runs; run++) {
    for (const { name, samples } of measurements) {
      options.progress(`${name}, run ${run} of ${options.runs}`)
      samples.push(await measure(name))
    }
  }
  return measurements
}

/** As `interleave`, where one run gives a sample of each measurement: `measure` answers with them in the order of their names. */
export async function together(
  names: readonly string[],
  unit: string,
  options: RunOptions,
  measure: () => Promise<readonly number[]>,
): Promise<Measurement[]> {
  const measurements = names.map((name) => ({ name, unit, samples: [] as number[] }))
  for (let run = 1; run <= options.runs; run++) {
    options.progress(`run ${run} of ${options.runs}`)
    const found = await measure()
    measurements.forEach(({ samples }, index) => samples.push(found[index] ?? NaN))
  }
  return measurements
}
