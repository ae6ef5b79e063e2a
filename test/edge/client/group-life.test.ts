// Groups that come and go: descriptions with lag, deletions that outlive a restart, static members, patterns, listeners.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { KafkaError, string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerOptions, TopicPartition } from '../../../edge/client/index.ts'
import { askedForPartitions, failureOf, openCluster, take, temporaryDirectory } from './support.ts'

async function fill(cluster: Cluster, topic: string, count: number, partitions = 1): Promise<void> {
  await cluster.admin.createTopic(topic, { partitions, ifNotExists: true })
  const producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic, value: `${n}`, partition: n % partitions })))
  await producer.close()
}

function member(cluster: Cluster, options: ConsumerOptions<Uint8Array, string> = {}): Consumer<Uint8Array, string> {
  const times = { heartbeatIntervalMillis: 20, sessionTimeoutMillis: 5000 }
  return cluster.consumer({ group: 'g', topics: ['t'], value: string, ...times, ...options })
}

/** Polls until it is so. */
async function until(isSo: () => boolean | Promise<boolean>, ...consumers: readonly Consumer<Uint8Array, string>[]): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isSo()) return
    for (const one of consumers) await one.poll({ timeoutMillis: 10 })
    if (consumers.length === 0) await sleep(20)
  }
  throw new Error('it did not come to that')
}

const namesOf = (partitions: readonly TopicPartition[]): string =>
  partitions
    .map(({ topic, partition }) => `${topic}-${partition}`)
    .toSorted()
    .join(' ')

test('a description shows how far behind the group is, and who has what; lists show states', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 10, 2)
  const one = member(cluster, { autoCommit: false })
  await take(one, 10)
  await one.commit([{ topic: 't', partition: 0, offset: 2 }])
  const { lags, members, state, assignor } = await cluster.admin.describeGroup('g')
  const memberId = members[0]?.memberId
  expect([state, assignor]).toEqual(['stable', 'uniform'])
  expect(lags).toEqual([
    { topic: 't', partition: 0, committed: 2, endOffset: 5, lag: 3, memberId },
    { topic: 't', partition: 1, committed: null, endOffset: 5, lag: null, memberId },
  ])
  expect(await cluster.admin.listGroups()).toEqual([{ group: 'g', state: 'stable' }])
  await one.close()
  expect(await cluster.admin.listGroups()).toEqual([{ group: 'g', state: 'empty' }])
})

test('a group that is deleted stays so after a restart, and its next member begins anew', async () => {
  const directory = temporaryDirectory()
  const before = await openCluster(directory)
  await fill(before, 't', 4)
  const one = member(before)
  await take(one, 4)
  expect((await failureOf(() => before.admin.deleteGroup('g'))).name).toBe('NON_EMPTY_GROUP')
  expect((await failureOf(() => before.admin.deleteGroupOffsets('g', [{ topic: 't', partition: 0 }]))).name).toBe(
    'GROUP_SUBSCRIBED_TO_TOPIC',
  )
  await one.close()
  await before.admin.alterGroupOffsets('h', [{ topic: 't', partition: 0, offset: 3 }])
  await before.admin.deleteGroup('g')
  expect((await failureOf(() => before.admin.deleteGroup('g'))).message).toBe(
    'there is no group "g": nobody is in it, and it has not committed',
  )
  await before.close()
  const after = await openCluster(directory)
  expect(await after.admin.listGroups()).toEqual([{ group: 'h', state: 'empty' }])
  expect((await take(member(after), 4)).map(({ value }) => value)).toEqual(['0', '1', '2', '3'])
})

