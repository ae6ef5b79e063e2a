// Guests: what the inspector takes for a right answer when everything has settled, and what it does not; and a seed that has them.

import { describe, expect, test } from 'vitest'
import { coordinatorPartitionOf, OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC } from '../../coordinator/metadata.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { Cluster } from '../../simulation/cluster.ts'
import { drawGuests } from '../../simulation/guest-plan.ts'
import { runSeed } from '../../simulation/run.ts'
import {
  browsersGo,
  coordinator,
  everything,
  farewell,
  fewerPartitions,
  groupLists,
  groups,
  lags,
  node,
  noQuotas,
  producers,
  offsets,
  quotas,
  shareGroups,
  throttle,
  transactions,
} from '../../simulation/workloads/questions.ts'
import type { Knowledge, Question } from '../../simulation/workloads/questions.ts'

const partition = { partition: 0, leader: 0, leaderEpoch: 1, replicas: [0], isr: [0], elr: [], adding: [], removing: [], minInsync: 1 }
const topicOf = (topic: string): TopicMetadata => ({ topic, topicId: 1, errorCode: NONE, partitions: [partition], config: null })

/** One node, one topic with three records, one group, one share group, one transactional id. */
const known: Knowledge = {
  cluster: {
    nodes: [{}],
    topics: new Map([['orders', 1]]),
    groups: { inside: [{ name: 'billing' }] },
    truth: { transactions: { lives: [{ transactionalId: 'x' }] } },
    plan: { sharerCount: 1, topics: [{ name: 'orders', configs: {} }] },
    latestImage: () => ({ topics: new Map([['orders', { partitions: [partition] }]]) }),
    votersNow: () => [],
  } as unknown as Cluster,
  topics: new Map(['orders', OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC].map((topic) => [topic, topicOf(topic)])),
  wanted: () => new Map([['orders', 1]]),
  endOf: () => 3,
}

const answer = (kind: string, changes: object = {}): Message =>
  ({ kind, correlationId: 1, errorCode: NONE, ...changes }) as unknown as Message
const done = answer('adminResponse', { results: [{ errorCode: NONE }] })
const refused = answer('adminResponse', { results: [{ errorCode: codeOf('INVALID_REQUEST'), errorMessage: 'no' }] })
const told = (topics: readonly TopicMetadata[], fenced = false): Message =>
  answer('metadataResponse', { topics, brokers: [{ node: 0, brokerEpoch: 1, rack: null, fenced }] })
const described = (partitions: readonly number[], state = 'stable'): Message =>
  answer('describeGroupResponse', { state, members: [{ assignment: [{ topic: 'orders', partitions }] }], offsets: [] })
const share = (startOffset: number): Message =>
  answer('describeShareGroupResponse', { partitions: [{ topic: 'orders', partition: 0, startOffset, acquired: 0, done: 0 }] })
const listed = (state: string, transactionalId = 'x'): Message =>
  answer('listTransactionsResponse', { transactions: [{ transactionalId, state, producerId: 1, producerEpoch: 1 }] })
const wrote = (currentTransactionStartOffset: number | null): Message =>
  answer('describeProducersResponse', { producers: [{ producerId: 1, currentTransactionStartOffset }] })
const lame = { ...topicOf('orders'), partitions: [{ ...partition, replicas: [0, 1] }] }
const gone = codeOf('GROUP_ID_NOT_FOUND')

const [listShares, describeShare] = shareGroups(known)
const [deleteBrowsers, describeBrowsers] = browsersGo(known)

