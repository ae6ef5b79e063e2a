// Groups that speak the classic protocol, as an application sees them: the same promises, whichever assignor they choose.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { ClassicAssignorName, Cluster, Consumer, ConsumerOptions, TopicPartition } from '../../../edge/client/index.ts'
import { hangNode } from '../../../edge/client/testing.ts'
import { failureOf, openCluster, take, temporaryDirectory } from './support.ts'

async function fill(cluster: Cluster, count: number, partitions: number): Promise<void> {
  await cluster.admin.createTopic('t', { partitions })
  const producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic: 't', value: `${n}`, partition: n % partitions })))
  await producer.close()
}

function member(cluster: Cluster, options: ConsumerOptions<Uint8Array, string> = {}): Consumer<Uint8Array, string> {
  const times = { heartbeatIntervalMillis: 20, sessionTimeoutMillis: 5000 }
  return cluster.consumer({ group: 'g', topics: ['t'], value: string, groupProtocol: 'classic', ...times, ...options })
}

/** Polls until each member has so many partitions. */
async function settle(
  members: readonly Consumer<Uint8Array, string>[],
  counts: readonly number[],
  seen: Set<string> = new Set(),
): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    for (const one of members) for (const record of await one.poll({ timeoutMillis: 10 })) seen.add(record.value ?? '')
    const sizes = members.map((one) => one.assignment().length).toSorted((a, b) => a - b)
    if (sizes.join() === counts.join()) return
  }
  throw new Error('the group did not settle')
}

const namesOf = (partitions: readonly TopicPartition[]): string =>
  partitions
    .map(({ partition }) => partition)
    .toSorted((a, b) => a - b)
    .join(' ')

const CHOICES: readonly (readonly ClassicAssignorName[])[] = [
  ['range'],
  ['roundrobin'],
  ['sticky'],
  ['cooperative-sticky'],
  ['range', 'cooperative-sticky'],
]

test.each(CHOICES.map((names) => [names.join(' or '), names] as const))(
  'members share the partitions evenly by %s as they come and go, and nothing is lost',
  async (_, partitionAssignors) => {
    const cluster = await openCluster(temporaryDirectory())
    await fill(cluster, 300, 6)
    const seen = new Set<string>()
    const first = member(cluster, { partitionAssignors })
    await settle([first], [6], seen)
    const second = member(cluster, { partitionAssignors })
    await settle([first, second], [3, 3], seen)
    const third = member(cluster, { partitionAssignors })
    await settle([first, second, third], [2, 2, 2], seen)
    await first.close()
    await settle([second, third], [3, 3], seen)
    while (seen.size < 300) await settle([second, third], [3, 3], seen)
    const { protocol, assignor, state, members } = await cluster.admin.describeGroup('g')
    expect([protocol, assignor, state, members.length]).toEqual(['classic', partitionAssignors[0], 'stable', 2])
    expect(members.map(({ assignment, subscribedTopics }) => [assignment[0]?.partitions.length, subscribedTopics])).toEqual([
      [3, ['t']],
      [3, ['t']],
    ])
  },
)

test('a cooperative member keeps reading what it keeps; an eager one lets go of everything', async () => {
  const cluster = await openCluster()
  await fill(cluster, 4, 4)
  for (const [group, partitionAssignors, revoked] of [
    ['cooperative', ['cooperative-sticky'], 2],
    ['eager', ['sticky'], 4],
  ] as const) {
    const given: TopicPartition[] = []
    const onRevoked = (partitions: readonly TopicPartition[]): void => void given.push(...partitions)
    const first = member(cluster, { group, partitionAssignors, onRevoked })
    await settle([first], [4])
    const second = member(cluster, { group, partitionAssignors })
    await settle([first, second], [2, 2])
    expect(given).toHaveLength(revoked)
  }
})

