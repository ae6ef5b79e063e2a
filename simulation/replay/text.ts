/**
 * A replay as text: one line per input and per effect for `--trace`, what has been shown at the end, and where something is not as it was. For people.
 */
import type { Effect } from '../../actors/effect.ts'
import { digestOf } from '../../protocol/recording/value-writer.ts'
import { describeMessage } from '../transcript.ts'
import type { ReplayReport } from './replay.ts'
import type { Divergence, ReplayedStep } from './replayed-thread.ts'

/** A value in an error: longer ones are cut. */
const SHOWN_LENGTH_MAX = 2000

/** An input and what came of it: time in milliseconds, thread, number, sender, actor, message; then its effects. */
export function traceLines(thread: string, { input, step, effects }: ReplayedStep, millis: number): string[] {
  if (step === null) return []
  const { node, actor, context, message } = step
  const head = `${millis.toFixed(0).padStart(9)} ${thread} #${input} ${context.from.actor}@${context.from.node} -> ${actor}@${node} ${describeMessage(message)}`
  return [head, ...effects.map((effect) => `${' '.repeat(10)}  ${describeEffect(effect)}`)]
}

/** What is said at the end. */
export function reportLines(report: ReplayReport): string[] {
  const { threads, actors, inputs, effects, virtualSeconds, tornBytes, missingNodes, divergence } = report
  const lines = [
    `${count(inputs, 'input')} of ${count(actors, 'actor')} on ${count(threads, 'thread')}, ${count(effects, 'effect')}, ${virtualSeconds.toFixed(1)} s of the clock`,
  ]
  if (tornBytes > 0) lines.push(`the last ${count(tornBytes, 'byte')} were not written to their end: the process was killed`)
  for (const node of missingNodes)
    lines.push(`nothing of node ${node} is there, although others have heard it: its file is missing, or empty`)
  const what = missingNodes.length > 0 ? 'identical, as far as it is there: ' : 'identical: '
  if (divergence === null) lines.push(`${what}each input has given what it gave then`)
  else lines.push('', ...divergenceLines(divergence))
  return lines
}

/** The report as one JSON object; bytes by their size and checksum. */
export function reportJson(report: ReplayReport): string {
  return JSON.stringify(report, withDigests)
}

/** A value in one line; bytes by their size and checksum, as in a recording. */
function describe(value: unknown): string {
  const text = JSON.stringify(value, withDigests) ?? 'nothing'
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`
}

function divergenceLines({ thread, actor, input, step, difference }: Divergence): string[] {
  const { effect, field, expected, actual, outcomes } = difference
  const what =
    step === null ? 'when it is started' : `input ${input}, ${step.message.kind} from ${step.context.from.actor}@${step.context.from.node}`
  const where = field === '' ? 'is another' : `differs in ${field}: ${describe(expected)} then, ${describe(actual)} now`
  return [
    `DIFFERENT: ${actor.actor}@${actor.node} on ${thread}, ${what}`,
    ...(step === null ? [] : [`  message   ${describe(step.message)}`]),
    `  ${effect === null ? 'the outcome' : `effect ${effect}`} ${where}`,
    `  recorded  ${describe(outcomes[0])}`,
    `  now       ${describe(outcomes[1])}`,
  ]
}

function withDigests(_name: string, value: unknown): unknown {
  return value instanceof Uint8Array ? digestOf(value) : value
}

function describeEffect(effect: Effect): string {
  if (effect.kind === 'send') return `send -> ${effect.to.actor}@${effect.to.node} ${describeMessage(effect.message)}`
  const { kind, ...rest } = effect
  return `${kind} ${describe(rest)}`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
