// What consumer.process finds of its consumer, what ends it, and what it leaves behind.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerOptions } from '../../../edge/client/index.ts'
import { askedForPartitions, failureOf, openCluster, take } from './support.ts'

async function openFilled(count: number): Promise<Cluster> {
  const cluster = await openCluster()
  await cluster.admin.createTopic('in')
  await fill(cluster, count)
  return cluster
}

async function fill(cluster: Cluster, count: number): Promise<void> {
  await using producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: count }, (_, n) => ({ topic: 'in', value: `${n}` })))
}

function member(cluster: Cluster, options: ConsumerOptions<Uint8Array, string> = {}): Consumer<Uint8Array, string> {
  return cluster.consumer({ group: 'g', topics: ['in'], value: string, heartbeatIntervalMillis: 20, ...options })
}

async function committed(cluster: Cluster): Promise<number | null | undefined> {
  return (await cluster.admin.describeGroup('g')).lags[0]?.committed
}

/** Processes until the handler, which awaits nothing, has seen so many records; how many it has seen in the end. */
async function processSome(one: Consumer<Uint8Array, string>, count: number, end: (controller: AbortController) => void): Promise<number> {
  const controller = new AbortController()
  let seen = 0
  await one.process(() => void (++seen === count && end(controller)), { signal: controller.signal })
  return seen
}

test.each(['poll', 'records'] as const)('a consumer that is asked for records again (%s) commits by itself again', async (how) => {
  const cluster = await openFilled(10)
  await using one = member(cluster, { autoCommitIntervalMillis: 20 })
  await processSome(one, 10, (controller) => controller.abort())
  expect(await committed(cluster)).toBe(10)
  await fill(cluster, 5)
  if (how === 'poll') {
    await take(one, 5)
    await one.poll({ timeoutMillis: 0 })
  } else {
    let count = 0
    for await (const _ of one) if (++count === 5) break
    await one.poll({ timeoutMillis: 0 })
  }
  await expect.poll(() => committed(cluster)).toBe(15)
})

test('who is refused a processing commits by itself as before', async () => {
  const cluster = await openFilled(10)
  const one = member(cluster)
  await take(one, 10)
  await one.poll({ timeoutMillis: 0 })
  await expect(one.process(() => undefined, { guarantee: 'sometimes' as never })).rejects.toMatchObject({ name: 'INVALID_OPTION' })
  await one.close()
  expect(await committed(cluster)).toBe(10)
})

test('a consumer that did not ask for records for too long is a member again when it processes', async () => {
  const cluster = await openFilled(10)
  await using one = member(cluster, { maxPollIntervalMillis: 1000 })
  await take(one, 10)
  await expect.poll(async () => (await cluster.admin.describeGroup('g')).members, { timeout: 10_000 }).toEqual([])
  await expect(one.commit()).rejects.toMatchObject({ name: 'UNKNOWN_MEMBER_ID' })
  expect(await processSome(one, 10, (controller) => controller.abort())).toBe(10)
  expect(await committed(cluster)).toBe(10)
})

test('the signal, and close, end a processing behind the record in work, also when its handler awaits nothing', async () => {
  const cluster = await openFilled(200)
  await using one = member(cluster)
  expect(await processSome(one, 3, (controller) => controller.abort())).toBe(3)
  expect(await committed(cluster)).toBe(3)
  expect(await processSome(one, 4, () => void one.close())).toBe(4)
  await one.close()
  expect(await committed(cluster)).toBe(7)
})

test('who is assigned by hand when it processes already hears that the members of the group commit, and nobody else', async () => {
  const cluster = await openFilled(10)
  await using other = member(cluster)
  await take(other, 10)
  await using one = cluster.consumer({ group: 'g', value: string })
  const running = one.process(() => undefined)
  one.assign([{ topic: 'in', partition: 0 }])
  one.seek({ topic: 'in', partition: 0 }, 0)
  await expect(running).rejects.toMatchObject({ name: 'UNKNOWN_MEMBER_ID' })
})

test('what was polled before a processing is committed when that begins, whatever it handles', async () => {
  const cluster = await openFilled(10)
  await using one = member(cluster)
  await take(one, 10)
  await one.process(() => undefined, { signal: AbortSignal.timeout(50) }).catch(() => undefined)
  await one.close()
  expect(await committed(cluster)).toBe(10)
})

