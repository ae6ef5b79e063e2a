/**
 * The options of a consumer: what each allows, its default, and the actor's configuration that follows from them.
 */
import type { QuotaIdentity } from '../../actors/client-quota.ts'
import type { ConsumerConfig } from '../../actors/consumer-state.ts'
import { KafkaError } from '../../protocol/errors.ts'
import { CLASSIC_ASSIGNORS, isClassicAssignor } from '../../protocol/messages/classic-group.ts'
import type { ClassicAssignorName } from '../../protocol/messages/classic-group.ts'
import type { FetchMode } from '../../protocol/messages/fetch.ts'
import type { ConsumerOptions } from './api.ts'
import { checkQuotaName } from './arguments.ts'
import { checkOptions, describe, integerOption } from './options.ts'
import type { OptionRule } from './options.ts'

const MILLIS_MAX = 2_147_483_647

/** What each option allows. */
export const CONSUMER_RULES: Readonly<Record<keyof ConsumerOptions<unknown, unknown>, OptionRule>> = {
  key: { kind: 'serde', needs: 'deserialize' },
  value: { kind: 'serde', needs: 'deserialize' },
  group: { kind: 'string' },
  groupInstanceId: { kind: 'string' },
  topics: { kind: 'object' },
  clientId: { kind: 'string' },
  assignor: { kind: 'choice', values: ['uniform', 'range', 'round-robin'], default: 'uniform' },
  groupProtocol: { kind: 'choice', values: ['consumer', 'classic'], default: 'consumer' },
  partitionAssignors: { kind: 'any' },
  autoOffsetReset: { kind: 'choice', values: ['earliest', 'latest', 'none'], default: 'earliest' },
  isolationLevel: { kind: 'choice', values: ['read_uncommitted', 'read_committed'], default: 'read_uncommitted' },
  autoCommit: { kind: 'boolean', default: true },
  autoCommitIntervalMillis: { kind: 'integer', min: 1, max: MILLIS_MAX, default: 1000 },
  sessionTimeoutMillis: { kind: 'integer', min: 100, max: 1_800_000, default: 45_000 },
  rebalanceTimeoutMillis: { kind: 'integer', min: 1, max: MILLIS_MAX, default: 60_000 },
  heartbeatIntervalMillis: { kind: 'integer', min: 10, max: 600_000, default: 1000 },
  fetchMinBytes: { kind: 'integer', min: 1, max: 1_073_741_824, default: 1 },
  fetchMaxBytes: { kind: 'integer', min: 1024, max: 16_777_216, default: 1_048_576 },
  bufferMemoryBytes: { kind: 'integer', min: 65_536, max: 1_073_741_824, default: 67_108_864 },
  fetchMaxWaitMillis: { kind: 'integer', min: 0, max: 300_000, default: 500 },
  maxPollIntervalMillis: { kind: 'integer', min: 1, max: MILLIS_MAX, default: 300_000 },
  maxPollRecords: { kind: 'integer', min: 1, max: 1_000_000, default: 500 },
  onAssigned: { kind: 'function' },
  onRevoked: { kind: 'function' },
  onLost: { kind: 'function' },
}

/** How long `poll` waits by default. */
export const POLL_MILLIS_DEFAULT = 1000

/** As in Kafka (partition.assignment.strategy). */
const ASSIGNORS_DEFAULT: readonly ClassicAssignorName[] = ['range', 'cooperative-sticky']

const REQUEST_TIMEOUT_MILLIS = 10_000
const RETRY_BACKOFF_MILLIS = 10

const POLL_RULES: Readonly<Record<string, OptionRule>> = { signal: { kind: 'signal' }, timeoutMillis: { kind: 'any' } }

/** Throws INVALID_OPTION for what `poll` does not take. */
export function checkPoll(options: { readonly timeoutMillis?: number }): void {
  checkOptions('poll', options, POLL_RULES)
  const { timeoutMillis = 0 } = options
  if (typeof timeoutMillis === 'number' && timeoutMillis >= 0) return
  throw new KafkaError('INVALID_OPTION', `poll option timeoutMillis must be a number from 0 on, not ${describe(timeoutMillis)}`)
}

