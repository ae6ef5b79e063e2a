/**
 * A command for fast-check's model runs, as a plain object: what it is called in a counterexample, when it makes sense, and what it does to the model and to the real thing.
 */
import type * as FastCheck from 'fast-check'
import { KafkaError } from '../../protocol/errors.ts'

/** Makes a command; it always makes sense unless `check` says otherwise. */
export function command<Model extends object, Real>(
  text: string,
  run: (model: Model, real: Real) => Promise<void>,
  check: (model: Readonly<Model>) => boolean = () => true,
): FastCheck.AsyncCommand<Model, Real> {
  return { check, run, toString: () => text }
}

/** Whether a request may have been carried out or not: nobody has answered in time. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT'
}

/** The error, if what it is about may work later; throws any other. */
export function passing(error: unknown): KafkaError {
  if (error instanceof KafkaError && error.retriable) return error
  throw error
}
