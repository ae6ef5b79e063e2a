/**
 * A member's conversation with the coordinator of its share group: what is to be acknowledged is collected, and goes with the next question, or soon alone.
 */
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type {
  AcquiredRange,
  AcknowledgeType,
  ShareAcknowledgement,
  ShareFetchRequest,
  ShareFetchResponse,
  ShareRangeName,
} from '../../protocol/messages/share.ts'
import { doubt, newShareTrust, trustAnswer, trustIn } from '../../actors/share-trust.ts'
import type { AskedShare, ShareHold, ShareTrust } from '../../actors/share-trust.ts'
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

/** Nothing but what is to be said. */
const NOTHING: ShareWish = { maxRecords: 0, maxWaitMillis: 0, leaves: false }
const LEAVE: ShareWish = { ...NOTHING, leaves: true }

/** What a question has brought, and under what. */
export interface ShareFetched {
  readonly acquired: readonly AcquiredRange[]
  readonly hold: ShareHold
}

/** What has become of acknowledgements that were sent. */
interface Failed {
  /** Of the question with which they went. */
  readonly sessionEpoch: number
  readonly error: Error
}

/** Where nothing is held. */
const NO_HOLD: ShareHold = { reign: 0, lockUntil: 0 }

/** Acknowledgements that wait for company go after so long. */
const FLUSH_MILLIS = 50

/** Where an answer takes so long that it makes sure of nothing any more, for the log of the group is slow, it has to do for what is handed over in this time. */
const LATE_ANSWER_MILLIS = 50

/** See the header. */
export class ShareSession {
  readonly #requests: Requests
  readonly #membership: ShareMembership
  readonly #onRefused: ((refused: readonly RefusedAcknowledgement[]) => void) | undefined
  readonly #onFailed: (error: unknown) => void
  #acknowledgements: ShareAcknowledgement[] = []
  #sessionEpoch = 0
  readonly #trust: ShareTrust = newShareTrust()
  /** Until then a late answer has to do. */
  #lateUntil = 0
  /** Nodes that had died when it was last looked. */
  #deathCount: number
  #timer: NodeJS.Timeout | null = null
  #isStopped = false
  /** Questions without an answer. */
  readonly #asking: Set<Promise<unknown>> = new Set()
  /** What the application has said, on its way: what they come to, null if they are safe. */
  readonly #underWay: Set<Promise<Error | null>> = new Set()
  /** The latest of those that have failed, or were refused, and of which no commit has told yet. */
  #failed: Failed | null = null

