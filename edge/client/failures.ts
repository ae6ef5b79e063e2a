/**
 * What has gone wrong for a consumer as a whole: the next question for records throws it. What keeps one partition from going on is with that partition
 * (consumed-partition.ts).
 */
import { KafkaError } from '../../protocol/errors.ts'

/** See the header. */
export class Failures {
  /** Thrown once; whether a listener has thrown it. */
  #failure: KafkaError | null = null
  #isOfListener = false
  /** Another consumer has its place in the group: every question throws that. */
  fenced: KafkaError | null = null

  /** The first of several is thrown. */
  add(error: unknown, isOfListener: boolean): void {
    if (this.#failure === null) this.#isOfListener = isOfListener
    this.#failure ??= error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', String(error), { cause: error })
  }

  /** Something is to be thrown. */
  get areAny(): boolean {
    return this.#failure !== null || this.fenced !== null
  }

  /** Throws what has gone wrong since the last call. */
  throwNext(): void {
    const failure = this.#failure ?? this.fenced
    this.#failure = null
    if (failure !== null) throw failure
  }

  /** What a listener has thrown, and no question has. */
  get ofListener(): KafkaError | null {
    return this.#isOfListener ? this.#failure : null
  }

  /** It is to have a place in its group again: what was wrong with the one before is over. */
  forget(): void {
    this.fenced = null
    if (!this.#isOfListener) this.#failure = null
  }
}