test('a group goes on where it has committed, whichever protocol it speaks, one at a time', async () => {
  const cluster = await openCluster()
  await fill(cluster, 10, 1)
  const classic = member(cluster, { maxPollRecords: 4 })
  expect(await take(classic, 4)).toHaveLength(4)
  await classic.commit()
  const other = member(cluster, { groupProtocol: 'consumer' })
  expect((await failureOf(() => take(other, 1))).name).toBe('INCONSISTENT_GROUP_PROTOCOL')
  await other.close()
  await classic.close()
  const next = member(cluster, { groupProtocol: 'consumer', maxPollRecords: 1 })
  expect((await take(next, 1))[0]?.value).toBe('4')
  const late = member(cluster)
  expect((await failureOf(() => take(late, 1))).name).toBe('INCONSISTENT_GROUP_PROTOCOL')
  expect((await cluster.admin.describeGroup('g')).protocol).toBe('consumer')
})

test('members without an assignor in common do not come together', async () => {
  const cluster = await openCluster()
  await fill(cluster, 1, 1)
  await take(member(cluster, { partitionAssignors: ['range'] }), 1)
  const stranger = member(cluster, { partitionAssignors: ['sticky'] })
  expect((await failureOf(() => take(stranger, 1))).name).toBe('INCONSISTENT_GROUP_PROTOCOL')
})

test('a static member that is closed and comes back has its partitions again, in the same generation; one of its name is fenced', async () => {
  const cluster = await openCluster()
  await fill(cluster, 8, 4)
  const stays = member(cluster)
  const first = member(cluster, { groupInstanceId: 'i' })
  await settle([stays, first], [2, 2])
  const had = namesOf(first.assignment())
  const { epoch } = await cluster.admin.describeGroup('g')
  await first.close()
  const again = member(cluster, { groupInstanceId: 'i' })
  await settle([again], [2])
  expect([namesOf(again.assignment()), stays.assignment().length]).toEqual([had, 2])
  const second = member(cluster, { groupInstanceId: 'i' })
  await settle([second], [2])
  const commit = (): Promise<void> => again.commit([{ ...second.assignment()[0]!, offset: 1 }])
  expect((await failureOf(commit)).name).toBe('FENCED_INSTANCE_ID')
  expect((await failureOf(() => settle([again], [99]))).name).toBe('FENCED_INSTANCE_ID')
  expect((await failureOf(commit)).name).toBe('FENCED_INSTANCE_ID')
  expect((await cluster.admin.describeGroup('g')).epoch).toBe(epoch)
})

test('whoever was replaced hears that at every poll and commit, however many have come since, until it subscribes again', async () => {
  const cluster = await openCluster()
  await fill(cluster, 8, 1)
  const times = { heartbeatIntervalMillis: 20_000, sessionTimeoutMillis: 60_000 }
  const [first, second, third] = [0, 1, 2].map(() => () => member(cluster, { groupInstanceId: 'i', ...times }))
  const one = first!()
  await settle([one], [1])
  const two = second!()
  await settle([two], [1])
  const three = third!()
  await settle([three], [1])
  for (const former of [one, two]) {
    const commit = (): Promise<void> => former.commit([{ topic: 't', partition: 0, offset: 1 }])
    expect((await failureOf(commit)).name).toBe('FENCED_INSTANCE_ID')
    await expect.poll(() => former.poll({ timeoutMillis: 10 }).catch(({ name }: Error) => name)).toBe('FENCED_INSTANCE_ID')
    for (let n = 0; n < 3; n++) expect((await failureOf(() => former.poll({ timeoutMillis: 10 }))).name).toBe('FENCED_INSTANCE_ID')
    expect((await failureOf(commit)).name).toBe('FENCED_INSTANCE_ID')
  }
  one.subscribe(['t'])
  await settle([one], [1])
})

test('a leader sees new partitions, and a pattern brings the topics that match', async () => {
  const cluster = await openCluster()
  await fill(cluster, 1, 1)
  const one = member(cluster, { topics: /^[tu]$/ })
  await settle([one], [1])
  await cluster.admin.createPartitions('t', 2)
  await settle([one], [2])
  await cluster.admin.createTopic('u')
  await settle([one], [3])
})

