/**
 * A member's conversation with the coordinator of its share group: what is to be acknowledged is collected, and goes with the next question, or soon alone.
 */
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type {
  AcquiredRange,
  AcknowledgeType,
  ShareAcknowledgement,
  ShareFetchRequest,
  ShareRangeName,
} from '../../protocol/messages/share.ts'
import type { RefusedAcknowledgement } from './share-api.ts'
import { refusedOf } from './share-api.ts'
import { tellListener } from './listener-call.ts'
import type { Requests } from './requests.ts'

/** What a member says with each question. */
export type ShareMembership = Pick<
  ShareFetchRequest,
  'group' | 'memberId' | 'topics' | 'reset' | 'isolationLevel' | 'lockMillis' | 'deliveryCountLimit'
>

/** What a question asks for. */
export interface ShareWish {
  readonly maxRecords: number
  readonly maxWaitMillis: number
  readonly leaves: boolean
}

/** Acknowledgements that wait for company go after so long. */
const FLUSH_MILLIS = 50

/** See the header. */
export class ShareSession {
  readonly #requests: Requests
  readonly #membership: ShareMembership
  readonly #onRefused: ((refused: readonly RefusedAcknowledgement[]) => void) | undefined
  readonly #onFailed: (error: unknown) => void
  #acknowledgements: ShareAcknowledgement[] = []
  #sessionEpoch = 0
  #timer: NodeJS.Timeout | null = null
  #isStopped = false
  /** Acknowledgements on their way. */
  readonly #underWay: Set<Promise<unknown>> = new Set()

  constructor(
    requests: Requests,
    membership: ShareMembership,
    onRefused: ((refused: readonly RefusedAcknowledgement[]) => void) | undefined,
    onFailed: (error: unknown) => void,
  ) {
    this.#requests = requests
    this.#membership = membership
    this.#onRefused = onRefused
    this.#onFailed = onFailed
  }

  /** Says of a record, or a range of them, what shall become of it. */
  add({ topic, topicId, partition, first, last }: ShareRangeName, type: AcknowledgeType): void {
    const list = this.#acknowledgements
    const before = list[list.length - 1]
    const isNext = before?.topicId === topicId && before.partition === partition && before.type === type && before.last + 1 === first
    if (before !== undefined && isNext) list[list.length - 1] = { ...before, last }
    else list.push({ topic, topicId, partition, first, last, type })
    if (!this.#isStopped) this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MILLIS)
  }

  /** Asks for more, with everything that is to be said. */
  async fetch(wish: ShareWish): Promise<readonly AcquiredRange[]> {
    return (await this.#send(wish)).acquired
  }

  /** Says what is to be said, and waits until that, and what is on its way, is safe. Throws INVALID_RECORD_STATE if some of it came too late. */
  async commit(): Promise<void> {
    const { refused } = await this.#send({ maxRecords: 0, maxWaitMillis: 0, leaves: false })
    await Promise.all(this.#underWay)
    const [first] = refused.flatMap(refusedOf)
    if (first === undefined) return
    const { topic, partition, firstOffset, lastOffset } = first
    throw new KafkaError(
      'INVALID_RECORD_STATE',
      `the records ${firstOffset} to ${lastOffset} of ${topic}-${partition} are this member's no more: they are given again`,
    )
  }

  /** Nothing goes any more. */
  stop(): void {
    this.#isStopped = true
    this.#clearTimer()
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #flush(): void {
    this.#timer = null
    if (this.#acknowledgements.length > 0) this.#send({ maxRecords: 0, maxWaitMillis: 0, leaves: false }).catch(this.#onFailed)
  }

  async #send(wish: ShareWish): Promise<Pick<Answer, 'acquired' | 'refused'>> {
    this.#clearTimer()
    const acknowledgements = this.#acknowledgements
    this.#acknowledgements = []
    const { group, ...about } = this.#membership
    const sessionEpoch = ++this.#sessionEpoch
    const asked = { kind: 'shareFetch', ...about, sessionEpoch, ...wish, acknowledgements } as const
    const answer = this.#requests.askShareGroup(group, asked, 'shareFetchResponse')
    const waiter = answer.catch(() => undefined)
    if (acknowledgements.length > 0) this.#underWay.add(waiter)
    try {
      return this.#take(await answer, acknowledgements)
    } finally {
      this.#underWay.delete(waiter)
    }
  }

  #take({ errorCode, acquired, refused }: Answer, acknowledgements: readonly ShareAcknowledgement[]): Pick<Answer, 'acquired' | 'refused'> {
    const { name, message } = errorOf(errorCode)
    // A later question was there before this one: whether this one ever came, nobody knows.
    const isOvertaken = name === 'INVALID_SHARE_SESSION_EPOCH'
    if (errorCode !== NONE && !isOvertaken) throw new KafkaError(name, message)
    const all = isOvertaken ? acknowledgements : refused
    const told = all.flatMap(refusedOf)
    if (told.length > 0 && this.#onRefused !== undefined) tellListener(this.#onRefused, told)
    return { acquired, refused: all }
  }
}

interface Answer {
  readonly errorCode: number
  readonly acquired: readonly AcquiredRange[]
  readonly refused: readonly ShareAcknowledgement[]
}
