// What whoever asks is told, and what a client without whims of its own would never notice: answers that leave something out, or say what is not so.

import type { CoordinatorState } from '../../../actors/coordinator.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { GroupsState } from '../../../actors/groups-state.ts'
import type { TransactorState } from '../../../actors/transactor-state.ts'
import { coordinatorPartitionOf } from '../../../coordinator/metadata.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../../protocol/messages/fetch.ts'
import type { Message, MessageOf } from '../../../protocol/messages/message.ts'
import type { ReplicaState } from '../../../partitions/replica-state.ts'
import { checkGroup, newGroupTruth, noteHeard } from '../../../simulation/checkers/groups.ts'
import { checkNews, newNews } from '../../../simulation/checkers/news.ts'
import { checkPaused, checkProgressTold, newPausable, notePause } from '../../../simulation/checkers/pauses.ts'
import { checkCounted } from '../../../simulation/checkers/quotas.ts'
import { checkCoordinatorTold, checkLagsTold, checkOffsetsTold, checkTransactionsTold } from '../../../simulation/checkers/told.ts'
import { COORDINATOR_PARTITIONS } from '../../../simulation/plan.ts'
import type { Scene } from './damaged.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

const ADMIN = { node: -1, actor: 'admin' }
const LISTED = { topic: 'orders', topicId: 1, errorCode: 0, config: null }
const PARTITION = { leader: 0, leaderEpoch: 2, replicas: [0, 1], isr: [0], elr: [], adding: [], removing: [] }
const NODE = { node: 0, brokerEpoch: 5, rack: null, fenced: false }
const QUOTA = { entity: { user: 'auditor' }, quotas: { consumerByteRate: 10 } }

const told = (what: string, play: (scene: Scene, isDamaged: boolean) => void): Damaged => inScene('TOLD', what, play)

function send(message: object): Effect {
  return { kind: 'send', to: ADMIN, message: { correlationId: 1, errorCode: 0, ...message } as Message }
}

/** A coordinator that knows of one topic, one node and one quota is asked, and answers. */
function coordinator({ truth }: Scene, message: object, answer: object, isActive = true): void {
  const topics = new Map([['orders', { name: 'orders', topicId: 1, partitions: [PARTITION] }]])
  const image = { endOffset: 9, topics, brokers: new Map([[0, NODE]]), quotas: new Map([['a', QUOTA]]) }
  const asked = { correlationId: 1, ...message } as Message
  checkCoordinatorTold(truth, { seat: { image, isActive } } as unknown as CoordinatorState, asked, [send(answer)])
}

function metadata(changes: object): object {
  const topics = [{ ...LISTED, partitions: [{ ...PARTITION, partition: 0, minInsync: 1 }] }]
  return { kind: 'metadataResponse', metadataOffset: 9, controller: 0, voters: [0], brokers: [NODE], nextTopicId: 2, topics, ...changes }
}

/** A leader in the newest epoch, whose log begins at 2 and may have been seen up to 7, is asked where it begins, or ends. */
function log({ truth, partition }: Scene, timestamp: number, offset: number): void {
  partition.exposedEnd = 7
  partition.leaders.set(3, 0)
  const state = { role: { leaderEpoch: 3 }, phase: 'leading', log: { logStartOffset: 2 } } as ReplicaState
  const asked = { kind: 'listOffsets', correlationId: 1, topicId: 1, timestamp, isolationLevel: 'read_uncommitted' } as const
  checkOffsetsTold(truth, partition, state, asked, [send({ kind: 'listOffsetsResponse', offset })])
}

const behind = (...lags: readonly number[]): object[] => lags.map((lag, node) => ({ node, lag }))

/** A leader of two replicas, whose log begins at 2, ends at 9, and may have been seen up to 7, says how it is. */
function describedLog({ truth, partition }: Scene, answer: object): void {
  partition.exposedEnd = 7
  partition.leaders.set(3, 0)
  const role = { leaderEpoch: 3, replicas: [0, 1] }
  const state = { self: { node: 0 }, role, phase: 'leading', log: { logStartOffset: 2, logEndOffset: 9 } } as unknown as ReplicaState
  checkLagsTold(truth, partition, state, [
    send({ kind: 'describePartitionResponse', logStartOffset: 2, highWatermark: 7, lags: behind(0, 2), ...answer }),
  ])
}

/** The transactor of `t`, whose producer was told that its transaction in epoch 3 is committed, lists what it has. */
function transactor({ truth, partition }: Scene, transactions: readonly object[]): void {
  const about = { transactionalId: 't', writer: 7, producerId: 1, producerEpoch: 3 } as const
  truth.transactions.lives.push({ ...about, begunAtMicros: 0 })
  const records = [{ partition, offset: 0, value: 1 }]
  truth.transactions.all.push({ ...about, name: 'x', outcome: 'committed', commitAskedAt: 0, records })
  const config = { partition: coordinatorPartitionOf('t', COORDINATOR_PARTITIONS), leaderEpoch: 1 }
  checkTransactionsTold(truth, { config } as TransactorState, [send({ kind: 'listTransactionsResponse', transactions })])
}

/** The coordinator of a group that has committed 5 says something of it. */
function group({ truth, partition }: Scene, message: Message, answer: object, awaited: readonly string[] = []): void {
  const known = newGroupTruth(truth, 'billing', 1000, -1)
  noteHeard(known, partition, 5)
  const config = { partition: coordinatorPartitionOf('billing', COORDINATOR_PARTITIONS), leaderEpoch: 1 }
  const roster = { missing: new Map(awaited.map((memberId) => [memberId, {}])) }
  const groups = new Map(awaited.length > 0 ? [['billing', { roster }]] : [])
  checkGroup(known, { config, groups } as unknown as GroupsState, message, ADMIN, [send(answer)])
}

