/**
 * The options of `consumer.process`: what each allows, and the plan that follows from them.
 */
import { randomUUID } from 'node:crypto'
import type { Guarantee, RoundPlan } from '../../actors/processing.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { RECENT_KEYS_MAX } from '../../protocol/recent-keys.ts'
import type { ConsumerRecord, ProducerOptions } from './api.ts'
import { checkOptions, integerOption } from './options.ts'
import type { OptionRule } from './options.ts'
import type { ProcessOptions } from './process-api.ts'

/** What is to be done. */
export interface ProcessPlan<K, V> extends RoundPlan {
  /** Null: nothing is left out. */
  readonly deduplicateBy: ((record: ConsumerRecord<K, V>) => string) | null
}

const GUARANTEES: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'effectively-once', 'exactly-once']

/** What each option allows. */
const RULES: Readonly<Record<keyof ProcessOptions<unknown, unknown>, OptionRule>> = {
  signal: { kind: 'signal' },
  guarantee: { kind: 'choice', values: GUARANTEES, default: 'at-least-once' },
  commitIntervalMillis: { kind: 'integer', min: 1, max: 60_000, default: 100 },
  deduplicateBy: { kind: 'function' },
  rememberedKeys: { kind: 'integer', min: 1, max: RECENT_KEYS_MAX, default: RECENT_KEYS_MAX },
  output: { kind: 'object' },
}

/** Throws INVALID_OPTION. */
export function processPlan<K, V, OK, OV>(options: ProcessOptions<K, V, OK, OV>): ProcessPlan<K, V> {
  checkOptions('process', options, RULES)
  const { guarantee = 'at-least-once', deduplicateBy } = options
  if ((guarantee === 'effectively-once') !== (deduplicateBy !== undefined))
    throw new KafkaError(
      'INVALID_OPTION',
      `process option deduplicateBy must be given with guarantee 'effectively-once', and with no other; it is '${guarantee}'`,
    )
  if (guarantee !== 'exactly-once' && options.output?.transactionalId !== undefined)
    throw new KafkaError(
      'INVALID_OPTION',
      `process option output.transactionalId must not be given but with guarantee 'exactly-once'; it is '${guarantee}'`,
    )
  return {
    guarantee,
    commitIntervalMillis: integerOption(options.commitIntervalMillis, RULES.commitIntervalMillis),
    rememberedKeys: integerOption(options.rememberedKeys, RULES.rememberedKeys),
    deduplicateBy: deduplicateBy ?? null,
  }
}

/** The options of the producer of the results. */
export function outputOptions<OK, OV>(
  group: string,
  { guarantee }: { readonly guarantee: Guarantee },
  output: ProducerOptions<OK, OV> = {},
): ProducerOptions<OK, OV> {
  return guarantee === 'exactly-once' ? { transactionalId: `${group}/${randomUUID()}`, ...output } : output
}
