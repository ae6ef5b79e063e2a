// What transaction(work) says when its work is done: that it is committed, or why it is not.

import { describe, expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import { clusterOfTest, producer, read, useCluster } from './transaction-support.ts'

useCluster()

describe('a transaction', () => {
  test('that its work ends without awaiting that has come to its end when it resolves', async () => {
    await using p = producer()
    await p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      void transaction.commit()
    })
    expect(await read('t')).toEqual(['a'])
    await p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'b' })
      void transaction.abort()
    })
    const failing = p.transaction((transaction) => {
      transaction.send({ topic: 'nowhere', value: 'c' }).catch(() => undefined)
      transaction.commit().catch(() => undefined)
    })
    await expect(failing).rejects.toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await read('t')).toEqual(['a'])
  })

  test.each([null, undefined, 5])('is not begun when its work is %j', async (work) => {
    await using p = producer()
    const refusal = { name: 'INVALID_REQUEST', message: expect.stringMatching(/^transaction takes a function/) as string }
    await expect(p.transaction(work as never)).rejects.toMatchObject(refusal)
    await p.transaction((transaction) => transaction.send({ topic: 't', value: 'a' }))
    expect(await read('t')).toEqual(['a'])
  })

  test.each(['producer', 'cluster'])('says that it is not committed when its %s is closed while the work goes on', async (what) => {
    const p = producer()
    const told = p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      await (what === 'producer' ? p.close() : clusterOfTest().close())
      return 'done'
    })
    await expect(told).rejects.toMatchObject({ name: 'CLIENT_CLOSED' })
    if (what === 'producer') expect(await read('t')).toEqual([])
  })

  test('says that it is not committed when its producer begins to be closed at the end of the work, unless it was before', async () => {
    const p = producer()
    const told = p.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      void p.close()
    })
    await expect(told).rejects.toMatchObject({ name: 'CLIENT_CLOSED' })
    const other = producer()
    await other.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'b' })
      await transaction.commit()
      await other.close()
    })
    expect(await read('t')).toEqual(['b'])
  })

  test('says that it is not committed when its work has not looked at the commit of one that was fenced', async () => {
    await using former = producer()
    const told = former.transaction(async (transaction) => {
      await transaction.send({ topic: 't', value: 'a' })
      await using successor = producer()
      await (await successor.beginTransaction()).abort()
      await transaction.commit().catch(() => undefined)
    })
    await expect(told).rejects.toMatchObject({ name: 'PRODUCER_FENCED' })
    expect(await read('t')).toEqual([])
  })
})
describe('offsets', () => {
  test.each(['a member', 'assigned by hand'])('of a consumer of another cluster are refused: %s', async (how) => {
    await using other = await open(':memory:')
    await other.admin.createTopic('t')
    await using feeder = other.producer({ value: string })
    await feeder.send({ topic: 't', value: 'a' })
    await using consumer = other.consumer({ group: 'g', value: string, autoCommit: false })
    if (how === 'a member') consumer.subscribe(['t'])
    else consumer.assign([{ topic: 't', partition: 0 }])
    while ((await consumer.poll()).length === 0);
    await using p = producer()
    const refusal = { name: 'INVALID_REQUEST', message: 'sendOffsets takes a consumer of this cluster, not of another one' }
    await expect(p.transaction((transaction) => transaction.sendOffsets(consumer))).rejects.toMatchObject(refusal)
    expect(await clusterOfTest().admin.listGroups()).toEqual([])
  })
})
