/**
 * A regular expression over the names of topics, as messages carry it: its source and flags. It matches like JavaScript's own: anywhere in a name, unless it has
 * anchors. Internal topics match nothing. Whoever coordinates a group matches it on the thread of all that are there, so that it takes only what is matched in linear time.
 */
import { LinearMatcher } from './linear-matcher.ts'
import { parsePattern, PatternRefusal } from './pattern-syntax.ts'
import { isInternalTopic } from './topic-name.ts'

/** A pattern as plain data. */
export interface TopicPattern {
  readonly source: string
  /** Those of `RegExp`; `g` and `y` mean nothing here. */
  readonly flags: string
}

/** The longest source: it is matched with every topic. */
export const TOPIC_PATTERN_LENGTH_MAX = 1000

/** Patterns that are remembered: each heartbeat brings its own again. */
const KNOWN_MAX = 16

type Compiled = { readonly matcher: LinearMatcher; readonly problem: null } | { readonly matcher: null; readonly problem: string }

/** What matched in the list of names that was asked about last: most often it is the same one. */
interface Matches {
  readonly names: readonly string[]
  readonly matching: readonly string[]
}

const known: Map<string, Compiled> = new Map()

const lastMatches: WeakMap<LinearMatcher, Matches> = new WeakMap()

/** Why a pattern stands for nothing, in words that follow "a pattern of topics"; null if it stands for something. */
export function patternProblem(pattern: TopicPattern): string | null {
  return compiled(pattern).problem
}

/** What a pattern stands for; null if it stands for nothing. */
export function compilePattern(pattern: TopicPattern): Pick<LinearMatcher, 'test'> | null {
  return compiled(pattern).matcher
}

/** The names that match, in their order. */
export function matchingTopics(pattern: TopicPattern, names: readonly string[]): readonly string[] {
  const { matcher } = compiled(pattern)
  if (matcher === null) return []
  const last = lastMatches.get(matcher)
  if (last?.names === names) return last.matching
  const matching = names.filter((name) => !isInternalTopic(name) && matcher.test(name))
  lastMatches.set(matcher, { names, matching })
  return matching
}

function compiled(pattern: TopicPattern): Compiled {
  const { source, flags } = pattern
  if (source.length > TOPIC_PATTERN_LENGTH_MAX)
    return { matcher: null, problem: `has at most ${TOPIC_PATTERN_LENGTH_MAX} characters, not ${source.length}` }
  const key = `${flags}/${source}`
  const before = known.get(key)
  if (before !== undefined) return before
  if (known.size >= KNOWN_MAX) known.clear()
  const now = compile(pattern)
  known.set(key, now)
  return now
}

function compile({ source, flags: given }: TopicPattern): Compiled {
  const flags = given.replaceAll(/[gy]/g, '')
  try {
    // Says whether it is an expression at all.
    void new RegExp(source, flags)
    return { matcher: new LinearMatcher(parsePattern(source, flags)), problem: null }
  } catch (error) {
    if (error instanceof PatternRefusal) return { matcher: null, problem: error.message }
    return { matcher: null, problem: 'must be a regular expression' }
  }
}
