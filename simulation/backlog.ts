/**
 * An application that is behind: what it says to the actors of its client waits in line, for as long as it takes to make the parts of a batch, or to do something else entirely. The order stays.
 */
import type { Message } from '../protocol/messages/message.ts'
import type { Plan } from './plan.ts'
import { Random } from './random.ts'

/** So much of the time that a batch has may be over before the parts of it are there. */
const PARTS_OF_TIMEOUT = 1.3

/** Half of the time it is not behind. */
const SHARE = 2

/** The line of one application; it is short again when the run heals. */
export class Backlog {
  readonly #random: Random
  readonly #timeoutMicros: number
  readonly #endMicros: number
  #clearAt = 0

  constructor(purpose: string, { seed, seconds, deliveryTimeoutMillis }: Pick<Plan, 'seed' | 'seconds' | 'deliveryTimeoutMillis'>) {
    this.#random = new Random(seed, `hardships/backlog/${purpose}`)
    this.#timeoutMicros = deliveryTimeoutMillis * 1000
    this.#endMicros = seconds * 1_000_000
  }

  /** How long what it says now waits, in microseconds. */
  wait({ kind }: Message, nowMicros: number): number {
    if (kind === 'splitBatch' && this.#random.below(SHARE) === 0) {
      const clearAt = nowMicros + this.#random.below(Math.floor(this.#timeoutMicros * PARTS_OF_TIMEOUT))
      this.#clearAt = Math.max(this.#clearAt, Math.min(clearAt, this.#endMicros))
    }
    if (this.#clearAt <= nowMicros) return 0
    return ++this.#clearAt - nowMicros
  }
}