const DESCRIBE: MessageOf<'describeGroup'> = { kind: 'describeGroup', correlationId: 1, group: 'billing' }
const OFFSET = { topic: 'orders', partition: 0, offset: 5, metadata: '' }
const owner = (partition: number): object => ({ memberId: `m${partition}`, assignment: [{ topic: 'orders', partitions: [partition] }] })

/** What administrators and applications hear. */
export const damagedAnswers: readonly Damaged[] = [
  told('a topic is left out', (scene, isDamaged) =>
    coordinator(scene, { kind: 'metadata', topics: null }, metadata(isDamaged ? { topics: [] } : {})),
  ),
  told('a coordinator that does not lead is taken for one that does', (scene, isDamaged) =>
    coordinator(scene, { kind: 'metadata', topics: null }, metadata({ controller: isDamaged ? 0 : -1 }), false),
  ),
  told('a topic is said not to be there by who may not have heard of it', (scene, isDamaged) => {
    const absent = { ...LISTED, topic: 'x', topicId: -1, errorCode: 3, partitions: [] }
    const controller = isDamaged ? -1 : 0
    coordinator(scene, { kind: 'metadata', topics: ['x'] }, metadata({ topics: [absent], controller }), !isDamaged)
  }),
  told('a quota is told that there is not', (scene, isDamaged) =>
    coordinator(
      scene,
      { kind: 'describeClientQuotas', version: -1 },
      { kind: 'clientQuotasDescribed', version: 1, entries: isDamaged ? [QUOTA, QUOTA] : [QUOTA] },
    ),
  ),
  told('a log ends before what readers have seen', (scene, isDamaged) => log(scene, LATEST_TIMESTAMP, isDamaged ? 6 : 7)),
  told('a log begins elsewhere', (scene, isDamaged) => log(scene, EARLIEST_TIMESTAMP, isDamaged ? 0 : 2)),
  told('a replica is ahead of its leader', (scene, isDamaged) => describedLog(scene, isDamaged ? { lags: behind(0, -2) } : {})),
  told('a leader is behind itself', (scene, isDamaged) => describedLog(scene, isDamaged ? { lags: behind(1, 0) } : {})),
  told('a replica is forgotten', (scene, isDamaged) => describedLog(scene, isDamaged ? { lags: [{ node: 0, lag: 0 }] } : {})),
  told('a log is described as shorter than readers have seen it', (scene, isDamaged) =>
    describedLog(scene, isDamaged ? { highWatermark: 6 } : {}),
  ),
  told('a transactional id is not known', (scene, isDamaged) =>
    transactor(scene, isDamaged ? [] : [{ transactionalId: 't', state: 'empty', producerId: 1, producerEpoch: 4 }]),
  ),
  told('a transaction is open that is committed', (scene, isDamaged) =>
    transactor(scene, [{ transactionalId: 't', state: 'ongoing', producerId: 1, producerEpoch: isDamaged ? 3 : 4 }]),
  ),
  told('a group is behind what it has committed', (scene, isDamaged) =>
    group(scene, DESCRIBE, { kind: 'describeGroupResponse', members: [], offsets: isDamaged ? [] : [OFFSET] }),
  ),
  told('a member that has not come yet is not in its group', (scene, isDamaged) =>
    group(scene, DESCRIBE, { kind: 'describeGroupResponse', members: [owner(isDamaged ? 0 : 1)], offsets: [OFFSET] }, ['m1']),
  ),
  told('two members have a partition', (scene, isDamaged) =>
    group(scene, DESCRIBE, { kind: 'describeGroupResponse', members: [owner(0), owner(isDamaged ? 0 : 1)], offsets: [OFFSET] }),
  ),
  told('a group is not listed', (scene, isDamaged) =>
    group(
      scene,
      { kind: 'listGroups', correlationId: 1 },
      { kind: 'listGroupsResponse', groups: isDamaged ? [] : [{ group: 'billing', state: 'empty' }] },
    ),
  ),
  told('news of a leader begins with somebody who did not lead', ({ truth: { world } }, isDamaged) => {
    const news = newNews(world)
    const image = { topics: new Map([['orders', { topicId: 1 }]]) } as unknown as Parameters<typeof checkNews>[1]
    const change = (formerLeader: number, leader: number) =>
      ({ type: 'leaderChanged', topic: 'orders', partition: 0, leader, leaderEpoch: leader, formerLeader }) as const
    checkNews(news, image, [change(0, 1)])
    checkNews(news, image, [change(isDamaged ? 0 : 1, 2), { type: 'nodeFenced', node: 0 }])
  }),
  told('a consumer would commit what its application has not reported', ({ truth: { world } }, isDamaged) => {
    const one = { ...newPausable('orders-0'), reported: 4 }
    checkProgressTold(world, one, isDamaged ? 5 : 4)
  }),
  inScene('PAUSE', 'a partition that is paused goes on', ({ truth: { world } }, isDamaged) => {
    const one = newPausable('orders-0')
    notePause(one, true)
    checkPaused(world, one)
    if (!isDamaged) notePause(one, false)
    checkPaused(world, one)
  }),
  inScene('QUOTA', 'a piece is not counted', ({ truth: { world } }, isDamaged) => checkCounted(world, 'a client', 2, isDamaged ? 1 : 2)),
]
