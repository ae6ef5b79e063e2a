// Groups as an application sees them: even spreading, hand-over without loss, committed offsets.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer } from '../../../edge/client/index.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

async function fill(cluster: Cluster, count: number, partitions: number): Promise<void> {
  await cluster.admin.createTopic('t', { partitions })
  const producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic: 't', value: `${n}`, partition: n % partitions })))
}

/** Polls both members until the group is stable with these numbers of partitions. */
async function settle(members: readonly Consumer<Uint8Array, string>[], counts: readonly number[], seen: Set<string>): Promise<void> {
  for (;;) {
    for (const member of members) for (const record of await member.poll({ timeoutMillis: 20 })) seen.add(record.value ?? '')
    const sizes = members.map((member) => member.assignment().length).toSorted((a, b) => a - b)
    if (sizes.join() === counts.join()) return
  }
}

test('members share the partitions evenly as they come and go, and nothing is lost', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await fill(cluster, 300, 6)
  const options = { group: 'g', topics: ['t'], value: string, heartbeatIntervalMillis: 20, sessionTimeoutMillis: 5000 }
  const seen = new Set<string>()
  const first = cluster.consumer(options)
  await settle([first], [6], seen)
  const second = cluster.consumer(options)
  await settle([first, second], [3, 3], seen)
  const third = cluster.consumer(options)
  await settle([first, second, third], [2, 2, 2], seen)
  await first.close()
  await settle([second, third], [3, 3], seen)
  while (seen.size < 300)
    for (const member of [second, third]) for (const record of await member.poll({ timeoutMillis: 20 })) seen.add(record.value ?? '')
  expect(seen.size).toBe(300)
  expect((await cluster.admin.describeGroup('g')).members).toHaveLength(2)
})

test('a second consumer of a group goes on where the first committed; a third group begins anew', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  const one = cluster.consumer({ group: 'g', topics: ['t'], value: string, maxPollRecords: 4 })
  expect(await one.poll({ timeoutMillis: 10_000 })).toHaveLength(4)
  await one.commit()
  expect(await one.committed()).toEqual([{ topic: 't', partition: 0, offset: 4, metadata: '' }])
  await one.close()
  const two = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  expect((await take(two, 6)).map((record) => record.value)).toEqual(['4', '5', '6', '7', '8', '9'])
  const three = cluster.consumer({ group: 'h', topics: ['t'], value: string })
  expect((await take(three, 10))[0]?.value).toBe('0')
})

test('what was delivered but not asked past is not committed by a close', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  const one = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  for await (const record of one) if (record.value === '3') break
  await one.close()
  const two = cluster.consumer({ group: 'g', topics: ['t'], value: string, maxPollRecords: 1 })
  expect((await two.poll({ timeoutMillis: 10_000 }))[0]?.value).toBe('3')
})

test('batches are committed one by one; offsets of an empty group can be set', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, autoCommit: false })
  for await (const batch of consumer.batches()) {
    expect([...batch]).toHaveLength(batch.count)
    await consumer.commit(batch)
    if (batch.endOffset === 10) break
  }
  expect((await failureOf(() => cluster.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 2, metadata: '' }]))).name).toBe(
    'NON_EMPTY_GROUP',
  )
  await consumer.close()
  await cluster.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 2, metadata: 'reset' }])
  expect((await cluster.admin.describeGroup('g')).offsets).toEqual([{ topic: 't', partition: 0, offset: 2, metadata: 'reset' }])
  const again = cluster.consumer({ group: 'g', topics: ['t'], value: string, maxPollRecords: 1 })
  expect((await again.poll({ timeoutMillis: 10_000 }))[0]?.value).toBe('2')
})

test.each([
  ['consumer', 'STALE_MEMBER_EPOCH'],
  ['classic', 'ILLEGAL_GENERATION'],
] as const)('a commit for what others hold is refused and says why, and changes nothing (%s)', async (groupProtocol, name) => {
  const cluster = await openCluster()
  await fill(cluster, 10, 2)
  const options = { group: 'g', topics: ['t'], value: string, autoCommit: false, groupProtocol, heartbeatIntervalMillis: 20 } as const
  const [one, other] = [cluster.consumer(options), cluster.consumer(options)]
  while (one.assignment().length !== 1 || other.assignment().length !== 1)
    await Promise.all([one.poll({ timeoutMillis: 20 }), other.poll({ timeoutMillis: 20 })])
  const [own, foreign] = [one.assignment()[0]!, other.assignment()[0]!]
  const refusal = await failureOf(() =>
    one.commit([
      { ...own, offset: 1 },
      { ...foreign, offset: 3 },
    ]),
  )
  expect([refusal.name, refusal.message]).toEqual([name, `the commit was refused: t-${foreign.partition} is not assigned to this consumer`])
  expect(await one.committed()).toEqual([])
  await one.commit([{ ...own, offset: 2 }])
  expect((await one.committed()).map(({ offset }) => offset)).toEqual([2])
})