test('offsets of a group are deleted by partition; bad arguments are refused before anything is sent', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await fill(cluster, 't', 4, 2)
  await admin.alterGroupOffsets(
    'g',
    [0, 1].map((partition) => ({ topic: 't', partition, offset: 1 })),
  )
  await admin.deleteGroupOffsets('g', [{ topic: 't', partition: 1 }])
  expect((await admin.describeGroup('g')).offsets).toEqual([{ topic: 't', partition: 0, offset: 1, metadata: '' }])
  await admin.deleteGroupOffsets('g', [{ topic: 't', partition: 0 }])
  expect((await failureOf(() => admin.deleteGroupOffsets('g', []))).name).toBe('GROUP_ID_NOT_FOUND')
  expect((await failureOf(() => admin.deleteGroup(''))).name).toBe('INVALID_GROUP_ID')
  expect((await failureOf(() => admin.deleteGroupOffsets('g', [{ topic: 't', partition: -1 }]))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
})

test('a static member that is closed and comes back has its partitions again; a second one is refused while it lives', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 8, 4)
  const stays = member(cluster)
  const first = member(cluster, { groupInstanceId: 'i' })
  await until(() => stays.assignment().length === 2 && first.assignment().length === 2, stays, first)
  const had = namesOf(first.assignment())
  const second = member(cluster, { groupInstanceId: 'i' })
  expect((await failureOf(() => until(() => false, second))).name).toBe('UNRELEASED_INSTANCE_ID')
  await second.close()
  const { epoch } = await cluster.admin.describeGroup('g')
  await first.close()
  expect((await cluster.admin.describeGroup('g')).members).toHaveLength(2)
  const again = member(cluster, { groupInstanceId: 'i' })
  await until(() => again.assignment().length === 2, again)
  expect([namesOf(again.assignment()), stays.assignment().length]).toEqual([had, 2])
  expect((await cluster.admin.describeGroup('g')).epoch).toBe(epoch + 1)
  expect((await failureOf(() => cluster.consumer({ groupInstanceId: 'i' }))).name).toBe('INVALID_GROUP_ID')
  expect((await failureOf(() => member(cluster, { groupInstanceId: '' }))).name).toBe('INVALID_OPTION')
})

test('a pattern brings the topics that match, and those that come later', async () => {
  const cluster = await openCluster()
  await fill(cluster, 'logs-a', 1)
  await fill(cluster, 'other', 1)
  const one = member(cluster, { topics: /^logs-/ })
  await until(() => namesOf(one.assignment()) === 'logs-a-0', one)
  await fill(cluster, 'logs-b', 1)
  await until(() => namesOf(one.assignment()) === 'logs-a-0 logs-b-0', one)
  one.subscribe(/^oth/i)
  await until(() => namesOf(one.assignment()) === 'other-0', one)
  expect((await failureOf(() => one.subscribe(new RegExp('x'.repeat(1001))))).name).toBe('INVALID_REGULAR_EXPRESSION')
  expect(await failureOf(() => one.subscribe(/^(a+)\1$/))).toMatchObject({
    name: 'INVALID_REGULAR_EXPRESSION',
    message: expect.stringMatching(/^a pattern of topics must not refer back to a group/) as string,
  })
})

test('listeners are awaited before partitions go, also when the consumer is closed', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 8, 2)
  const heard: string[] = []
  const first = member(cluster, {
    autoCommit: false,
    onAssigned: (partitions) => void heard.push(`+ ${namesOf(partitions)}`),
    onRevoked: async (partitions) => {
      await sleep(30)
      await first.commit(partitions.map((one) => ({ ...one, offset: 3 })))
      heard.push(`- ${namesOf(partitions)}`)
    },
  })
  await until(() => first.assignment().length === 2, first)
  const second = member(cluster)
  await until(() => second.assignment().length === 1, first, second)
  expect(heard.at(-1)).toMatch(/^- t-[01]$/)
  const [gone] = second.assignment()
  expect((await second.committed([gone!]))[0]?.offset).toBe(3)
  await first.close()
  expect(heard.filter((line) => line.startsWith('-'))).toHaveLength(2)
  expect(await second.committed()).toHaveLength(2)
})

