// Transactions through the public producer: all or nothing, one at a time, fenced, timed out, with offsets.

import { describe, expect, test } from 'vitest'
import { KafkaError, string } from '../../../edge/client/index.ts'
import type { Consumer } from '../../../edge/client/index.ts'
import type { Transaction } from '../../../edge/client/api.ts'
import { failureOf } from './support.ts'
import { clusterOfTest, producer, read, useCluster } from './transaction-support.ts'

useCluster()

describe('a transaction', () => {
  test('is seen as a whole when it is committed, and by nobody who reads what is committed before', async () => {
    await using p = producer()
    const transaction = await p.beginTransaction()
    await transaction.send({ topic: 't', partition: 0, value: 'a' })
    await transaction.send([
      { topic: 't', partition: 1, value: 'b' },
      { topic: 'u', value: 'c' },
    ])
    expect(await read('t')).toEqual([])
    expect(await read('t', 'read_uncommitted')).toEqual(['a', 'b'])
    await transaction.commit()
    expect(await read('t')).toEqual(['a', 'b'])
    expect(await read('u')).toEqual(['c'])
  })

  test('leaves nothing when its work throws', async () => {
    await using p = producer()
    const broken = p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      transaction.write({ topic: 't', value: 'b' })
      throw new Error('no')
    })
    await expect(broken).rejects.toThrow('no')
    await expect(p.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'c' }))).resolves.toMatchObject({
      partition: 0,
    })
    expect(await read('t')).toEqual(['c'])
  })

  test('is committed with what nobody awaits, and not without it', async () => {
    await using p = producer()
    await p.transaction((transaction) => {
      void transaction.send({ topic: 't', value: 'a' })
      transaction.write({ topic: 't', value: 'b' })
    })
    expect(await read('t')).toEqual(['a', 'b'])
    const failing = p.transaction((transaction) => {
      transaction.write({ topic: 't', value: 'c' })
      transaction.send({ topic: 'nowhere', value: 'd' }).catch(() => undefined)
    })
    await expect(failing).rejects.toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await read('t')).toEqual(['a', 'b'])
  })

  test('may be ended by its work, once', async () => {
    await using p = producer()
    await p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      await transaction.commit()
    })
    await p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'b' })
      await transaction.abort()
    })
    expect(await read('t')).toEqual(['a'])
  })

  test('follows one after the other, many times', async () => {
    await using p = producer()
    for (let i = 0; i < 50; i++)
      await p
        .transaction(async (transaction) => {
          await transaction.send({ topic: 't', value: String(i).padStart(2, '0') })
          if (i % 5 === 0) throw new Error('no')
        })
        .catch(() => undefined)
    const expected = Array.from({ length: 50 }, (_, i) => i).filter((i) => i % 5 !== 0)
    expect(await read('t')).toEqual(expected.map((i) => String(i).padStart(2, '0')))
  })

  test('that is aborted with records on their way leaves no failure to the next one', async () => {
    await using p = producer()
    await p.transaction((transaction) => void transaction.write({ topic: 't', value: 'a' }))
    const aborted = await p.beginTransaction()
    for (let i = 0; i < 20; i++) aborted.write({ topic: 't', partition: i % 2, value: 'b' })
    await aborted.abort()
    await p.transaction((transaction) => void transaction.write({ topic: 't', value: 'c' }))
    expect(await read('t')).toEqual(['a', 'c'])
  })

  test('is over when it is committed or aborted', async () => {
    await using p = producer()
    const transaction = await p.beginTransaction()
    await expect(p.beginTransaction()).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    await transaction.abort()
    await transaction.abort()
    await expect(transaction.send({ topic: 't', value: 'a' })).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    expect(() => transaction.write({ topic: 't', value: 'a' })).toThrow('over')
    await expect(transaction.commit()).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    await (await p.beginTransaction()).commit()
  })

  test('is aborted by the transactor when it takes too long, and the producer goes on', async () => {
    await using p = producer({ transactionTimeoutMillis: 50 })
    const transaction = await p.beginTransaction()
    await transaction.send({ topic: 't', value: 'a' })
    await expect.poll(async () => (await clusterOfTest().admin.listTransactions())[0]?.state, { timeout: 5000 }).toBe('completeAbort')
    await expect(transaction.commit()).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    await transaction.abort()
    await p.transaction((next) => next.send({ topic: 't', value: 'b' }))
    expect(await read('t')).toEqual(['b'])
  })

  test.each(['a record for another partition', 'offsets'])('that took too long says so when it is sent %s', async (what) => {
    await using p = producer({ transactionTimeoutMillis: 50 })
    await using consumer = clusterOfTest().consumer({ group: 'g' })
    const transaction = await p.beginTransaction()
    await transaction.send({ topic: 't', partition: 0, value: 'a' })
    await expect.poll(async () => (await clusterOfTest().admin.listTransactions())[0]?.state, { timeout: 5000 }).toBe('completeAbort')
    const sent =
      what === 'offsets'
        ? transaction.sendOffsets(consumer, [{ topic: 't', partition: 0, offset: 0 }])
        : transaction.send({ topic: 't', partition: 1, value: 'b' })
    const late = { name: 'INVALID_TXN_STATE', message: expect.stringContaining('transactionTimeoutMillis (50)') as string }
    await expect(sent).rejects.toMatchObject(late)
    await expect(transaction.commit()).rejects.toMatchObject(late)
    await transaction.abort()
    await p.transaction((next) => next.send({ topic: 't', value: 'b' }))
  })
})