const cases: readonly (readonly [string, Question | null | undefined, Message, readonly Message[]])[] = [
  ['topics', everything(known), told([topicOf('orders')]), [told([]), told([lame]), told([topicOf('orders')], true), done]],
  ['ends', offsets(known, 'orders', 0, true), answer('listOffsetsResponse', { offset: 3 }), [answer('listOffsetsResponse', { offset: 2 })]],
  [
    'beginnings',
    offsets(known, 'orders', 0, false),
    answer('listOffsetsResponse', { offset: 1 }),
    [answer('listOffsetsResponse', { offset: 4 })],
  ],
  [
    'lags',
    lags(known, 'orders', 0),
    answer('describePartitionResponse', { highWatermark: 3, lags: [{ node: 0, lag: 0 }] }),
    [
      answer('describePartitionResponse', { highWatermark: 3, lags: [{ node: 0, lag: 1 }] }),
      answer('describePartitionResponse', { highWatermark: 2, lags: [{ node: 0, lag: 0 }] }),
      answer('describePartitionResponse', { highWatermark: 3, lags: [] }),
    ],
  ],
  [
    'producers',
    producers(known, 'orders', 0),
    wrote(null),
    [wrote(4), answer('describeProducersResponse', { errorCode: codeOf('NOT_LEADER_OR_FOLLOWER'), producers: [] })],
  ],
  [
    'groups',
    groupLists(known)[0],
    answer('listGroupsResponse', { groups: [{ group: 'billing' }] }),
    [answer('listGroupsResponse', { groups: [] })],
  ],
  [
    'a group',
    groups(known)[0],
    described([0]),
    [described([]), described([0], 'reconciling'), answer('describeGroupResponse', { errorCode: gone })],
  ],
  [
    'share groups',
    listShares,
    answer('listShareGroupsResponse', { groups: [{ group: 'workers' }] }),
    [answer('listShareGroupsResponse', { groups: [] })],
  ],
  ['a share group', describeShare, share(3), [share(2), answer('describeShareGroupResponse', { partitions: [] })]],
  [
    'a deletion',
    deleteBrowsers,
    answer('deleteShareGroupResponse'),
    [answer('deleteShareGroupResponse', { errorCode: codeOf('NON_EMPTY_GROUP') })],
  ],
  ['what is deleted', describeBrowsers, answer('describeShareGroupResponse', { errorCode: gone }), [answer('describeShareGroupResponse')]],
  ['transactional ids', transactions(known)[0], listed('completeCommit'), [listed('ongoing'), listed('empty', 'y')]],
  ['a node', node(known, 0), answer('brokerDescribed', { isActive: true }), [answer('brokerDescribed', { isActive: false })]],
  ['a farewell', farewell(known, 0), refused, [done]],
  ['quotas that are taken away', noQuotas(), done, [refused]],
  [
    'no quotas',
    quotas(''),
    answer('clientQuotasDescribed', { entries: [] }),
    [answer('clientQuotasDescribed', { entries: [{ entity: {}, quotas: {} }] }), done],
  ],
  ['a throttle', throttle(null), done, [refused]],
  [
    'fewer partitions',
    fewerPartitions('orders'),
    answer('adminResponse', { results: [{ errorCode: codeOf('INVALID_PARTITIONS') }] }),
    [done],
  ],
  [
    'who keeps',
    coordinator('share'),
    answer('findCoordinatorResponse'),
    [answer('findCoordinatorResponse', { errorCode: codeOf('COORDINATOR_NOT_AVAILABLE') })],
  ],
]

describe('when everything has settled', () => {
  test.each(cases)('the inspector is content with %s as they are, and with nothing else', (_, question, right, wrong) => {
    expect(question?.judge(right)).toBeNull()
    for (const one of wrong) expect(question?.judge(one)).toEqual(expect.any(String))
  })

  test('each is asked where it is kept', () => {
    expect(coordinatorPartitionOf('billing', 1)).toBe(0)
    expect(groups(known)[0]?.to).toEqual({ node: 0, actor: 'groups/0' })
  })
})

describe('a seed with guests', () => {
  const seed = 6

  test('is drawn by itself, one in six', () => {
    const seeds = Array.from({ length: 600 }, (_, i) => drawGuests(i + 1))
    expect(seeds.filter((plan) => plan !== null).length).toBeGreaterThan(60)
    expect(seeds.filter((plan) => plan !== null).length).toBeLessThan(150)
    expect(drawGuests(seed)).not.toBeNull()
  })

  test('is sound', () => expect(runSeed(seed, { seconds: 20 }).violation).toBeNull())
})