test('who is no member commits nothing while the group has members, and keeps what it was assigned', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 2)
  const member = cluster.consumer({ group: 'g', topics: ['t'], value: string })
  await take(member, 10)
  const stranger = cluster.consumer({ group: 'g', value: string })
  stranger.assign([{ topic: 't', partition: 0 }])
  expect(await take(stranger, 5)).toHaveLength(5)
  const refusal = await failureOf(() => stranger.commit([{ topic: 't', partition: 0, offset: 1 }]))
  expect([refusal.name, refusal.message]).toEqual([
    'UNKNOWN_MEMBER_ID',
    'the commit was refused: the group has members, and only they commit its offsets',
  ])
  expect(stranger.assignment()).toEqual([{ topic: 't', partition: 0 }])
  stranger.seek({ topic: 't', partition: 0 }, 0)
  expect((await failureOf(() => stranger.process(() => undefined))).name).toBe('UNKNOWN_MEMBER_ID')
  await member.close()
  await stranger.commit([{ topic: 't', partition: 0, offset: 1 }])
})

test('offsets go with the topic: one that is created again under the name begins anew, also after a restart', async () => {
  const directory = temporaryDirectory()
  const cluster = await openCluster(directory)
  await fill(cluster, 10, 1)
  await cluster.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 7, metadata: '' }])
  expect(await cluster.admin.listGroups()).toEqual([{ group: 'g', state: 'empty' }])
  await cluster.admin.deleteTopic('t')
  await fill(cluster, 10, 1)
  await cluster.close()
  const again = await openCluster(directory)
  const consumer = again.consumer({ group: 'g', topics: ['t'], value: string, autoCommit: false })
  expect((await take(consumer, 1))[0]?.value).toBe('0')
  expect(await consumer.committed()).toEqual([])
})

test('a group without members forgets the offsets of a deleted topic, and then is none', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  await cluster.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 7, metadata: '' }])
  await cluster.admin.deleteTopic('t')
  const reader = cluster.consumer({ group: 'g' })
  for (let polls = 0; polls < 200 && (await reader.committed()).length > 0; polls++) await reader.poll({ timeoutMillis: 20 })
  expect((await failureOf(() => cluster.admin.describeGroup('g'))).name).toBe('GROUP_ID_NOT_FOUND')
})

test('a subscription to nothing leaves the group with what is processed; another one joins again', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  const revoked: number[] = []
  const options = { group: 'g', value: string, maxPollRecords: 4, heartbeatIntervalMillis: 20 }
  const one = cluster.consumer({ ...options, topics: ['t'], onRevoked: (partitions) => void revoked.push(partitions.length) })
  await take(one, 4)
  await take(one, 4)
  one.subscribe([])
  expect(one.assignment()).toEqual([])
  expect(await one.poll({ timeoutMillis: 50 })).toEqual([])
  const two = cluster.consumer({ ...options, topics: ['t'] })
  expect((await take(two, 4))[0]?.value).toBe('4')
  expect(revoked).toEqual([1])
  await two.close()
  one.subscribe(['t'])
  expect((await take(one, 4))[0]?.value).toBe('4')
})

test('a member that stops asking for records gives up its partitions, and joins again when it asks', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 2)
  const options = { group: 'g', topics: ['t'], value: string, maxPollRecords: 1, heartbeatIntervalMillis: 20 }
  const hanging = cluster.consumer({ ...options, maxPollIntervalMillis: 200 })
  await take(hanging, 2)
  const seen = new Set<string>()
  const other = cluster.consumer(options)
  await settle([other], [2], seen)
  expect(await failureOf(() => hanging.commit())).toMatchObject({ name: 'UNKNOWN_MEMBER_ID' })
  // The first record was asked past, so it is processed; the second was not.
  for (let polls = 0; polls < 500 && seen.size < 9; polls++)
    for (const record of await other.poll({ timeoutMillis: 20 })) seen.add(record.value ?? '')
  expect(seen.size).toBe(9)
  await settle([hanging, other], [1, 1], seen)
})

test('a member that waits for records keeps its partitions', async () => {
  const cluster = await openCluster()
  await fill(cluster, 1, 1)
  const options = { group: 'g', topics: ['t'], value: string, heartbeatIntervalMillis: 20 }
  const revoked: number[] = []
  const waiting = cluster.consumer({
    ...options,
    maxPollIntervalMillis: 50,
    onRevoked: (partitions) => void revoked.push(partitions.length),
  })
  await take(waiting, 1)
  expect(await waiting.poll({ timeoutMillis: 300 })).toEqual([])
  expect(revoked).toEqual([])
})

test('added partitions are found by a running group', async () => {
  const cluster = await openCluster()
  await fill(cluster, 4, 1)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, heartbeatIntervalMillis: 20 })
  await take(consumer, 4)
  await cluster.admin.createPartitions('t', 3)
  await settle([consumer], [3], new Set())
  const producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'new', partition: 2 })
  expect((await take(consumer, 1))[0]).toMatchObject({ value: 'new', partition: 2 })
})

test('a commit for a partition that does not exist is refused as such, and the member goes on', async () => {
  const cluster = await openCluster()
  await fill(cluster, 4, 1)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, autoCommit: false, maxPollRecords: 1 })
  await take(consumer, 1)
  const offsets = [{ topic: 't', partition: 9, offset: 1 }]
  expect(await failureOf(() => consumer.commit(offsets))).toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await consumer.commit([{ topic: 't', partition: 0, offset: 1 }])
  expect(await consumer.committed()).toEqual([{ topic: 't', partition: 0, offset: 1, metadata: '' }])
})