test.each([
  ['range', 0],
  ['sticky', 0],
  ['cooperative-sticky', 0],
  ['consumer', 0],
  ['range', 300],
] as const)(
  'whoever is closed while its partitions are to go hears of each, once, and may commit (%s, %i ms)',
  async (assignor, commitsAfterMillis) => {
    const cluster = await openCluster()
    await fill(cluster, 't', 8, 4)
    const protocol: ConsumerOptions<Uint8Array, string> =
      assignor === 'consumer' ? {} : { groupProtocol: 'classic', partitionAssignors: [assignor] }
    const heard: string[] = []
    const one = member(cluster, {
      ...protocol,
      autoCommit: false,
      onRevoked: async (partitions) => {
        heard.push(...partitions.map(({ partition }) => `- ${partition}`))
        if (commitsAfterMillis > 0) await sleep(commitsAfterMillis)
        await one.commit()
      },
      onLost: (partitions) => void heard.push(`lost ${namesOf(partitions)}`),
    })
    await take(one, 8)
    const other = member(cluster, { ...protocol, autoCommit: false })
    const joined = other.poll({ timeoutMillis: 1000 })
    await askedForPartitions(cluster)
    // Its listener is at work when it is closed.
    if (commitsAfterMillis > 0) one.poll({ timeoutMillis: 0 }).catch(() => undefined)
    await one.close()
    expect(heard.toSorted()).toEqual(['- 0', '- 1', '- 2', '- 3'])
    expect(await joined).toEqual([])
    expect((await other.committed()).map(({ offset }) => offset)).toEqual([2, 2, 2, 2])
  },
)

test('whoever is closed when it has just unsubscribed hears of its partitions', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 8, 2)
  const heard: string[] = []
  const one = member(cluster, { onRevoked: (partitions) => void heard.push(namesOf(partitions)) })
  await take(one, 8)
  one.subscribe([])
  await one.close()
  expect(heard).toEqual(['t-0 t-1'])
})

test('a listener that takes too long loses the partitions, and onLost hears of it', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 8, 2)
  const lost: string[] = []
  const first = member(cluster, {
    rebalanceTimeoutMillis: 200,
    onRevoked: () => new Promise(() => undefined),
    onLost: (partitions) => void lost.push(namesOf(partitions)),
  })
  await until(() => first.assignment().length === 2, first)
  const second = member(cluster)
  await until(() => second.assignment().length > 0, first, second)
  expect(lost.join(' ')).toMatch(/t-[01]/)
  await until(() => first.assignment().length === 1 && second.assignment().length === 1, first, second)
})

test.each(['consumer', 'classic'] as const)(
  'the poll that brings partitions throws what onAssigned throws, and the next one has their records (%s)',
  async (groupProtocol) => {
    const cluster = await openCluster()
    await fill(cluster, 't', 8, 2)
    const cause = new Error('no')
    let count = 0
    const one = member(cluster, {
      groupProtocol,
      onAssigned: () => {
        if (count++ === 0) throw cause
      },
    })
    expect(await failureOf(() => one.poll({ timeoutMillis: 10_000 }))).toMatchObject({
      name: 'LISTENER_FAILED',
      retriable: false,
      message: "the application's onAssigned has thrown: Error: no",
      cause,
    })
    expect(await take(one, 8)).toHaveLength(8)
    const other = member(cluster, {
      groupProtocol,
      group: 'h',
      onAssigned: () => {
        throw cause
      },
    })
    const read = other.records()[Symbol.asyncIterator]()
    expect((await failureOf(() => read.next())).name).toBe('LISTENER_FAILED')
  },
)

test.each(['consumer', 'classic'] as const)(
  'who lets go too late hears of all that it lost, and so does its commit, once (%s)',
  async (groupProtocol) => {
    const cluster = await openCluster()
    await fill(cluster, 't', 8, 2)
    const { promise: hasTaken, resolve: taken } = Promise.withResolvers<void>()
    const { promise: isOver, resolve: over } = Promise.withResolvers<void>()
    const lost = new Set<string>()
    const commits: string[] = []
    const revoked: string[] = []
    const first = member(cluster, {
      groupProtocol,
      autoCommit: false,
      rebalanceTimeoutMillis: 200,
      onRevoked: async (partitions) => {
        revoked.push(namesOf(partitions))
        if (revoked.length > 1) return
        await hasTaken
        for (let count = 0; count < 2; count++) {
          commits.push(
            await first.commit().then(
              () => 'done',
              (error: unknown) => (error instanceof KafkaError ? `${error.name} ${error.message}` : 'failed'),
            ),
          )
        }
        over()
      },
      onLost: (partitions) => {
        for (const name of namesOf(partitions).split(' ')) lost.add(name)
      },
    })
    await take(first, 8)
    const second = member(cluster, { groupProtocol, autoCommit: false })
    await until(() => second.assignment().length > 0, first, second)
    taken()
    await isOver
    expect([...lost].toSorted()).toEqual(['t-0', 't-1'])
    expect(commits[0]).toMatch(/UNKNOWN_MEMBER_ID .*t-0, t-1/)
    expect(commits[1]).toBe('done')
    expect((await first.committed(second.assignment())).filter(({ offset }) => offset > 0)).toEqual([])
  },
)

