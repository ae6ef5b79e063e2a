/**
 * Quotas of clients: how they are set and read (KIP-546, Kafka API keys 48 and 49), and how clients and the keeper of their quotas speak. Producers and consumers
 * live on the keeper's host, so that the latter conversation never crosses a thread, and nothing of it gets lost.
 *
 *   client: joinQuota ─► throttled … chargeQuota ─► throttled … leaveQuota
 *
 * Where the time of requests is limited (KIP-124), a client asks whomever it asks to have the handling of its requests timed, and says what that took:
 *
 *   client ── any request (isTimed) ─► actor of a node          that node's host ── requestTimed ─► client ── chargeQuota ─► keeper
 */

/** Whose quota it is: a client id, a user, both, or a group. Null stands for all that have no quota of their own (Kafka's default entity). */
export interface ClientQuotaEntity {
  readonly user?: string | null
  readonly clientId?: string | null
  readonly group?: string | null
}

/** What an entity is made of. */
export const ENTITY_TYPES = ['user', 'clientId', 'group'] as const

/** Characters of a client id, a user or a group in an entity. */
export const ENTITY_NAME_LENGTH_MAX = 255

/**
 * What is limited, to and from the cluster as a whole: bytes per second, or the time that the nodes' threads spend on requests, in per cent of one thread's whole time
 * (KIP-124).
 */
export type ClientQuotaKey = 'producerByteRate' | 'consumerByteRate' | 'requestPercentage'

/** The quotas of one entity. */
export interface ClientQuotaValues {
  readonly producerByteRate?: number
  readonly consumerByteRate?: number
  readonly requestPercentage?: number
}

/** An entity, and its quotas. */
export interface ClientQuota {
  readonly entity: ClientQuotaEntity
  readonly quotas: ClientQuotaValues
}

/** One change: a new value, or (null) none any more. */
export interface ClientQuotaOp {
  readonly key: string
  readonly value: number | null
}

/** Changes quotas: of each entity all that is asked, or nothing. `validateOnly` judges and changes nothing. */
export interface AlterClientQuotasRequest {
  readonly kind: 'alterClientQuotas'
  readonly correlationId: number
  readonly entries: readonly { readonly entity: ClientQuotaEntity; readonly ops: readonly ClientQuotaOp[] }[]
  readonly validateOnly: boolean
}

/** Asks for all quotas: at once (-1), or when they are not those of that version any more, or after a while. */
export interface DescribeClientQuotasRequest {
  readonly kind: 'describeClientQuotas'
  readonly correlationId: number
  readonly version: number
}

/** `entries` are sorted; null: they are still those of the version that was asked with. */
export interface ClientQuotasDescribed {
  readonly kind: 'clientQuotasDescribed'
  readonly correlationId: number
  readonly version: number
  readonly entries: readonly ClientQuota[] | null
}

/** A client begins, and will say what it sends, or reads. Answered by `throttled` as soon as quotas are known. */
export interface JoinQuota {
  readonly kind: 'joinQuota'
  /** What counts its bytes, or only its requests if it has none to count. Those count in any case. */
  readonly key: ClientQuotaKey
  readonly user: string | null
  readonly clientId: string | null
  readonly group: string | null
}

/** The client is no more. */
export interface LeaveQuota {
  readonly kind: 'leaveQuota'
}

/** A client that is limited has sent, or read, so much; or one of its requests has taken so much time of a thread. */
export interface ChargeQuota {
  readonly kind: 'chargeQuota'
  readonly sizeBytes: number
  readonly micros: number
}

/** What any request may say: its sender wants to hear how long the thread was busy that it was sent to (`requestTimed`). */
export interface TimedOnRequest {
  readonly isTimed?: true
}

/** The host of whoever was asked, to a client that wants to hear it: how long its thread was busy with the request, in microseconds. */
export interface RequestTimed {
  readonly kind: 'requestTimed'
  readonly correlationId: number
  readonly micros: number
}

/** How a client stands: said after each charge, and whenever its quotas change. Who is not limited need not say anything. */
export interface Throttled {
  readonly kind: 'throttled'
  readonly isLimited: boolean
  /** It has its requests timed. */
  readonly isTimed: boolean
  /** How many of its charges are counted in. */
  readonly charges: number
  /** It sends, or reads, nothing more for so long. */
  readonly millis: number
  /** What it may send, or read, at once: more only makes it wait longer. */
  readonly burstBytes: number
}

/** Consumer to application: it is limited from now on. What lies beyond the chunks that it has is asked for again, so that it is counted. */
export interface DropRanges {
  readonly kind: 'dropRanges'
}