describe('a producer with a transactional id', () => {
  test('sends in transactions only', async () => {
    await using p = producer()
    await expect(p.send({ topic: 't', value: 'a' })).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    expect(() => p.write({ topic: 't', value: 'a' })).toThrow('outside of a transaction')
    await using plain = clusterOfTest().producer()
    await expect(plain.beginTransaction()).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
  })

  test('is fenced by its successor, which aborts what it left open', async () => {
    await using first = producer()
    const open1 = await first.beginTransaction()
    await open1.send({ topic: 't', value: 'a' })
    await using second = producer()
    await second.transaction((transaction) => transaction.send({ topic: 't', value: 'b' }))
    await expect(open1.commit()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    for (let again = 0; again < 2; again++) {
      await expect(first.beginTransaction()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
      const late = first.transaction((transaction) => transaction.send({ topic: 't', value: 'late' }))
      await expect(late).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    }
    await second.transaction((transaction) => transaction.send({ topic: 't', value: 'c' }))
    expect(await read('t')).toEqual(['b', 'c'])
  })

  test('hears at the commit that it is fenced, also when a record has been refused before', async () => {
    await using first = producer()
    const open1 = await first.beginTransaction()
    await open1.send({ topic: 't', partition: 0, value: 'a' })
    await using second = producer()
    await second.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'b' }))
    await expect(open1.send({ topic: 't', partition: 0, value: 'late' })).rejects.toMatchObject({ name: 'INVALID_PRODUCER_EPOCH' })
    await expect(open1.commit()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    expect(await read('t')).toEqual(['b'])
  })

  test.each(['send', 'write'] as const)('hears that it is fenced from transaction(work), too, after a %s', async (how) => {
    await using former = producer()
    const takeOver = async (): Promise<void> => {
      await using successor = producer()
      await (await successor.beginTransaction()).abort()
    }
    const error = await failureOf(() =>
      former.transaction(async (transaction) => {
        if (how === 'send') await transaction.send({ topic: 't', value: 'a' })
        else transaction.write({ topic: 't', value: 'a' })
        await takeOver()
      }),
    )
    expect(error.name).toBe('PRODUCER_FENCED')
  })

  test('hears from transaction(work) what the work throws, also when it is somebody else who was fenced', async () => {
    await using one = producer()
    const fenced = new KafkaError('PRODUCER_FENCED', 'another producer')
    const work = async (transaction: Transaction<string, string>): Promise<void> => {
      await transaction.send({ topic: 't', value: 'a' })
      throw fenced
    }
    expect(await failureOf(() => one.transaction(work))).toBe(fenced)
  })

  test('hears that it is fenced when a record of its work is refused while that commits', async () => {
    await using former = producer()
    const error = await failureOf(() =>
      former.transaction(async (transaction) => {
        await transaction.send({ topic: 't', value: 'a' })
        await using successor = producer()
        await (await successor.beginTransaction()).abort()
        await Promise.all([transaction.send({ topic: 't', value: 'b' }), transaction.commit()])
      }),
    )
    expect(error.name).toBe('PRODUCER_FENCED')
  })

  test('hears it again at its next transaction when a partition new to this one was refused, and its successor goes on', async () => {
    await using first = producer()
    const open1 = await first.beginTransaction()
    await open1.send({ topic: 't', partition: 0, value: 'a' })
    await using second = producer()
    await second.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'b' }))
    await expect(open1.send({ topic: 't', partition: 1, value: 'late' })).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    await expect(open1.commit()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    await expect(first.beginTransaction()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    await second.transaction((transaction) => transaction.send({ topic: 't', partition: 1, value: 'c' }))
    expect(await read('t')).toEqual(['b', 'c'])
  })

  test.each(['commit', 'abort'] as const)('ends once, however many end it at the same time: %s under way', async (first) => {
    const p = producer()
    const transaction = await p.beginTransaction()
    await transaction.send({ topic: 't', partition: 0, value: 'a' })
    await Promise.all([transaction[first](), transaction.abort(), transaction.abort(), p.close()])
    expect(await read('t')).toEqual(first === 'commit' ? ['a'] : [])
  })

  test('hears that it is fenced at the first record that it sends', async () => {
    await using first = producer()
    await first.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'a' }))
    await using second = producer()
    await second.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'b' }))
    const late = (): Promise<unknown> => first.transaction((transaction) => transaction.send({ topic: 't', partition: 0, value: 'late' }))
    await expect(late()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    await expect(late()).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    await second.transaction((transaction) => transaction.send({ topic: 't', value: 'c' }))
    expect(await read('t')).toEqual(['a', 'b', 'c'])
  })

  test.each([
    [{ transactionalId: '' }],
    [{ acks: 'leader' as const }],
    [{ enableIdempotence: false }],
    [{ transactionTimeoutMillis: 900_001 }, 'INVALID_TRANSACTION_TIMEOUT'],
    [{ transactionTimeoutMillis: 0 }],
  ])('refuses %o', (options, name = 'INVALID_OPTION') => {
    expect(() => producer(options)).toThrow(expect.objectContaining({ name }))
  })

  test('leaves an open transaction to nobody when it is closed', async () => {
    const p = producer()
    await (await p.beginTransaction()).send({ topic: 't', value: 'a' })
    await p.close()
    expect((await clusterOfTest().admin.listTransactions()).map(({ state }) => state)).toEqual(['completeAbort'])
    expect(await read('t')).toEqual([])
  })
})

