/**
 * A regular expression over the names of topics, as messages carry it: its source and flags. It matches like JavaScript's own: anywhere in a name, unless it has
 * anchors. Internal topics match nothing.
 */
import { isInternalTopic } from './topic-name.ts'

/** A pattern as plain data. */
export interface TopicPattern {
  readonly source: string
  /** Those of `RegExp`; `g` and `y` mean nothing here. */
  readonly flags: string
}

/** The longest source: it is matched with every topic. */
export const TOPIC_PATTERN_LENGTH_MAX = 1000

/** The expression that a pattern stands for; null if it stands for none. */
export function compilePattern({ source, flags }: TopicPattern): RegExp | null {
  if (source.length > TOPIC_PATTERN_LENGTH_MAX) return null
  try {
    return new RegExp(source, flags.replaceAll(/[gy]/g, ''))
  } catch {
    return null
  }
}

/** The names that match, in their order. */
export function matchingTopics(pattern: TopicPattern, names: readonly string[]): string[] {
  const expression = compilePattern(pattern)
  return expression === null ? [] : names.filter((name) => !isInternalTopic(name) && expression.test(name))
}
