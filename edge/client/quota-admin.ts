/**
 * Administration of the quotas of clients. What is no entity, and what is no quota, is the coordinator's to say; here only what no message could carry.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { ENTITY_TYPES } from '../../protocol/messages/quota.ts'
import type { ClientQuota, ClientQuotaEntity } from '../../protocol/messages/quota.ts'
import type { ClientQuotaChange } from './admin-api.ts'
import { describe } from './options.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** Changes the quotas of one entity. */
export async function alterClientQuotas(requests: Requests, entity: ClientQuotaEntity, quotas: ClientQuotaChange): Promise<void> {
  const ops = definedEntries('quotas', quotas).map(([key, value]) => {
    if (value === null || typeof value === 'number') return { key, value }
    throw new KafkaError('INVALID_REQUEST', `${key} is null or a number, not ${describe(value)}`)
  })
  const entries = [{ entity: plainEntity('an entity', entity), ops }]
  const { results } = await requests.askCoordinator({ kind: 'alterClientQuotas', entries, validateOnly: false }, 'adminResponse')
  for (const { errorCode, errorMessage } of results) throwIfError(errorCode, errorMessage)
}

/** The quotas of all entities that have all parts of the filter. */
export async function describeClientQuotas(requests: Requests, filter: ClientQuotaEntity): Promise<ClientQuota[]> {
  const wanted = Object.entries(plainEntity('a filter', filter))
  for (const [type] of wanted)
    if (!ENTITY_TYPES.some((one) => one === type))
      throw new KafkaError('INVALID_REQUEST', `a filter has a clientId, a user, both, or a group, not ${JSON.stringify(type)}`)
  const { entries } = await requests.askCoordinator({ kind: 'describeClientQuotas', version: -1 }, 'clientQuotasDescribed')
  return (entries ?? []).filter(({ entity }) => {
    const parts = new Map<string, unknown>(Object.entries(entity))
    return wanted.every(([type, name]) => parts.has(type) && parts.get(type) === name)
  })
}

function plainEntity(what: string, entity: unknown): ClientQuotaEntity {
  const parts = definedEntries(what, entity)
  for (const [type, name] of parts) {
    if (name === null || typeof name === 'string') continue
    throw new KafkaError('INVALID_REQUEST', `${type} of ${what} is null (the default) or a name, not ${describe(name)}`)
  }
  return Object.fromEntries(parts)
}

function definedEntries(what: string, value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new KafkaError('INVALID_REQUEST', `${what} must be an object, not ${describe(value)}`)
  return Object.entries(value).filter(([, one]) => one !== undefined)
}
