// A producer on a stage, and what it is told.

import type { Effect } from '../../actors/effect.ts'
import { actor } from '../../actors/producer.ts'
import type { ProducerConfig, ProducerState } from '../../actors/producer-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { Acks } from '../../protocol/messages/produce.ts'
import { batchAt } from '../partitions/support.ts'
import { CLIENT, lines, sent, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'
import { topicsAnswer } from './metadata.ts'

/** What producers are started with here. */
export const config: ProducerConfig = {
  client: CLIENT,
  coordinatorNodes: [0],
  acks: 'leader',
  requestTimeoutMillis: 1000,
  deliveryTimeoutMillis: 5000,
  retryBackoffMillis: 50,
  isIdempotent: true,
  transactionalId: null,
  transactionTimeoutMillis: 60_000,
}

/** A producer with an id that knows the topic `t`. */
export function ready(changes: Partial<ProducerConfig> = {}, partitions = 1): Stage<ProducerState> {
  const stage = stageOf(actor, { node: -1, actor: 'producer' }, { ...config, ...changes })
  stage.deliver({ kind: 'started' })
  stage.deliver({ kind: 'initProducerIdResponse', correlationId: 1, errorCode: 0, producerId: 42, producerEpoch: 0 })
  stage.state.leaders.wanted.add('t')
  stage.deliver(topicsAnswer({ t: Array.from({ length: partitions }, (_, i) => i) }))
  return stage
}

/** The client submits one record. */
export function submit(stage: Stage<ProducerState>, token: number, partition = 0): Effect[] {
  return stage.deliver({ kind: 'submit', token, topic: 't', partition, records: batchAt(0, 1) })
}

/** The leader answers: a base offset, or an error. */
export function answer(
  stage: Stage<ProducerState>,
  correlationId: number,
  outcome: number | ErrorName,
  errorMessage: string | null = null,
): Effect[] {
  const isError = typeof outcome === 'string'
  return stage.deliver({
    kind: 'produceResponse',
    correlationId,
    errorCode: isError ? codeOf(outcome) : 0,
    errorMessage,
    baseOffset: isError ? -1 : outcome,
    logAppendTime: -1,
    logStartOffset: 0,
  })
}

/** The client submits one record that asks for other acks. */
export function submitWith(stage: Stage<ProducerState>, token: number, acks: Acks): Effect[] {
  return stage.deliver({ kind: 'submit', token, topic: 't', partition: 0, records: batchAt(0, 1), acks })
}

/** How often the coordinator was asked for metadata. */
export function asked(effects: readonly Effect[]): number {
  return sent(effects, 'metadata').length
}

/** Batches on the way: their numbers, in order of sending. */
export function numbers(effects: readonly Effect[]): string[] {
  return lines(effects).flatMap((line) => /numbered (.*)/.exec(line)?.[1] ?? [])
}

/** Correlation ids of the batches on the way. */
export function ids(effects: readonly Effect[]): number[] {
  return sent(effects, 'produce').map(({ correlationId }) => correlationId)
}

/** Time passes, and the timer fires. */
export function tick(stage: Stage<ProducerState>, afterMillis: number): Effect[] {
  stage.uptime += afterMillis
  return stage.deliver({ kind: 'timerFired', timer: 'tick' })
}
