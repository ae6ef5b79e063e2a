// What a consumer says of what went wrong: that it is said, with which name, and of what.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Consumer, GroupProtocolName } from '../../../edge/client/index.ts'
import { Transactions } from '../../../edge/client/transactions.ts'
import { codeOf } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { failureOf, openCluster, take } from './support.ts'

test('what a listener has thrown is thrown by close, if nobody has asked for records since', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const cause = new Error('no')
  const { promise: isAssigned, resolve: assigned } = Promise.withResolvers<void>()
  const consumer = cluster.consumer({
    group: 'g',
    topics: ['t'],
    value: string,
    onAssigned: () => {
      assigned()
      throw cause
    },
  })
  await isAssigned
  expect(await failureOf(() => consumer.close())).toMatchObject({ name: 'LISTENER_FAILED', cause })
})

test('what a question has thrown already is not thrown by close', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const onAssigned = (): void => {
    throw new Error('no')
  }
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], value: string, onAssigned })
  expect((await failureOf(() => consumer.poll({ timeoutMillis: 10_000 }))).name).toBe('LISTENER_FAILED')
  await consumer.close()
  const lost = cluster.consumer({ group: 'h', topics: ['nowhere'] })
  await lost.close()
})

test.each(['consumer', 'classic'] as const)('a commit says which partition there is not (%s)', async (groupProtocol) => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t', { partitions: 2 })
  const consumer = cluster.consumer({ group: 'g', groupProtocol })
  const offsetOf = (topic: string, partition: number) => ({ topic, partition, offset: 0 }) as const
  const refused = (topic: string, partition: number) => failureOf(() => consumer.commit([offsetOf('t', 0), offsetOf(topic, partition)]))
  expect(await refused('t', 2)).toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION', message: expect.stringContaining('t-2') as string })
  expect(await refused('u', 0)).toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION', message: expect.stringContaining('u-0') as string })
  await consumer.commit([offsetOf('t', 0), offsetOf('t', 1)])
})

test.each([
  ['consumer', 'STALE_MEMBER_EPOCH'],
  ['classic', 'ILLEGAL_GENERATION'],
] as const)('offsets of what others hold are refused to a transaction as to a commit (%s)', async (protocol: GroupProtocolName, name) => {
  const refused = { errorCode: codeOf('FENCED_MEMBER_EPOCH'), errorMessage: 't-0 is not assigned' }
  const source = {
    isOf: () => true,
    memberOffsets: () => Promise.resolve({ group: 'g', protocol, member: { memberId: 'm', memberEpoch: 1 }, offsets: [] }),
    markCommitted: () => undefined,
  }
  // The group answers what the client could not know: that the partitions have just gone.
  const send = (message: Message): void => {
    if (message.kind !== 'beginTransaction' && message.kind !== 'sendOffsets') return
    const outcome = message.kind === 'sendOffsets' ? refused : { errorCode: 0, errorMessage: null }
    transactions.onResult({ kind: 'transactionResult', correlationId: message.correlationId, ...outcome })
  }
  const transactions = new Transactions({ flush: () => Promise.resolve() } as never, () => ({ send }) as never)
  const transaction = await transactions.begin()
  const expected = { name, message: 't-0 is not assigned' }
  expect(await failureOf(() => transaction.sendOffsets(source as never))).toMatchObject(expected)
  expect(await failureOf(() => transaction.commit())).toMatchObject(expected)
})

test.each([0, 200])('who subscribes anew hears nothing of what was wrong before, known or not (%i ms)', async (millis) => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  await using consumer = cluster.consumer({ group: 'g', topics: ['nowhere'], value: string })
  if (millis > 0) await new Promise((resolve) => setTimeout(resolve, millis))
  consumer.subscribe(['t'])
  expect(await consumer.poll({ timeoutMillis: 200 })).toEqual([])
})