test('nobody else commits what a processing has in work, and no other poll takes records from it', async () => {
  const cluster = await openFilled(0)
  await using one = member(cluster)
  const polled = failureOf(() => one.poll({ timeoutMillis: 10_000 }))
  const controller = new AbortController()
  const said: string[] = []
  const processed = one.process(
    async () => {
      said.push((await failureOf(() => one.commit())).name)
      if (said.length === 3) controller.abort()
    },
    { signal: controller.signal },
  )
  await fill(cluster, 3)
  expect((await polled).name).toBe('INVALID_REQUEST')
  await processed
  expect(said).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST', 'INVALID_REQUEST'])
  expect(await committed(cluster)).toBe(3)
})

test.each(['poll', 'close', 'abort'] as const)(
  'what a processing has polled and not handled of a partition that is to go is committed by nobody (%s)',
  async (how) => {
    const cluster = await openFilled(10)
    const eager = { groupProtocol: 'classic', partitionAssignors: ['range'] } as const
    // Otherwise the consumer commits by itself.
    const onRevoked = how === 'close' ? () => one.commit() : () => undefined
    const one = member(cluster, { ...eager, onRevoked, onLost: () => undefined })
    const controller = new AbortController()
    let running: Promise<unknown> = Promise.resolve()
    const processing = one.process(
      async ({ value }) => {
        if (value !== '4') return
        running = member(cluster, eager).poll({ timeoutMillis: 2000 })
        await askedForPartitions(cluster)
        if (how !== 'abort') throw new Error('broken')
        controller.abort()
      },
      { signal: controller.signal },
    )
    if (how === 'abort') await processing
    else await expect(processing).rejects.toThrow('broken')
    if (how === 'close') await one.close()
    else await one.poll({ timeoutMillis: 200 })
    await running
    await one.close()
    expect((await committed(cluster)) ?? 0).toBe(how === 'abort' ? 5 : 0)
  },
)

test('what a processing that is closed has not handled is committed by nobody, whatever the listener commits', async () => {
  const cluster = await openFilled(10)
  const one = member(cluster, { onRevoked: () => one.commit() })
  const closing: Promise<void>[] = []
  await one.process(({ value }) => void (value === '4' && closing.push(one.close())))
  await Promise.all(closing)
  expect(await committed(cluster)).toBe(5)
})

test.each(['at-least-once', 'effectively-once', 'exactly-once'] as const)(
  'a processing (%s) whose handler is at work for longer than the cluster waits ends with CLIENT_CLOSED when that returns, and sends nothing any more',
  async (guarantee) => {
    const cluster = await openFilled(1)
    await cluster.admin.createTopic('out')
    const one = member(cluster, { rebalanceTimeoutMillis: 50 })
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const late: string[] = []
    const processing = one.process<Uint8Array, string>(
      async (_, outlet) => {
        outlet.write({ topic: 'out', value: 'early' })
        reached.resolve()
        await gate.promise
        late.push((await failureOf(() => outlet.send({ topic: 'out', value: 'late' }))).name)
        late.push((await failureOf(() => outlet.write({ topic: 'out', value: 'late' }))).name)
      },
      { guarantee, output: { value: string }, ...(guarantee === 'effectively-once' ? { deduplicateBy: ({ value }) => value ?? '' } : {}) },
    )
    await reached.promise
    await cluster.close()
    gate.resolve()
    expect((await failureOf(() => processing)).name).toBe('CLIENT_CLOSED')
    expect(late).toEqual(['CLIENT_CLOSED', 'CLIENT_CLOSED'])
  },
)

test('whoever uses a transaction of a producer that is closed hears so', async () => {
  const cluster = await openFilled(0)
  await using one = member(cluster)
  const producer = cluster.producer({ transactionalId: 't', value: string })
  const transaction = await producer.beginTransaction()
  await producer.close()
  const uses = [
    () => transaction.send({ topic: 'in', value: 'x' }),
    () => transaction.write({ topic: 'in', value: 'x' }),
    () => transaction.drained(),
    () => transaction.sendOffsets(one, []),
    () => transaction.commit(),
  ]
  for (const use of uses) expect((await failureOf(use)).name).toBe('CLIENT_CLOSED')
  await transaction.abort()
})
