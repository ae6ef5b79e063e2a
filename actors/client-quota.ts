/**
 * How a producer or a consumer keeps to its quotas: it says who it is when it starts, and hears from the keeper (quotas.ts) whether it is limited. Who is not does nothing
 * more. Who is says after each piece how large it was, and sends or reads nothing before it is answered, and for as long as the answer says. Who is limited in the time
 * of its requests asks for each of them to be timed, whatever it asks, hears what it took from the host that it went to, and says that, too. Only what sends or reads
 * waits for that, and is held back: a member whose heartbeats had to wait would be none any more, and what it has read would be given to others.
 */
import type { Address } from '../protocol/address.ts'
import { isRequest } from '../protocol/messages/message.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { JoinQuota, RequestTimed } from '../protocol/messages/quota.ts'
import type { Outbox } from './actor.ts'
import type { Effect } from './effect.ts'

/** Who a client is, and who keeps its quotas. */
export interface QuotaIdentity {
  readonly keeper: Address
  readonly user: string | null
  readonly clientId: string | null
}

/** How a client stands with its quotas. */
export interface ClientQuotaState {
  readonly keeper: Address
  /** It has heard from the keeper: until then it may be limited. */
  isKnown: boolean
  isLimited: boolean
  isTimed: boolean
  /** The request that sends, or reads, whose time is not known yet; -1: there is none. */
  timedId: number
  /** Nothing goes before that is known, or this uptime: then nobody will say. */
  timedUntil: number
  /** Pieces that it has said, and those that are counted in. */
  charges: number
  answered: number
  mutedUntil: number
  burstBytes: number
  /** Of a consumer: the fetch that is to be answered at once; -1: there is none. */
  askedId: number
  /** Nothing more is asked for before it is answered, or this uptime: then its leader is not there. */
  askedUntil: number
}

/** A host that lives says sooner how long a request took. */
const TIMED_MILLIS_MAX = 1000

/** Null where nobody counts. */
export function newClientQuota(identity: QuotaIdentity | undefined): ClientQuotaState | null {
  if (identity === undefined) return null
  const { keeper } = identity
  return {
    keeper,
    isKnown: false,
    isLimited: false,
    isTimed: false,
    timedId: -1,
    timedUntil: 0,
    charges: 0,
    answered: 0,
    mutedUntil: 0,
    burstBytes: 0,
    askedId: -1,
    askedUntil: 0,
  }
}

/** Says who it is. */
export function joinQuota(identity: QuotaIdentity | undefined, key: JoinQuota['key'], group: string | null, outbox: Outbox): void {
  if (identity === undefined) return
  const { keeper, user, clientId } = identity
  outbox.push({ kind: 'send', to: keeper, message: { kind: 'joinQuota', key, user, clientId, group } })
}

/** Whether nothing may be sent, or read, now. */
export function isMuted(quota: ClientQuotaState | null, uptime: number): boolean {
  if (quota === null || (quota.isKnown && !quota.isLimited)) return false
  return !quota.isKnown || quota.answered < quota.charges || uptime < Math.max(quota.mutedUntil, quota.timedUntil)
}

/** When a client may go on that waits at its quota, as an uptime: one that is over, now; Infinity, when its keeper says more. */
export function gateDue(quota: ClientQuotaState | null, uptime: number): number {
  if (quota === null || !isMuted(quota, uptime)) return uptime
  const until = Math.max(quota.mutedUntil, quota.timedUntil)
  return quota.isKnown && until > uptime ? until : Infinity
}

/** Says what was sent, or read; true if that has to be counted before there is more. */
export function chargeQuota(quota: ClientQuotaState | null, sizeBytes: number, outbox: Outbox): boolean {
  return charge(quota, sizeBytes, 0, outbox)
}

/** Where the requests of a client go that is at `message`: those of one whose time is limited want to be timed. */
export function timedOutbox(quota: ClientQuotaState | null, message: Message, outbox: Outbox): Outbox {
  if (quota === null || !(quota.isTimed || message.kind === 'throttled')) return outbox
  return { push: (effect) => outbox.push(quota.isTimed ? timed(effect) : effect) }
}

/** A request that sends, or reads, goes now: where its time is limited, the next one waits until it is known. */
export function awaitTiming(quota: ClientQuotaState | null, correlationId: number, uptime: number): void {
  if (quota === null || !quota.isTimed) return
  quota.timedId = correlationId
  quota.timedUntil = uptime + TIMED_MILLIS_MAX
}

/** A host says what a request has taken: that is paid for, however late it comes. */
export function onRequestTimed(quota: ClientQuotaState | null, { correlationId, micros }: RequestTimed, outbox: Outbox): void {
  forgetTiming(quota, correlationId)
  charge(quota, 0, micros, outbox)
}

/** A fetch is answered, or nobody was there to answer it; true if others have waited for that. */
export function forgetQuestion(quota: ClientQuotaState | null, correlationId: number): boolean {
  if (quota === null || quota.askedId !== correlationId) return false
  quota.askedId = -1
  quota.askedUntil = 0
  return true
}

/** Nobody was there whom the request could have taken time. */
export function forgetTiming(quota: ClientQuotaState | null, correlationId: number): void {
  if (quota === null || quota.timedId !== correlationId) return
  quota.timedId = -1
  quota.timedUntil = 0
}

function timed(effect: Effect): Effect {
  if (effect.kind !== 'send' || !isRequest(effect.message)) return effect
  return { ...effect, message: { ...effect.message, isTimed: true } }
}

function charge(quota: ClientQuotaState | null, sizeBytes: number, micros: number, outbox: Outbox): boolean {
  if (quota === null || !quota.isLimited) return false
  quota.charges++
  outbox.push({ kind: 'send', to: quota.keeper, message: { kind: 'chargeQuota', sizeBytes, micros } })
  return true
}

/** The keeper says how it stands; true if it was not limited before, and is now. */
export function onThrottled(quota: ClientQuotaState | null, message: MessageOf<'throttled'>, uptime: number): boolean {
  if (quota === null) return false
  const wasLimited = quota.isLimited
  quota.isKnown = true
  quota.isLimited = message.isLimited
  quota.isTimed = message.isTimed
  quota.answered = message.charges
  quota.mutedUntil = uptime + message.millis
  quota.burstBytes = message.burstBytes
  return quota.isLimited && !wasLimited
}