test('an application that does not ask in time loses its partitions, and hears of it', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 8, 2)
  const lost: string[] = []
  const one = member(cluster, { maxPollIntervalMillis: 100, onLost: (partitions) => void lost.push(namesOf(partitions)) })
  await take(one, 8)
  await until(async () => (await cluster.admin.describeGroup('g').catch(() => ({ members: [] }))).members.length === 0)
  expect(lost).toEqual(['t-0 t-1'])
  await until(() => one.assignment().length === 2, one)
})

test('records of a topic go once its groups have consumed them, and not before', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await admin.createTopic('t', { config: { deleteOnceConsumedBy: ['g', 'h'] } })
  await fill(cluster, 't', 10)
  const begin = async (): Promise<number | null> => (await admin.describeTopic('t')).partitions[0]!.beginOffset
  const one = member(cluster)
  await take(one, 10)
  await one.commit()
  await sleep(2500)
  expect(await begin()).toBe(0)
  await admin.alterGroupOffsets('h', [{ topic: 't', partition: 0, offset: 4 }])
  await until(async () => (await begin()) === 4)
  await admin.resetGroupOffsets('h', 't', 'latest')
  await until(async () => (await begin()) === 10)
  expect((await admin.describeTopic('t')).config).toMatchObject({ deleteOnceConsumedBy: ['g', 'h'], retentionMillis: -1 })
})

test('records of a topic go once its share groups have done with them: accepted, or rejected, and not before', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await admin.createTopic('t', { config: { deleteOnceAcknowledgedBy: ['workers'] } })
  await fill(cluster, 't', 10)
  const begin = async (): Promise<number | null> => (await admin.describeTopic('t')).partitions[0]!.beginOffset
  const worker = cluster.shareConsumer({ group: 'workers', topics: ['t'], autoOffsetReset: 'earliest', maxPollRecords: 10 })
  const records = await worker.poll({ timeoutMillis: 10_000 })
  expect(records).toHaveLength(10)
  for (const record of records) worker.acknowledge(record, record.offset === 2 ? 'reject' : record.offset === 6 ? 'release' : 'accept')
  await worker.commit()
  await until(async () => ((await begin()) ?? 0) > 0)
  expect(await begin()).toBe(6)
  expect((await worker.poll({ timeoutMillis: 10_000 })).map(({ offset, deliveryCount }) => [offset, deliveryCount])).toEqual([[6, 2]])
  await worker.commit()
  await until(async () => (await begin()) === 10)
  expect((await admin.describeTopic('t')).config).toMatchObject({ deleteOnceAcknowledgedBy: ['workers'], retentionMillis: -1 })
})

test('an assignor is chosen by name', async () => {
  const cluster = await openCluster()
  await fill(cluster, 't', 4, 4)
  const members = [member(cluster, { assignor: 'range' }), member(cluster, { assignor: 'range' })]
  await until(() => members.every((one) => one.assignment().length === 2), ...members)
  expect(members.map((one) => namesOf(one.assignment())).toSorted()).toEqual(['t-0 t-1', 't-2 t-3'])
  expect((await cluster.admin.describeGroup('g')).assignor).toBe('range')
  expect((await failureOf(() => member(cluster, { assignor: 'best' as 'range' }))).name).toBe('INVALID_OPTION')
})