test('offsets of a classic group are reset, and the group is deleted, when nobody is in it', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await fill(cluster, 4, 1)
  const one = member(cluster)
  await take(one, 4)
  expect((await failureOf(() => admin.deleteGroup('g'))).name).toBe('NON_EMPTY_GROUP')
  expect((await failureOf(() => admin.resetGroupOffsets('g', 't', 'earliest'))).name).toBe('NON_EMPTY_GROUP')
  expect((await failureOf(() => admin.deleteGroupOffsets('g', [{ topic: 't', partition: 0 }]))).name).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
  await one.close()
  await admin.resetGroupOffsets('g', 't', 'earliest')
  expect(await admin.listGroups()).toEqual([{ group: 'g', state: 'empty' }])
  expect(await admin.describeGroup('g')).toMatchObject({ state: 'empty', protocol: 'classic', members: [] })
  await admin.deleteGroup('g')
  expect(await admin.listGroups()).toEqual([])
})

test('results are there once for each record, although members come and go (KIP-447)', async () => {
  const cluster = await openCluster()
  await fill(cluster, 60, 4)
  await cluster.admin.createTopic('out')
  const enough = new AbortController()
  const handled = new Set<string>()
  const run = async (): Promise<void> => {
    const consumer = member(cluster, { isolationLevel: 'read_committed', partitionAssignors: ['cooperative-sticky'] })
    await consumer.process<Uint8Array, string>(
      (record, outlet) => {
        outlet.write({ topic: 'out', value: record.value })
        handled.add(record.value ?? '')
        if (handled.size === 60) enough.abort()
      },
      { guarantee: 'exactly-once', output: { value: string }, signal: enough.signal },
    )
    await consumer.close()
  }
  await Promise.all([run(), run()])
  const reader = cluster.consumer({ value: string, isolationLevel: 'read_committed' })
  reader.assign([{ topic: 'out', partition: 0 }])
  const results: string[] = []
  for (let tries = 0; tries < 200 && results.length < 60; tries++)
    results.push(...(await reader.poll({ timeoutMillis: 50 })).map(({ value }) => value ?? ''))
  expect(results.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n))
})

test('a member that does not poll leaves, and is one again when it does', async () => {
  const cluster = await openCluster()
  await fill(cluster, 4, 2)
  const slow = member(cluster, { maxPollIntervalMillis: 500 })
  await settle([slow], [2])
  const other = member(cluster)
  await settle([other], [2])
  await settle([slow, other], [1, 1])
})

test('options of the other protocol are refused', async () => {
  const cluster = await openCluster()
  const refused = async (options: ConsumerOptions<Uint8Array, string>): Promise<string> =>
    (await failureOf(() => cluster.consumer({ group: 'g', ...options }))).name
  expect(await refused({ partitionAssignors: ['range'] })).toBe('INVALID_OPTION')
  expect(await refused({ groupProtocol: 'classic', assignor: 'range' })).toBe('INVALID_OPTION')
  expect(await refused({ groupProtocol: 'classic', partitionAssignors: [] })).toBe('INVALID_OPTION')
  expect(await refused({ groupProtocol: 'classic', partitionAssignors: ['range', 'range'] })).toBe('INVALID_OPTION')
  expect(await refused({ groupProtocol: 'classic', partitionAssignors: ['uniform' as 'range'] })).toBe('INVALID_OPTION')
  expect(await refused({ groupProtocol: 'eager' as 'classic' })).toBe('INVALID_OPTION')
})

test('a member that is closed while its coordinator hangs is not waited for', async () => {
  const cluster = await openCluster(temporaryDirectory())
  await fill(cluster, 10, 2)
  const long = { sessionTimeoutMillis: 60_000, rebalanceTimeoutMillis: 60_000 }
  const first = member(cluster, long)
  await settle([first], [2])
  // It waits for the first, which does not poll.
  const passing = member(cluster, long)
  await passing.poll({ timeoutMillis: 200 })
  const goesOn = hangNode(cluster, 0, 1000)
  await passing.poll({ timeoutMillis: 500 })
  await passing.close()
  await goesOn
  await first.poll({ timeoutMillis: 100 })
  await settle([first], [2])
  expect((await cluster.admin.describeGroup('g')).members).toHaveLength(1)
  await cluster.close()
})
