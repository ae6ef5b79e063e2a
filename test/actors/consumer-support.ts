// A consumer and the group, coordinator and leaders that it talks to, as a test plays them.

import { actor } from '../../actors/consumer.ts'
import type { ConsumerConfig, ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { TopicOffset, TopicPartitions } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { CLIENT, lines, sent, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const config: ConsumerConfig = {
  client: CLIENT,
  coordinatorNodes: [0],
  group: 'g',
  memberId: 'm',
  instanceId: null,
  assignor: null,
  autoOffsetReset: 'earliest',
  autoCommit: true,
  autoCommitIntervalMillis: 100_000,
  sessionTimeoutMillis: 10_000,
  rebalanceTimeoutMillis: 60_000,
  heartbeatIntervalMillis: 1000,
  fetchMinBytes: 1,
  fetchMaxBytes: 1000,
  bufferMemoryBytes: 1_000_000,
  fetchMaxWaitMillis: 500,
  fetchMode: 'bytes',
  isolationLevel: 'read_uncommitted',
  requestTimeoutMillis: 2000,
  retryBackoffMillis: 50,
}

/** A consumer that has nothing to do yet. */
export function consumer(changes: Partial<ConsumerConfig> = {}): Stage<ConsumerState> {
  return stageOf(actor, { node: -1, actor: 'consumer/m' }, { ...config, ...changes })
}

/** The newest request of a kind, by its correlation id. */
export function newest(effects: readonly Effect[], kind: Message['kind']): number {
  const message = sent(effects, kind).at(-1)
  if (message === undefined || !('correlationId' in message)) throw new Error(`no ${kind} was sent`)
  return message.correlationId
}

/** A consumer that has subscribed to `t` and found its group; what it said last is the heartbeat that joins. */
export function joining(changes: Partial<ConsumerConfig> = {}): { stage: Stage<ConsumerState>; effects: Effect[] } {
  const stage = consumer(changes)
  const asked = stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null })
  const effects = stage.deliver({
    kind: 'findCoordinatorResponse',
    correlationId: newest(asked, 'findCoordinator'),
    errorCode: NONE,
    node: 1,
    partition: 3,
    topicId: 2,
  })
  return { stage, effects }
}

/** The group answers a heartbeat. */
export function grant(stage: Stage<ConsumerState>, correlationId: number, memberEpoch: number, partitions: readonly number[]): Effect[] {
  const assignment: TopicPartitions[] = partitions.length === 0 ? [] : [{ topic: 't', partitions }]
  return stage.deliver({ kind: 'consumerGroupHeartbeatResponse', correlationId, errorCode: NONE, memberEpoch, assignment })
}

/** The group refuses a heartbeat. */
export function refuse(stage: Stage<ConsumerState>, correlationId: number, error: ErrorName): Effect[] {
  return stage.deliver({ kind: 'consumerGroupHeartbeatResponse', correlationId, errorCode: codeOf(error), memberEpoch: -1, assignment: [] })
}

/** The group says what is committed of the partitions that were asked for. */
export function committed(
  stage: Stage<ConsumerState>,
  effects: readonly Effect[],
  offsets: Readonly<Record<number, number>>,
  topicId = 5,
): Effect[] {
  const request = sent(effects, 'offsetFetch').at(-1)
  if (request === undefined) throw new Error('no offsetFetch was sent')
  const requested = (request.partitions ?? []).flatMap(({ topic, partitions }) => partitions.map((one) => `${topic}-${one}`))
  const found: TopicOffset[] = Object.entries(offsets).map(([partition, offset]) => ({
    topic: 't',
    partition: Number(partition),
    offset,
    metadata: '',
    topicId,
  }))
  return stage.deliver({ kind: 'offsetFetchResponse', correlationId: request.correlationId, errorCode: NONE, requested, offsets: found })
}

/** A member that has t-0 and t-1, both committed at 10, and fetches; its last effects. */
export function consuming(changes: Partial<ConsumerConfig> = {}): { stage: Stage<ConsumerState>; effects: Effect[] } {
  const { stage, effects } = joining(changes)
  const granted = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0, 1])
  committed(stage, granted, { 0: 10, 1: 10 })
  return { stage, effects: stage.deliver(topicsAnswer({ t: [0, 0] })) }
}

/** The leader answers a fetch with some bytes, or an error. */
export function answerFetch(stage: Stage<ConsumerState>, correlationId: number, error?: ErrorName): Effect[] {
  const records = error === undefined ? new Uint8Array(72) : null
  return stage.deliver(fetched(records, 20, { correlationId, errorCode: error === undefined ? NONE : codeOf(error) }), {
    node: 0,
    actor: 'replica/t-0',
  })
}

/** The group's heartbeat timer comes, so many milliseconds later. */
export function tick(stage: Stage<ConsumerState>, afterMillis: number): Effect[] {
  stage.uptime += afterMillis
  return stage.deliver({ kind: 'timerFired', timer: 'tick' }, stage.self)
}

/** What was said, timers aside. */
export function said(effects: readonly Effect[]): string[] {
  return lines(effects).filter((line) => !line.startsWith('timer '))
}

/** The group answers a commit. */
export function commitAnswer(stage: Stage<ConsumerState>, correlationId: number, error?: ErrorName): Effect[] {
  const errorCode = error === undefined ? NONE : codeOf(error)
  return stage.deliver({ kind: 'offsetCommitResponse', correlationId, errorCode, errorMessage: null })
}

/** The leader says which offset a look-up has found. */
export function located(stage: Stage<ConsumerState>, correlationId: number, offset: number): Effect[] {
  return stage.deliver({ kind: 'listOffsetsResponse', correlationId, errorCode: NONE, errorMessage: null, offset, timestamp: -1 })
}