describe('offsets in a transaction', () => {
  async function polled(consumer: Consumer<unknown, string>, count: number): Promise<string[]> {
    const values: string[] = []
    while (values.length < count) values.push(...(await consumer.poll()).map(({ value }) => value ?? ''))
    return values
  }

  test('that are late when it is aborted are none of the next one', async () => {
    await using p = producer()
    const late = Promise.withResolvers<object>()
    const source = { isOf: () => true, memberOffsets: () => late.promise, markCommitted: () => undefined } as unknown as Consumer
    const aborted = await p.beginTransaction()
    const sent = aborted.sendOffsets(source)
    await aborted.abort()
    const next = await p.beginTransaction()
    late.resolve({ group: 'g', member: null, offsets: [{ topic: 't', partition: 0, offset: 1, metadata: '', topicId: -1 }] })
    await expect(sent).rejects.toMatchObject({ name: 'INVALID_TXN_STATE' })
    await next.commit()
    await expect(clusterOfTest().admin.listGroups()).resolves.toEqual([])
  })

  test('count when it is committed, and not when it is aborted', async () => {
    await using plain = clusterOfTest().producer({ value: string })
    await plain.send(['1', '2', '3'].map((value) => ({ topic: 'u', value })))
    await using p = producer()
    await using consumer = clusterOfTest().consumer({ group: 'g', topics: ['u'], value: string, autoCommit: false })
    expect(await polled(consumer, 3)).toEqual(['1', '2', '3'])
    const aborted = await p.beginTransaction()
    await aborted.sendOffsets(consumer)
    await aborted.abort()
    expect(await consumer.committed()).toEqual([])
    await p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'x' })
      await transaction.sendOffsets(consumer)
    })
    expect(await consumer.committed()).toEqual([{ topic: 'u', partition: 0, offset: 3, metadata: '' }])
  })

  test.each([
    ['a topic', { topic: 'nope', partition: 0 }],
    ['a partition', { topic: 'u', partition: 7 }],
  ])('of %s that is not there are refused by that name, and with them the transaction', async (_, there) => {
    await using plain = clusterOfTest().producer({ value: string })
    await plain.send({ topic: 'u', value: '1' })
    await using p = producer()
    await using consumer = clusterOfTest().consumer({ group: 'g', topics: ['u'], value: string, autoCommit: false })
    expect(await polled(consumer, 1)).toEqual(['1'])
    const missing = { name: 'UNKNOWN_TOPIC_OR_PARTITION' }
    await expect(p.transaction((one) => one.sendOffsets(consumer, [{ ...there, offset: 0 }]))).rejects.toMatchObject(missing)
    expect(await consumer.committed()).toEqual([])
  })

  test('of somebody who is no member while the group has members are refused, and with them the transaction', async () => {
    await using consumer = clusterOfTest().consumer({ group: 'g', topics: ['u'], value: string, autoCommit: false })
    await using outsider = clusterOfTest().consumer({ group: 'g', value: string })
    await using plain = clusterOfTest().producer({ value: string })
    await plain.send({ topic: 'u', value: '1' })
    await polled(consumer, 1)
    await using p = producer()
    const transaction = await p.beginTransaction()
    await transaction.send({ topic: 't', value: 'a' })
    await expect(transaction.sendOffsets(outsider, [{ topic: 'u', partition: 0, offset: 1 }])).rejects.toMatchObject({
      name: 'UNKNOWN_MEMBER_ID',
    })
    await expect(transaction.commit()).rejects.toMatchObject({ name: 'UNKNOWN_MEMBER_ID' })
    await transaction.abort()
    expect(await read('t')).toEqual([])
  })
})
