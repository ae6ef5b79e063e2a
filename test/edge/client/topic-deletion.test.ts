// What becomes of records that are under way when their topic is deleted.
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import { openCluster, temporaryDirectory } from './support.ts'

test('what is under way when its topic is deleted fails soon, whatever the time-outs are', async () => {
  const cluster = await openCluster(temporaryDirectory(), { nodes: 3 })
  for (let round = 0; round < 5; round++) {
    await cluster.admin.createTopic('t')
    const producer = cluster.producer({ value: string, requestTimeoutMillis: 100_000, deliveryTimeoutMillis: 200_000 })
    const names = new Set<string>()
    const sent: Promise<unknown>[] = []
    const isOver = new AbortController()
    const sending = (async () => {
      while (!isOver.signal.aborted) {
        sent.push(producer.send({ topic: 't', value: 'x' }).catch(({ name }: Error) => names.add(name)))
        await turn()
      }
    })()
    await sleep(20)
    await cluster.admin.deleteTopic('t')
    isOver.abort()
    await sending
    await Promise.all(sent)
    expect([...names].filter((name) => name !== 'UNKNOWN_TOPIC_OR_PARTITION')).toEqual([])
    await producer.close()
  }
})

test('offsets that somebody commits for a group of whose topics it consumes none go with their topic, also in transactions', async () => {
  const cluster = await openCluster(':memory:')
  await using outsider = cluster.consumer({ group: 'g' })
  await using producer = cluster.producer({ value: string, transactionalId: 'x' })
  const place = { topic: 't', partition: 0 }
  const send = (offset: number): Promise<void> =>
    producer.transaction((transaction) => transaction.sendOffsets(outsider, [{ ...place, offset }]))
  const commit = (offset: number): Promise<void> => outsider.commit([{ ...place, offset }])
  for (const put of [send, commit]) {
    await expect(put(1)).rejects.toMatchObject({ name: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await cluster.admin.createTopic('t')
    await put(1)
    await cluster.admin.deleteTopic('t')
    await expect.poll(() => outsider.committed(), { timeout: 10_000 }).toEqual([])
    await cluster.admin.createTopic('t')
    await put(2)
    await sleep(1500)
    expect(await outsider.committed()).toMatchObject([{ offset: 2 }])
    await cluster.admin.deleteTopic('t')
  }
})