/** The actor's configuration, but for its client's address. Throws INVALID_OPTION. */
export function consumerConfig<K, V>(
  options: ConsumerOptions<K, V>,
  memberId: string,
  fetchMode: FetchMode,
  quotas: Omit<QuotaIdentity, 'clientId'>,
): Omit<ConsumerConfig, 'client' | 'coordinatorNodes'> {
  checkQuotaName('consumer', 'clientId', options.clientId)
  const number = (name: keyof ConsumerOptions<K, V>): number => integerOption(options[name] as number | undefined, CONSUMER_RULES[name])
  const sessionTimeoutMillis = number('sessionTimeoutMillis')
  const heartbeatIntervalMillis = Math.min(number('heartbeatIntervalMillis'), Math.floor(sessionTimeoutMillis / 3))
  if (options.heartbeatIntervalMillis !== undefined && options.heartbeatIntervalMillis >= sessionTimeoutMillis) {
    throw new KafkaError(
      'INVALID_OPTION',
      `consumer option heartbeatIntervalMillis must be less than sessionTimeoutMillis (${sessionTimeoutMillis}), not ${options.heartbeatIntervalMillis}`,
    )
  }
  return {
    quota: { ...quotas, clientId: options.clientId ?? null },
    group: options.group ?? null,
    memberId,
    instanceId: options.groupInstanceId ?? null,
    assignor: options.assignor ?? null,
    ...classicOptions(options),
    autoOffsetReset: options.autoOffsetReset ?? 'earliest',
    autoCommit: (options.autoCommit ?? true) && options.group !== undefined,
    autoCommitIntervalMillis: number('autoCommitIntervalMillis'),
    sessionTimeoutMillis,
    rebalanceTimeoutMillis: number('rebalanceTimeoutMillis'),
    heartbeatIntervalMillis,
    fetchMinBytes: number('fetchMinBytes'),
    fetchMaxBytes: number('fetchMaxBytes'),
    bufferMemoryBytes: number('bufferMemoryBytes'),
    fetchMaxWaitMillis: number('fetchMaxWaitMillis'),
    fetchMode,
    isolationLevel: options.isolationLevel ?? 'read_uncommitted',
    requestTimeoutMillis: REQUEST_TIMEOUT_MILLIS,
    retryBackoffMillis: RETRY_BACKOFF_MILLIS,
  }
}

/** Throws INVALID_OPTION for what the protocol does not know. */
function classicOptions<K, V>({
  groupProtocol,
  partitionAssignors,
  assignor,
}: ConsumerOptions<K, V>): Pick<ConsumerConfig, 'partitionAssignors'> {
  if (groupProtocol !== 'classic') {
    if (partitionAssignors === undefined) return {}
    throw new KafkaError('INVALID_OPTION', "consumer option partitionAssignors needs groupProtocol 'classic'; without it, use assignor")
  }
  if (assignor !== undefined)
    throw new KafkaError('INVALID_OPTION', "consumer option assignor is not for groupProtocol 'classic': use partitionAssignors")
  const names: readonly unknown[] | null = partitionAssignors === undefined ? ASSIGNORS_DEFAULT : listOf(partitionAssignors)
  const known = names?.filter((name): name is ClassicAssignorName => typeof name === 'string' && isClassicAssignor(name)) ?? []
  if (names !== null && names.length > 0 && known.length === names.length && new Set(known).size === known.length)
    return { partitionAssignors: known }
  const allowed = CLASSIC_ASSIGNORS.map((name) => `'${name}'`).join(', ')
  throw new KafkaError(
    'INVALID_OPTION',
    `consumer option partitionAssignors must be a list of ${allowed}, not ${describe(partitionAssignors)}`,
  )
}

function listOf(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null
}