  constructor(
    requests: Requests,
    membership: ShareMembership,
    onRefused: ((refused: readonly RefusedAcknowledgement[]) => void) | undefined,
    onFailed: (error: unknown) => void,
  ) {
    this.#requests = requests
    this.#deathCount = requests.deathCount
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
  async fetch(wish: ShareWish): Promise<ShareFetched> {
    return this.#send(wish)
  }

  /** Leaves the group; once more if a question that was asked before has made it a member again meanwhile, of another coordinator. */
  async leave(): Promise<void> {
    await this.#send(LEAVE)
    while (this.#asking.size > 0) {
      await Promise.allSettled(this.#asking)
      await this.#send(LEAVE)
    }
  }

  /** Asks whether what it has is still its own. */
  async ask(): Promise<void> {
    await this.#send(NOTHING)
  }

  /** Whether what it has under this may be handed to the application now (actors/share-trust.ts). */
  trustIn(hold: ShareHold): ReturnType<typeof trustIn> {
    this.#noteDeaths()
    const now = performance.now()
    const trust = trustIn(this.#trust, hold, now)
    return trust === 'unsure' && now < this.#lateUntil ? 'sure' : trust
  }

  #noteDeaths(): void {
    const { deathCount } = this.#requests
    if (deathCount === this.#deathCount) return
    doubt(this.#trust)
    this.#lateUntil = 0
    this.#deathCount = deathCount
  }

  /**
   * Says what is to be said, and waits until that, and what is on its way, is safe. Throws INVALID_RECORD_STATE if some of it came too late, or of what went since the last
   * commit; and why it is not known what became of it.
   */
  async commit(): Promise<void> {
    const before = this.#failed
    const sent = this.#send(NOTHING)
    const sessionEpoch = this.#sessionEpoch
    const outcomes = await Promise.all([...this.#underWay, outcomeOf(sent)])
    if (this.#failed !== null && this.#failed.sessionEpoch <= sessionEpoch) this.#failed = null
    const error = before?.error ?? outcomes.find((outcome) => outcome !== null)
    if (error !== undefined) throw error
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
    if (this.#acknowledgements.length > 0) this.#send(NOTHING).catch(this.#onFailed)
  }

  async #send(wish: ShareWish): Promise<Answer> {
    this.#clearTimer()
    const acknowledgements = this.#acknowledgements
    this.#acknowledgements = []
    const { group, ...about } = this.#membership
    const sessionEpoch = ++this.#sessionEpoch
    const asked = { kind: 'shareFetch', ...about, sessionEpoch, ...wish, acknowledgements } as const
    let askedAt = performance.now()
    const onAttempt = (): void => void (askedAt = performance.now())
    const answer = this.#requests
      .askShareGroup(group, asked, 'shareFetchResponse', undefined, onAttempt)
      .then((found) => this.#take(found, asked, askedAt))
    this.#asking.add(answer)
    const forget = (): void => void this.#asking.delete(answer)
    answer.then(forget, forget)
    if (acknowledgements.some(({ type }) => type !== 'return')) this.#watch(answer, sessionEpoch)
    return answer
  }

  /** Keeps what becomes of acknowledgements for the next commit. */
  #watch(answer: Promise<Pick<Answer, 'refused'>>, sessionEpoch: number): void {
    const outcome = outcomeOf(answer).then((error) => {
      this.#underWay.delete(outcome)
      if (error !== null && sessionEpoch > (this.#failed?.sessionEpoch ?? 0)) this.#failed = { sessionEpoch, error }
      return error
    })
    this.#underWay.add(outcome)
  }

  #take(found: ShareFetchResponse, request: AskedShare['request'], askedAt: number): Answer {
    const { errorCode, acquired, refused } = found
    const { name, message } = errorOf(errorCode)
    // A later question was there before this one, or the farewell: whether this one ever came, nobody knows.
    const isOvertaken = name === 'INVALID_SHARE_SESSION_EPOCH' || name === 'SHARE_SESSION_NOT_FOUND'
    if (errorCode !== NONE && !isOvertaken) throw new KafkaError(name, message)
    this.#noteDeaths()
    const hold = isOvertaken ? NO_HOLD : trustAnswer(this.#trust, { request, askedAt }, found)
    if (!isOvertaken && found.reign === this.#trust.reign && performance.now() >= this.#trust.until)
      this.#lateUntil = performance.now() + LATE_ANSWER_MILLIS
    const all = isOvertaken ? request.acknowledgements : refused
    const told = all.flatMap(refusedOf)
    if (told.length > 0 && this.#onRefused !== undefined) tellListener(this.#onRefused, told)
    return { acquired, refused: all, hold }
  }
}

interface Answer extends ShareFetched {
  readonly refused: readonly ShareAcknowledgement[]
}

/** What has failed, or was refused first; null for nothing. */
async function outcomeOf(answer: Promise<Pick<Answer, 'refused'>>): Promise<Error | null> {
  try {
    const [first] = (await answer).refused.flatMap(refusedOf)
    return first === undefined ? null : refusalError(first)
  } catch (error) {
    return error instanceof Error ? error : new KafkaError('UNKNOWN_SERVER_ERROR', String(error))
  }
}

function refusalError({ topic, partition, firstOffset, lastOffset }: RefusedAcknowledgement): KafkaError {
  return new KafkaError(
    'INVALID_RECORD_STATE',
    `the records ${firstOffset} to ${lastOffset} of ${topic}-${partition} are this member's no more: they are given again`,
  )
}
