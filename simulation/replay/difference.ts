/**
 * Compares what a recording says came of a message with what comes of it now, and finds the first value that is not the same. Fields may stand in another order;
 * bytes are compared by size and checksum, behaviours by their name wherever their modules lie.
 */
import type { Effect } from '../../actors/effect.ts'
import { behaviourName } from '../../protocol/recording/entries.ts'
import type { Outcome } from '../../protocol/recording/entries.ts'
import { digestOf } from '../../protocol/recording/value-writer.ts'

/** What an actor has made of a message now. */
export type LiveOutcome = { readonly effects: readonly Effect[] } | { readonly thrown: string }

/** Where two outcomes part. */
export interface Difference {
  /** Which effect, from 1; null: one of the two has thrown. */
  readonly effect: number | null
  /** The way to the value within the effect, `message.records`; empty: the whole effect. */
  readonly field: string
  /** What was recorded there; undefined: nothing. */
  readonly expected: unknown
  /** What is there now; undefined: nothing. */
  readonly actual: unknown
  /** The whole effects, recorded and now; or what was thrown. */
  readonly outcomes: readonly [expected: unknown, actual: unknown]
}

/** The first difference; null if there is none. */
export function compareOutcomes(expected: Outcome, actual: LiveOutcome): Difference | null {
  if ('thrown' in expected || 'thrown' in actual) {
    const isSame = 'thrown' in expected && 'thrown' in actual && expected.thrown === actual.thrown
    return isSame ? null : { effect: null, field: '', ...bothOf(shown(expected), shown(actual)) }
  }
  const count = Math.max(expected.effects.length, actual.effects.length)
  for (let index = 0; index < count; index++) {
    const [before, now] = [expected.effects[index], comparable(actual.effects[index])]
    const found = compare(before, now, '')
    if (found !== null) return { effect: index + 1, ...found, outcomes: [before, now] }
  }
  return null
}

/** Where there is nothing but the whole to be compared. */
export function bothOf(expected: unknown, actual: unknown): Pick<Difference, 'expected' | 'actual' | 'outcomes'> {
  return { expected, actual, outcomes: [expected, actual] }
}

function shown(outcome: Outcome | LiveOutcome): unknown {
  return 'thrown' in outcome ? `throws: ${outcome.thrown}` : outcome.effects
}

/** An effect as the recorder writes it: without where modules lie. */
function comparable(effect: Effect | undefined): unknown {
  return effect?.kind === 'spawn' ? { ...effect, url: behaviourName(effect.url) } : effect
}

function compare(expected: unknown, actual: unknown, field: string): Pick<Difference, 'field' | 'expected' | 'actual'> | null {
  if (Object.is(expected, actual)) return null
  const live: unknown = actual instanceof Uint8Array ? digestOf(actual) : actual
  if (!isObject(expected) || !isObject(live) || Array.isArray(expected) !== Array.isArray(live)) return { field, expected, actual: live }
  const names = new Set([...Object.keys(expected), ...Object.keys(live)])
  for (const name of names) {
    const found = compare(expected[name], live[name], field === '' ? name : `${field}.${name}`)
    if (found !== null) return found
  }
  return null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
