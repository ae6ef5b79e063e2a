/**
 * The options of a producer: what each allows, and the actor's configuration that follows from them.
 */
import type { QuotaIdentity } from '../../actors/client-quota.ts'
import type { ProducerConfig } from '../../actors/producer-state.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { TRANSACTION_TIMEOUT_MILLIS_MAX, TRANSACTIONAL_ID_LENGTH_MAX } from '../../protocol/messages/transaction.ts'
import type { ProducerOptions, SendOptions } from './api.ts'
import { checkQuotaName } from './arguments.ts'
import { checkOptions, describe, describeText, integerOption } from './options.ts'
import type { OptionRule } from './options.ts'

/** What a producer promises unless it is told otherwise. */
export const ACKS_DEFAULT: Acks = 'quorum'

/** What each option allows. */
export const PRODUCER_RULES: Readonly<Record<keyof ProducerOptions<unknown, unknown>, OptionRule>> = {
  key: { kind: 'serde', needs: 'serialize' },
  value: { kind: 'serde', needs: 'serialize' },
  acks: { kind: 'acks', default: ACKS_DEFAULT },
  lingerMillis: { kind: 'integer', min: 0, max: 60_000, default: 0 },
  batchSizeBytes: { kind: 'integer', min: 512, max: 1_048_576, default: 65_536 },
  bufferMemoryBytes: { kind: 'integer', min: 65_536, max: 1_073_741_824, default: 8_388_608 },
  compression: { kind: 'choice', values: ['none', 'gzip', 'snappy', 'lz4', 'zstd'], default: 'none' },
  deliveryTimeoutMillis: { kind: 'integer', min: 1, max: 2_147_483_647, default: 120_000 },
  requestTimeoutMillis: { kind: 'integer', min: 1, max: 2_147_483_647, default: 30_000 },
  partitioner: { kind: 'function' },
  enableIdempotence: { kind: 'boolean', default: true },
  transactionalId: { kind: 'string' },
  transactionTimeoutMillis: { kind: 'integer', min: 1, max: 2_147_483_647, default: 60_000 },
  clientId: { kind: 'string' },
}

const SEND_RULES: Readonly<Record<keyof SendOptions, OptionRule>> = { acks: { kind: 'acks', default: ACKS_DEFAULT } }

const RETRY_BACKOFF_MILLIS = 20

/** What one call of `send` or `write` asks for. Throws INVALID_OPTION. */
export function acksOf(options: SendOptions, otherwise: Acks): Acks {
  checkOptions('send', options, SEND_RULES)
  return options.acks ?? otherwise
}

/** Throws INVALID_OPTION for a promise that a transaction cannot do with, and INVALID_TRANSACTION_TIMEOUT. */
function checkTransactional<K, V>({ transactionalId, acks, enableIdempotence, transactionTimeoutMillis = 0 }: ProducerOptions<K, V>): void {
  if (transactionTimeoutMillis > TRANSACTION_TIMEOUT_MILLIS_MAX) {
    const reason = `transactionTimeoutMillis must be at most ${TRANSACTION_TIMEOUT_MILLIS_MAX}, not ${transactionTimeoutMillis}`
    throw new KafkaError('INVALID_TRANSACTION_TIMEOUT', `producer option ${reason}`)
  }
  if (transactionalId === undefined) return
  const reason =
    transactionalId.length === 0 || transactionalId.length > TRANSACTIONAL_ID_LENGTH_MAX
      ? `transactionalId must be a text of 1 to ${TRANSACTIONAL_ID_LENGTH_MAX} characters, not ${describeText(transactionalId)}`
      : acks !== undefined && acks !== 'quorum'
        ? `acks must be 'quorum' with a transactionalId, not ${describe(acks)}`
        : enableIdempotence === false
          ? 'enableIdempotence must be true with a transactionalId, not false'
          : null
  if (reason !== null) throw new KafkaError('INVALID_OPTION', `producer option ${reason}`)
}

/** The actor's configuration, but for what its link knows. */
export function producerConfig<K, V>(
  options: ProducerOptions<K, V>,
  quotas: Omit<QuotaIdentity, 'clientId'>,
): Omit<ProducerConfig, 'client' | 'coordinatorNodes'> {
  checkTransactional(options)
  checkQuotaName('producer', 'clientId', options.clientId)
  return {
    quota: { ...quotas, clientId: options.clientId ?? null },
    acks: options.acks ?? ACKS_DEFAULT,
    splitsBatches: true,
    isIdempotent: options.enableIdempotence ?? true,
    transactionalId: options.transactionalId ?? null,
    transactionTimeoutMillis: integerOption(options.transactionTimeoutMillis, PRODUCER_RULES.transactionTimeoutMillis),
    retryBackoffMillis: RETRY_BACKOFF_MILLIS,
    requestTimeoutMillis: integerOption(options.requestTimeoutMillis, PRODUCER_RULES.requestTimeoutMillis),
    deliveryTimeoutMillis: integerOption(options.deliveryTimeoutMillis, PRODUCER_RULES.deliveryTimeoutMillis),
  }
}
