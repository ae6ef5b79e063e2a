/**
 * One partition as a reader of committed records has it: what has arrived, checked, without markers and what is aborted; and how far it is.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Chunk, PositionReset } from '../../protocol/messages/client.ts'
import { nextSession } from '../../protocol/session.ts'
import { readCommitted } from '../checkers/committed-reads.ts'
import type { Cluster } from '../cluster.ts'
import type { PlacedRecord } from '../transactions-truth.ts'

/** Where it begins, and in which topic. */
export interface Beginning {
  readonly session: number
  /** -1 until it is known. */
  readonly topicId: number
  readonly position: number
}

/** Nothing more is asked for while so many records wait. */
const WAITING_MAX = 50

/** A partition that a reader has. */
export class CommittedPartition {
  readonly topic: string
  readonly partition: number
  readonly #cluster: Cluster
  readonly #who: string
  session: number
  topicId: number
  /** Everything from there on was read. */
  floor: number
  /** The next record to be given. */
  expected: number
  /** The actor waits to be asked for more. */
  #isFull = false
  #waiting: PlacedRecord[] = []

  constructor(cluster: Cluster, who: string, { topic, partition }: TopicPartition, { session, topicId, position }: Beginning) {
    this.#cluster = cluster
    this.#who = who
    this.topic = topic
    this.partition = partition
    this.session = session
    this.topicId = topicId
    this.floor = position
    this.expected = position
  }

  /** Records wait. */
  get hasRecords(): boolean {
    return this.#waiting.length > 0
  }

  /** Takes what was fetched; false if it is of a former session. */
  take(chunk: Chunk): boolean {
    if (chunk.session !== this.session) return false
    const { world } = this.#cluster
    const name = topicPartitionName(chunk.topic, chunk.partition)
    const topicId = this.#cluster.clientWatcher.topicIdOf(chunk)
    if (this.topicId >= 0 && this.topicId !== topicId)
      world.fail('CHG', `${this.#who} reads ${name} of topic ${this.topicId} and is given topic ${topicId}`)
    this.topicId = topicId
    if (chunk.fetchOffset !== this.expected)
      world.fail('SKIP', `${this.#who} wants ${name} from ${this.expected} and is given ${chunk.fetchOffset}`)
    const read = readCommitted(this.#cluster.truth, { name, topicId, who: this.#who }, chunk)
    this.#waiting.push(...read.records.filter(({ offset }) => offset >= this.expected))
    this.expected = Math.max(this.expected, read.end)
    this.#isFull = true
    return true
  }

  /** Whether the actor is to be asked for more, now; it is asked once. */
  wantsMore(): boolean {
    const wants = this.#isFull && this.#waiting.length < WAITING_MAX
    if (wants) this.#isFull = false
    return wants
  }

  /** The next records, at most so many. */
  hand(max: number): PlacedRecord[] {
    return this.#waiting.splice(0, max)
  }

  /** Goes back to where it was. */
  seek(offset: number): void {
    this.session = nextSession(this.session, 'seek')
    this.#begin(offset)
  }

  /** The position means nothing any more. */
  reset({ session, position }: PositionReset, topicId: number): void {
    this.session = session
    this.topicId = topicId
    this.floor = position
    this.#begin(position)
  }

  #begin(offset: number): void {
    this.expected = offset
    this.#isFull = false
    this.#waiting = []
  }
}
