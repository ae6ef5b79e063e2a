/**
 * What a node said before it died comes among the first words of its next life, which mean something else by then: each receiver must tell one from the other (KIP-380, KIP-903).
 */
import type { Frame } from './network.ts'
import { Random } from './random.ts'

/** Something that was said. */
export interface Word {
  readonly to: number
  readonly frame: Frame
  readonly sentAt: number
}

/** What is heard of a former life, and how much later, in microseconds. */
export interface Ghost extends Word {
  readonly afterMicros: number
}

/** So many words of a life are kept, the first ones, with which it presents itself, and the last ones; among so many of the next life they come, one with every so many. */
const FIRST_MAX = 12
const LAST_MAX = 36
const WORDS_MAX = 60
const SHARE = 2

/** A ghost speaks so long after a word of the living one, at most, in microseconds. */
const AFTER_MICROS = 3000

interface Lives {
  former: Word[]
  present: Word[]
  /** How many words the present life has said. */
  count: number
}

/** The former lives of those nodes that are haunted. */
export class Ghosts {
  readonly #random: Random
  readonly #lives: Map<number, Lives> = new Map()

  constructor(seed: number) {
    this.#random = new Random(seed, 'ordeals/ghosts/words')
  }

  /** What a node says from now on is kept for its next life. */
  haunt(node: number): void {
    if (!this.#lives.has(node)) this.#lives.set(node, { former: [], present: [], count: 0 })
  }

  /** A node begins another life. */
  born(node: number): void {
    const lives = this.#lives.get(node)
    if (lives !== undefined) this.#lives.set(node, { former: lives.present, present: [], count: 0 })
  }

  /** Whether somebody listens to what a node says. */
  isHaunted(node: number): boolean {
    return this.#lives.has(node)
  }

  /** A node has said something; null: nothing of its former life is heard with it. */
  said(node: number, word: Word): Ghost | null {
    const lives = this.#lives.get(node)
    if (lives === undefined) return null
    if (lives.present.push(word) > FIRST_MAX + LAST_MAX) lives.present.splice(FIRST_MAX, 1)
    if (lives.count++ >= WORDS_MAX || lives.former.length === 0 || this.#random.below(SHARE) > 0) return null
    return { ...this.#random.pick(lives.former), afterMicros: this.#random.between(1, AFTER_MICROS) }
  }
}
