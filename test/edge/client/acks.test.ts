// What a producer promises, call by call.
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Acks } from '../../../edge/client/index.ts'
import { failureOf, openCluster, take } from './support.ts'

test('every call may ask for other acks, and the order in the partition is that of the calls', async () => {
  const cluster = await openCluster(':memory:', { nodes: 3 })
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  const wanted: (Acks | undefined)[] = ['leader', 'none', undefined, 3, 'none', 'none', 'quorum', 1]
  const values = Array.from({ length: 400 }, (_, n) => `value ${n}`)
  const sent = values.map((value, n) => {
    const acks = wanted[(n >> 1) % wanted.length]
    return producer.send({ topic: 't', value }, acks === undefined ? {} : { acks })
  })
  const offsets = (await Promise.all(sent)).map(({ offset }) => offset)
  offsets.forEach((offset, n) => expect(offset, `${n}`).toBe(wanted[(n >> 1) % wanted.length] === 'none' ? -1 : n))
  const consumer = cluster.consumer({ value: string })
  consumer.assign([{ topic: 't', partition: 0 }])
  expect((await take(consumer, 400)).map(({ value }) => value)).toEqual(values)
})

test('a list of records and the lane without promises take them, too', async () => {
  const cluster = await openCluster(':memory:', { nodes: 3 })
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string, acks: 'none' })
  const list = ['a', 'b'].map((value) => ({ topic: 't', value }))
  expect((await producer.send(list, { acks: 'quorum' })).map(({ offset }) => offset)).toEqual([0, 1])
  expect((await producer.send(list)).map(({ offset }) => offset)).toEqual([-1, -1])
  producer.write({ topic: 't', value: 'c' }, { acks: 2 })
  await producer.flush()
  expect((await cluster.admin.listOffsets('t', 'latest')).get(0)).toBe(5)
})

test.each([['all'], [0], [-1], [1.5], [null]])('acks %j are refused at the door', async (acks) => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  const options = { acks: acks as Acks }
  expect((await failureOf(() => producer.send({ topic: 't', value: 'x' }, options))).name).toBe('INVALID_OPTION')
  expect((await failureOf(() => producer.write({ topic: 't', value: 'x' }, options))).name).toBe('INVALID_OPTION')
  expect((await producer.send({ topic: 't', value: 'x' })).offset).toBe(0)
})

test('more acks than there are replicas are refused by the leader', async () => {
  const cluster = await openCluster(':memory:', { nodes: 3 })
  await cluster.admin.createTopic('t', { replicationFactor: 2 })
  const producer = cluster.producer({ value: string })
  const error = await failureOf(() => producer.send({ topic: 't', value: 'x' }, { acks: 3 }))
  expect([error.name, error.message]).toEqual(['INVALID_REQUIRED_ACKS', 't-0: acks 3 is more than the 2 replicas'])
  expect((await producer.send({ topic: 't', value: 'x' }, { acks: 2 })).offset).toBe(0)
})
