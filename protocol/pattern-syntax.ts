/**
 * The part of JavaScript's regular expressions that needs no backtracking, as a tree: characters and classes, groups, alternatives, quantifiers, ^, $, \b and \B.
 * What one character matches is asked of JavaScript's own engine, one character of a topic's name at a time, so that escapes, classes and flags mean what they mean there.
 * References back, lookarounds and modifiers are refused.
 */

/** What names of topics are made of. */
export const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-'

/** A part of a pattern. */
export type PatternNode =
  /** One character: for each of the alphabet, whether it may be that one. */
  | { readonly kind: 'one'; readonly of: readonly boolean[] }
  | { readonly kind: 'assertion'; readonly what: '^' | '$' | '\\b' | '\\B' }
  | { readonly kind: 'sequence' | 'alternatives'; readonly nodes: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly node: PatternNode; readonly min: number; readonly max: number }

/** Why a pattern is none, in words that follow its name. */
export class PatternRefusal extends Error {
  override readonly name = 'PatternRefusal'
}

/** What stands for one character, or an assertion. */
const ATOM = String.raw`\[(?:\\[^]|[^\\\]])*\]|\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\[^]|[^]`
const ATOM_UNICODE = String.raw`\\u\{[\da-fA-F]+\}|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\[pP]\{[^}]*\}|${ATOM}`

const QUANTIFIER = /(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y

/** The tree of an expression that JavaScript accepts. Throws PatternRefusal. */
export function parsePattern(source: string, flags: string): PatternNode {
  if (flags.includes('v')) throw new PatternRefusal('must not have the flag v')
  const parser = new Parser(source, flags)
  return parser.alternatives()
}

class Parser {
  readonly #source: string
  readonly #flags: string
  readonly #atom: RegExp
  readonly #known: Map<string, PatternNode> = new Map()
  #at = 0

  constructor(source: string, flags: string) {
    this.#source = source
    this.#flags = flags
    const isUnicode = flags.includes('u')
    this.#atom = isUnicode ? new RegExp(ATOM_UNICODE, 'uy') : new RegExp(ATOM, 'y')
  }

  /** Up to the end of the group, or of the source. */
  alternatives(): PatternNode {
    const nodes = [this.#sequence()]
    while (this.#source[this.#at] === '|') {
      this.#at++
      nodes.push(this.#sequence())
    }
    return { kind: 'alternatives', nodes }
  }

  #sequence(): PatternNode {
    const nodes: PatternNode[] = []
    for (let next = this.#source[this.#at]; next !== undefined && next !== '|' && next !== ')'; next = this.#source[this.#at])
      nodes.push(this.#repeated(next === '(' ? this.#group() : this.#single()))
    return { kind: 'sequence', nodes }
  }

  #group(): PatternNode {
    const [opening, isSpecial, isPlain] = this.#take(/\((\?(?:(:|<[^=!][^>]*>))?)?/y)!
    if (isSpecial !== undefined && isPlain === undefined)
      throw new PatternRefusal(`must not look ahead or behind, or have modifiers: ${opening}${this.#source.slice(this.#at, this.#at + 2)}`)
    const inner = this.alternatives()
    this.#at++
    return inner
  }

  #single(): PatternNode {
    const [text] = this.#take(this.#atom)!
    if (text === '^' || text === '$' || text === '\\b' || text === '\\B') return { kind: 'assertion', what: text }
    if (/^\\[\dkc]/.test(text)) throw new PatternRefusal(`must not refer back to a group, or have octal or control characters: ${text}`)
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const expression = new RegExp(`^(?:${text})$`, this.#flags)
    const one: PatternNode = { kind: 'one', of: Array.from(ALPHABET, (character) => expression.test(character)) }
    this.#known.set(text, one)
    return one
  }

  /** Whether it takes much or little first makes no difference to whether there is a match. */
  #repeated(node: PatternNode): PatternNode {
    const quantifier = this.#take(QUANTIFIER)
    if (quantifier === null) return node
    const [text, low, comma, high] = quantifier
    if (low === undefined) return { kind: 'repeat', node, min: text.startsWith('+') ? 1 : 0, max: text.startsWith('?') ? 1 : Infinity }
    const min = Number(low)
    const max = comma === '' ? min : high === '' ? Infinity : Number(high)
    return { kind: 'repeat', node, min, max }
  }

  #take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at
    const taken = expression.exec(this.#source)
    if (taken !== null) this.#at += taken[0].length
    return taken
  }
}
