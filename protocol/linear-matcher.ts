/**
 * Whether a pattern matches somewhere in a name, in a time that grows with the length of the name and never with its square: all ways through the pattern are followed at once
 * (Thompson). Sets of places in the pattern are remembered with what follows them, so that a character mostly costs one look into a table.
 */
import { ALPHABET, PatternRefusal } from './pattern-syntax.ts'
import type { PatternNode } from './pattern-syntax.ts'

/** Places in a pattern, after {n,m} has been written out. */
export const PATTERN_SIZE_MAX = 2000

/** Sets of places that are remembered. */
const SETS_MAX = 256

/** A place in the pattern. */
type Place =
  | { readonly kind: 'match' }
  | { readonly kind: 'one'; readonly of: readonly boolean[]; readonly next: number }
  | { readonly kind: 'assertion'; readonly what: string; readonly next: number }
  | { readonly kind: 'either'; readonly next: number[] }

/** Where the ways through the pattern are between two characters of a name, and what is before them. */
interface PlaceSet {
  readonly places: Uint16Array
  readonly before: Neighbour
  /** By the symbol that comes next; undefined: not known yet. */
  readonly next: (PlaceSet | 'match' | undefined)[]
}

type Neighbour = 'edge' | 'word' | 'other'

/** What comes after the last character. */
const END = ALPHABET.length
/** Letters and digits are the first. */
const WORD_END = ALPHABET.indexOf('.')
/** A character that no topic has. */
const FOREIGN = END + 1

const symbols: ReadonlyMap<string, number> = new Map(Array.from(ALPHABET, (character, index) => [character, index]))

/** Matches names. Throws PatternRefusal for a pattern that is too large. */
export class LinearMatcher {
  readonly #places: Place[] = [{ kind: 'match' }]
  readonly #first: number
  readonly #sets: Map<string, PlaceSet> = new Map()
  /** In which round each place was visited last. */
  readonly #seen: number[] = []
  #round = 0
  #left = PATTERN_SIZE_MAX
  #begin: PlaceSet

  constructor(pattern: PatternNode) {
    this.#first = this.#compile(pattern, 0)
    this.#begin = this.#setOf(Uint16Array.of(this.#first), 'edge')
  }

  /** As `RegExp.test`, without a memory of where it stopped. */
  test(name: string): boolean {
    let set = this.#begin
    for (const character of name) {
      const next = this.#step(set, symbols.get(character) ?? FOREIGN)
      if (next === 'match') return true
      set = next
    }
    return this.#step(set, END) === 'match'
  }

  // ── the pattern ──

  /** Where it begins; it goes on at `next`. */
  #compile(node: PatternNode, next: number): number {
    if (this.#left-- <= 0) throw new PatternRefusal(`must not have more than ${PATTERN_SIZE_MAX} parts, with what is repeated`)
    switch (node.kind) {
      case 'one':
        return this.#add({ kind: 'one', of: node.of, next })
      case 'assertion':
        return this.#add({ kind: 'assertion', what: node.what, next })
      case 'sequence':
        return node.nodes.reduceRight((after, one) => this.#compile(one, after), next)
      case 'alternatives':
        return node.nodes.length === 1
          ? this.#compile(node.nodes[0]!, next)
          : this.#add({ kind: 'either', next: node.nodes.map((one) => this.#compile(one, next)) })
      case 'repeat':
        return this.#repeat(node.node, node.min, node.max, next)
    }
  }

  #repeat(node: PatternNode, min: number, max: number, next: number): number {
    if (max === Infinity) return this.#loop(node, min, next)
    let first = next
    for (let more = max - min; more > 0; more--) first = this.#add({ kind: 'either', next: [next, this.#compile(node, first)] })
    for (let more = min; more > 0; more--) first = this.#compile(node, first)
    return first
  }

  /** What must be there once is what is repeated. */
  #loop(node: PatternNode, min: number, next: number): number {
    const ways = [next]
    const again = this.#add({ kind: 'either', next: ways })
    const body = this.#compile(node, again)
    ways.push(body)
    let first = min > 0 ? body : again
    for (let more = min - 1; more > 0; more--) first = this.#compile(node, first)
    return first
  }

  #add(place: Place): number {
    return this.#places.push(place) - 1
  }

  // ── a name ──

  #step(set: PlaceSet, symbol: number): PlaceSet | 'match' {
    const known = set.next[symbol]
    if (known !== undefined) return known
    const after = neighbourOf(symbol)
    const next = new Set([this.#first])
    const round = ++this.#round
    const ways = [...set.places]
    for (let at = ways.pop(); at !== undefined; at = ways.pop()) {
      if (this.#seen[at] === round) continue
      this.#seen[at] = round
      const place = this.#places[at]!
      if (place.kind === 'match') return (set.next[symbol] = 'match')
      if (place.kind === 'either') ways.push(...place.next)
      else if (place.kind === 'one') {
        if (place.of[symbol] === true) next.add(place.next)
      } else if (holds(place.what, set.before, after)) ways.push(place.next)
    }
    return (set.next[symbol] = this.#setOf(Uint16Array.from(next).sort(), after))
  }

  #setOf(places: Uint16Array, before: Neighbour): PlaceSet {
    const key = before + String.fromCharCode(...places)
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    if (this.#sets.size >= SETS_MAX) this.#forget()
    const set: PlaceSet = { places, before, next: [] }
    this.#sets.set(key, set)
    return set
  }

  /** The table is full: what it knows is found again as it is needed. */
  #forget(): void {
    for (const { next } of this.#sets.values()) next.length = 0
    this.#sets.clear()
    this.#begin = { places: this.#begin.places, before: 'edge', next: [] }
  }
}

function neighbourOf(symbol: number): Neighbour {
  if (symbol === END) return 'edge'
  return symbol < WORD_END || ALPHABET[symbol] === '_' ? 'word' : 'other'
}

function holds(assertion: string, before: Neighbour, after: Neighbour): boolean {
  // A name is not empty: only its first place has an edge before it, and only its last one behind it.
  if (assertion === '^') return before === 'edge'
  if (assertion === '$') return after === 'edge'
  return (assertion === '\\b') === ((before === 'word') !== (after === 'word'))
}
