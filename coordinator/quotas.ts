/**
 * Quotas of clients, in Kafka's words (KIP-13, KIP-546): which changes are accepted, and which quotas bind a client. A client is bound by the first that there is of
 *
 *   user and client id > user, any client id > user > any user, client id > any user, any client id > any user > client id > any client id
 *
 * and a consumer of a group by that of its group, too. "Any" is the default entity: each of those that it stands for has the whole rate for itself. Each kind of quota
 * looks for its own. It does NOT count bytes, or time: that is quota-bucket.ts.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { ENTITY_NAME_LENGTH_MAX, ENTITY_TYPES } from '../protocol/messages/quota.ts'
import type {
  AlterClientQuotasRequest,
  ClientQuota,
  ClientQuotaEntity,
  ClientQuotaKey,
  ClientQuotaOp,
  ClientQuotaValues,
  JoinQuota,
} from '../protocol/messages/quota.ts'
import type { Ruling, Verdict } from './administration.ts'
import type { MetadataImage, MetadataRecord } from './metadata.ts'

/** Quotas by the key of their entity. */
export type ClientQuotas = ReadonlyMap<string, ClientQuota>

/** One quota that binds a client: who has the same bucket shares it. */
export interface QuotaShare {
  readonly bucket: string
  /** Of the handling of requests, in microseconds; otherwise of bytes. */
  readonly isTime: boolean
  readonly perSecond: number
}

/** Entities that may have quotas: each node keeps all of them. */
const ENTITIES_MAX = 1000

/** Kafka's name for who has none. */
const ANONYMOUS_USER = 'ANONYMOUS'

const QUOTA_KEYS: readonly ClientQuotaKey[] = ['producerByteRate', 'consumerByteRate', 'requestPercentage']

/** One hundredth of a second in each second of a thread, in microseconds. */
const MICROS_PER_PERCENT = 10_000

/** A hundred microseconds in a second: less could not even be measured. */
const PERCENTAGE_MIN = 0.01

/** A thousand threads. */
const PERCENTAGE_MAX = 100_000

/** Names an entity, whatever the order of its parts. */
export function entityKey({ user, clientId, group }: ClientQuotaEntity): string {
  return JSON.stringify([user, clientId, group].map((name) => (name === undefined ? 0 : name)))
}

/** The quotas after one change. */
export function withQuota(quotas: ClientQuotas, entity: ClientQuotaEntity, key: ClientQuotaKey, value: number | null): ClientQuotas {
  const changed = new Map(quotas)
  const name = entityKey(entity)
  const values: ClientQuotaValues = quotas.get(name)?.quotas ?? {}
  const { [key]: _former, ...others } = values
  const next: ClientQuotaValues = value === null ? others : { ...others, [key]: value }
  if (Object.keys(next).length === 0) changed.delete(name)
  else changed.set(name, { entity, quotas: next })
  return changed
}

/** All quotas, sorted. */
export function sortedQuotas(quotas: ClientQuotas): ClientQuota[] {
  return [...quotas].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, quota]) => quota)
}

/** The records that make these quotas. */
export function quotaRecords(quotas: ClientQuotas): MetadataRecord[] {
  return sortedQuotas(quotas).flatMap(({ entity, quotas: values }) =>
    QUOTA_KEYS.flatMap((key): MetadataRecord[] => {
      const value = values[key]
      return value === undefined ? [] : [{ type: 'clientQuota', entity, key, value }]
    }),
  )
}

/** Judges changes of quotas, entity by entity: one that is refused is as it was, and says nothing of the others. */
export function ruleAlterClientQuotas({ quotas }: MetadataImage, { entries, validateOnly }: AlterClientQuotasRequest): Ruling {
  const seen = new Set<string>()
  const records: MetadataRecord[] = []
  let count = quotas.size
  const verdicts = entries.map(({ entity, ops }): Verdict => {
    const problem =
      entityProblem(entity) ?? (seen.has(entityKey(entity)) ? 'an entity stands twice in the request' : opsProblem(entity, ops))
    if (problem !== null) return refuse('INVALID_REQUEST', problem)
    seen.add(entityKey(entity))
    const isNew = !quotas.has(entityKey(entity)) && ops.some(({ value }) => value !== null)
    if (isNew && count >= ENTITIES_MAX) return refuse('POLICY_VIOLATION', `${ENTITIES_MAX} entities have quotas; there may not be more`)
    if (isNew) count++
    records.push(...changesOf(quotas, entity, ops))
    return { name: '', topicId: -1, error: null, reason: null }
  })
  return { records: validateOnly ? [] : records, verdicts }
}

