/**
 * Checks options at the door: an unknown name, a wrong type or a value out of range is KafkaError INVALID_OPTION, which names the
 * option and what it allows.
 */
import { inspect } from 'node:util'
import { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'

/** Most nodes of a cluster: each has a thread, and a link to every other. */
export const NODES_MAX = 64

/** Longer texts say nothing in an error but how long they are. */
const SHOWN_LENGTH_MAX = 80

/** What one option may be. */
export type OptionRule =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly default: number }
  | { readonly kind: 'choice'; readonly values: readonly string[]; readonly default: string }
  | { readonly kind: 'boolean'; readonly default: boolean }
  | { readonly kind: 'acks'; readonly default: Acks }
  /** What turns keys or values into bytes, or back: the function that is needed of it. */
  | { readonly kind: 'serde'; readonly needs: 'serialize' | 'deserialize' }
  /** An AbortSignal. */
  | { readonly kind: 'signal' }
  /** Known here, checked by its user, who has Kafka's own error for it. */
  | { readonly kind: 'any' }
  /** Anything of that type (`typeof`), absent by default. */
  | { readonly kind: 'function' | 'object' | 'string' }

/** Throws unless every given option is known and allowed. `what` is whose options they are: 'producer'. */
export function checkOptions(what: string, options: object, rules: Readonly<Record<string, OptionRule>>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new KafkaError('INVALID_OPTION', `${what} options must be an object, not ${describe(options)}`)
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) {
      throw new KafkaError('INVALID_OPTION', `${what} has no option ${JSON.stringify(name)}; it has ${Object.keys(rules).join(', ')}`)
    }
    if (value !== undefined && !isAllowed(rule, value)) {
      throw new KafkaError('INVALID_OPTION', `${what} option ${name} must be ${describeRule(rule)}, not ${describe(value)}`)
    }
  }
}

/** The value of an integer option, or its default. */
export function integerOption(value: number | undefined, rule: OptionRule): number {
  return value ?? (rule.kind === 'integer' ? rule.default : 0)
}

/** A value as an error shows it: in one line, and not much of it. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return inspect(value, { depth: 1, breakLength: Infinity, compact: true, customInspect: false, maxArrayLength: 8, maxStringLength: 80 })
}

/** A text as an error about its length shows it. */
export function describeText(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX ? describe(text) : `one of ${text.length} characters`
}

function isAllowed(rule: OptionRule, value: unknown): boolean {
  switch (rule.kind) {
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value) && value >= rule.min && value <= rule.max
    case 'choice':
      return typeof value === 'string' && rule.values.includes(value)
    case 'acks':
      return value === 'none' || value === 'leader' || value === 'quorum' || (Number.isInteger(value) && Number(value) >= 1)
    case 'serde':
      return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[rule.needs] === 'function'
    case 'signal':
      return value instanceof AbortSignal
    case 'any':
      return true
    default:
      return typeof value === rule.kind && value !== null
  }
}

function describeRule(rule: OptionRule): string {
  switch (rule.kind) {
    case 'integer':
      return `a whole number from ${rule.min} to ${rule.max}`
    case 'choice':
      return `one of ${rule.values.map((value) => `'${value}'`).join(', ')}`
    case 'boolean':
      return 'true or false'
    case 'acks':
      return "'quorum', 'leader', 'none', or how many replicas must have a record"
    case 'serde':
      return `a serde, an object with the function ${rule.needs}`
    case 'signal':
      return 'an AbortSignal'
    case 'any':
      return 'anything'
    default:
      return rule.kind === 'object' ? 'an object' : `a ${rule.kind}`
  }
}