test.each(['consumer', 'classic'] as const)(
  'a member that knows no offset to begin at says so until it has sought one (%s)',
  async (groupProtocol) => {
    const cluster = await openCluster()
    await cluster.admin.createTopic('t')
    await cluster.producer({ value: string }).send(['a', 'b', 'c'].map((value) => ({ topic: 't', value })))
    const partition = { topic: 't', partition: 0 }
    const told: string[] = []
    const consumer = cluster.consumer({
      group: 'g',
      groupProtocol,
      topics: ['t'],
      value: string,
      autoOffsetReset: 'none',
      onAssigned: () => void told.push('assigned'),
      onRevoked: () => void told.push('revoked'),
    })
    const questions = [
      () => consumer.poll({ timeoutMillis: 10_000 }),
      () => consumer.poll({ timeoutMillis: 10_000 }),
      () => consumer[Symbol.asyncIterator]().next(),
      () => consumer.process(() => undefined),
      () => consumer.poll({ timeoutMillis: 0 }),
    ]
    for (const ask of questions) expect(await failureOf(ask)).toMatchObject({ name: 'OFFSET_OUT_OF_RANGE' })
    expect(consumer.assignment()).toEqual([partition])
    expect(consumer.position(partition)).toBeUndefined()
    await consumer.commit()
    expect(await consumer.committed()).toEqual([])
    consumer.seek(partition, 1)
    expect((await take(consumer, 2)).map(({ value }) => value)).toEqual(['b', 'c'])
    await consumer.close()
    expect(told).toEqual(['assigned', 'revoked'])
  },
)

test.each(['consumer', 'classic'] as const)(
  'what a listener seeks is where a member begins that knew no offset (%s)',
  async (groupProtocol) => {
    const cluster = await openCluster()
    await cluster.admin.createTopic('t')
    await cluster.producer({ value: string }).send(['a', 'b', 'c'].map((value) => ({ topic: 't', value })))
    const consumer: Consumer<Uint8Array, string> = cluster.consumer({
      group: 'g',
      groupProtocol,
      topics: ['t'],
      value: string,
      autoOffsetReset: 'none',
      onAssigned: (partitions) => {
        for (const one of partitions) consumer.seek(one, 2)
      },
    })
    expect((await take(consumer, 1)).map(({ value }) => value)).toEqual(['c'])
  },
)

test.each(['consumer', 'classic'] as const)(
  'a partition whose beginning was never found can go to another member (%s)',
  async (groupProtocol) => {
    const cluster = await openCluster()
    await cluster.admin.createTopic('t')
    const settings = { group: 'g', groupProtocol, topics: ['t'], autoOffsetReset: 'none', heartbeatIntervalMillis: 50 } as const
    const first = cluster.consumer(settings)
    await failureOf(() => first.poll({ timeoutMillis: 10_000 }))
    first.subscribe([])
    expect(await first.poll({ timeoutMillis: 0 })).toEqual([])
    const second = cluster.consumer(settings)
    expect(await failureOf(() => second.poll({ timeoutMillis: 10_000 }))).toMatchObject({ name: 'OFFSET_OUT_OF_RANGE' })
    expect(first.assignment()).toEqual([])
    expect(second.assignment()).toHaveLength(1)
  },
)

test.each([
  ['consumer', 'INCONSISTENT_GROUP_PROTOCOL', { groupProtocol: 'classic' }, {}],
  ['classic', 'INCONSISTENT_GROUP_PROTOCOL', {}, { groupProtocol: 'classic' }],
  ['consumer', 'UNRELEASED_INSTANCE_ID', { groupInstanceId: 'i' }, { groupInstanceId: 'i' }],
] as const)('a commit of a member that the group (%s) refuses is refused at once: %s', async (_, name, options, others) => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  await cluster.producer({ value: string }).send({ topic: 't', value: 'a' })
  const holder = cluster.consumer({ group: 'g', topics: ['t'], ...others })
  await take(holder, 1)
  const consumer = cluster.consumer({ group: 'g', topics: ['t'], sessionTimeoutMillis: 1_800_000, ...options })
  const offsets = [{ topic: 't', partition: 0, offset: 1 }]
  for (let again = 0; again < 2; again++)
    expect(await failureOf(() => consumer.commit(offsets))).toMatchObject({
      name,
      message: expect.stringMatching(/^the commit was refused/) as string,
    })
  await consumer.close()
})