/** The quotas that bind a client, of its bytes and of its requests: of each one at most of its user and client id, one at most of its group. */
export function sharesOf(quotas: ClientQuotas, { key, ...client }: Omit<JoinQuota, 'kind'>): QuotaShare[] {
  const ofBytes = key === 'requestPercentage' ? [] : sharesOfKey(quotas, key, client)
  return [...ofBytes, ...sharesOfKey(quotas, 'requestPercentage', client)]
}

function sharesOfKey(
  quotas: ClientQuotas,
  key: ClientQuotaKey,
  { user, clientId, group }: Pick<JoinQuota, 'user' | 'clientId' | 'group'>,
): QuotaShare[] {
  const [someone, client] = [user ?? ANONYMOUS_USER, clientId ?? '']
  const both = ['both', someone, client]
  const byUser = ['user', someone]
  const byClient = ['clientId', client]
  const byRank: readonly (readonly [ClientQuotaEntity, readonly string[]])[] = [
    [{ user: someone, clientId: client }, both],
    [{ user: someone, clientId: null }, both],
    [{ user: someone }, byUser],
    [{ user: null, clientId: client }, both],
    [{ user: null, clientId: null }, both],
    [{ user: null }, byUser],
    [{ clientId: client }, byClient],
    [{ clientId: null }, byClient],
  ]
  const shares = [firstShare(quotas, key, byRank)]
  if (group !== null) {
    const byGroup = ['group', group]
    const ofGroup = [
      [{ group }, byGroup],
      [{ group: null }, byGroup],
    ] as const
    shares.push(firstShare(quotas, key, ofGroup))
  }
  return shares.filter((share) => share !== null)
}

function firstShare(
  quotas: ClientQuotas,
  key: ClientQuotaKey,
  byRank: readonly (readonly [ClientQuotaEntity, readonly string[]])[],
): QuotaShare | null {
  for (const [entity, scope] of byRank) {
    const value = quotas.get(entityKey(entity))?.quotas[key]
    if (value === undefined) continue
    const isTime = key === 'requestPercentage'
    return { bucket: JSON.stringify([key, ...scope]), isTime, perSecond: isTime ? value * MICROS_PER_PERCENT : value }
  }
  return null
}

function changesOf(quotas: ClientQuotas, entity: ClientQuotaEntity, ops: readonly ClientQuotaOp[]): MetadataRecord[] {
  const values = quotas.get(entityKey(entity))?.quotas ?? {}
  return ops.flatMap(({ key: name, value }): MetadataRecord[] => {
    const key = QUOTA_KEYS.find((one) => one === name)
    if (key === undefined || (values[key] ?? null) === value) return []
    return [{ type: 'clientQuota', entity, key, value }]
  })
}

function entityProblem(entity: ClientQuotaEntity): string | null {
  const parts = Object.entries(entity).filter(([, name]) => name !== undefined)
  if (parts.length === 0) return 'an entity has a clientId, a user, both, or a group'
  for (const [type, name] of parts) {
    if (!ENTITY_TYPES.some((one) => one === type)) return `an entity has a clientId, a user, both, or a group, not ${JSON.stringify(type)}`
    if (name === null) continue
    if (typeof name !== 'string' || name.length === 0 || name.length > ENTITY_NAME_LENGTH_MAX)
      return `${type} is null (the default), or a name of 1 to ${ENTITY_NAME_LENGTH_MAX} characters`
  }
  if (entity.group !== undefined && parts.length > 1) return 'a group is an entity of its own, without clientId and user'
  return null
}

function opsProblem({ group }: ClientQuotaEntity, ops: readonly ClientQuotaOp[]): string | null {
  const seen = new Set<string>()
  for (const { key, value } of ops) {
    if (!QUOTA_KEYS.some((one) => one === key)) return `${JSON.stringify(key)} is no quota; there are ${QUOTA_KEYS.join(', ')}`
    if (seen.has(key)) return `${key} stands twice in the request`
    seen.add(key)
    if (group !== undefined && key === 'producerByteRate') return 'a group consumes: it has no producerByteRate'
    const problem = value === null ? null : valueProblem(key, value)
    if (problem !== null) return problem
  }
  return ops.length === 0 ? `there is nothing to change; quotas are ${QUOTA_KEYS.join(', ')}` : null
}

function valueProblem(key: string, value: number): string | null {
  if (key === 'requestPercentage')
    return value >= PERCENTAGE_MIN && value <= PERCENTAGE_MAX
      ? null
      : `${key} is null, or a percentage of one thread's time from ${PERCENTAGE_MIN} to ${PERCENTAGE_MAX}, not ${value}`
  return Number.isSafeInteger(value) && value > 0 ? null : `${key} is null, or a whole number of bytes per second from 1 on, not ${value}`
}

function refuse(error: ErrorName, reason: string): Verdict {
  return { name: '', topicId: -1, error, reason }
}
