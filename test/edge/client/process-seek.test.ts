// Applications that seek while they process: nothing is handled twice or skipped because of that.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { string } from '../../../edge/client/index.ts'
import type { Cluster, Consumer, ConsumerRecord, Guarantee, Outlet, ProcessOptions } from '../../../edge/client/index.ts'
import { results } from './process-support.ts'
import { openCluster } from './support.ts'

const PLACE = { topic: 'in', partition: 0 }
const RECORDS = 20

async function openFilled(): Promise<Cluster> {
  const cluster = await openCluster()
  await cluster.admin.createTopic('in', { partitions: 2 })
  await cluster.admin.createTopic('out')
  await using producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: RECORDS }, (_, n) => ({ ...PLACE, value: `${n}` })))
  return cluster
}

function optionsOf(guarantee: Guarantee, signal: AbortSignal): ProcessOptions<Uint8Array, string, Uint8Array, string> {
  const options = { guarantee, output: { value: string }, signal } as const
  return guarantee === 'effectively-once' ? { ...options, deduplicateBy: ({ value, offset }) => `${value} ${offset}` } : options
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n)
}

/** Handles all records up to the last one, and a little longer; seeks once, when the fifth is in work. */
async function processed(
  cluster: Cluster,
  consumer: Consumer<Uint8Array, string>,
  guarantee: Guarantee,
  seek: () => unknown,
): Promise<number[]> {
  const end = new AbortController()
  const values: number[] = []
  await consumer.process<Uint8Array, string>(
    async ({ value }: ConsumerRecord<Uint8Array, string>, outlet: Outlet<Uint8Array, string>) => {
      values.push(Number(value))
      outlet.write({ topic: 'out', value: value ?? '' })
      if (value === '5' && values.filter((one) => one === 5).length === 1) await seek()
      if (Number(value) === RECORDS - 1) setTimeout(() => end.abort(), 200)
    },
    optionsOf(guarantee, end.signal),
  )
  expect(await results(cluster)).toEqual(values)
  return values
}

describe.each(['at-most-once', 'at-least-once', 'effectively-once', 'exactly-once'] as const)('%s', (guarantee) => {
  test.each([15, 6, 3])('a handler that seeks at offset 5 to %i is given what is there, and nothing in between', async (offset) => {
    const cluster = await openFilled()
    await using one = cluster.consumer({ group: 'g', topics: ['in'], value: string })
    const seen = await processed(cluster, one, guarantee, () => one.seek(PLACE, offset))
    // What effectively once knows it leaves out.
    const back = guarantee === 'effectively-once' ? 6 : offset
    expect(seen).toEqual([...range(0, 6), ...range(Math.max(back, offset), RECORDS)])
    expect(await one.committed([PLACE])).toMatchObject([{ offset: RECORDS }])
  })

  test('who seeks, and ends, goes on there, as does who comes after it', async () => {
    const cluster = await openFilled()
    const one = cluster.consumer({ group: 'g', topics: ['in'], value: string })
    const end = new AbortController()
    await one.process<Uint8Array, string>(
      () => {
        one.seek(PLACE, 12)
        end.abort()
      },
      optionsOf(guarantee, end.signal),
    )
    expect(await one.committed([PLACE])).toMatchObject([{ offset: 12 }])
    await one.close()
    await using other = cluster.consumer({ group: 'g', topics: ['in'], value: string })
    expect(await processed(cluster, other, guarantee, () => undefined)).toEqual(range(12, RECORDS))
  })

  test('somebody else who seeks is given what is there, and the group hears of it', async () => {
    const cluster = await openFilled()
    await using one = cluster.consumer({ group: 'g', topics: ['in'], value: string })
    const end = new AbortController()
    const values: number[] = []
    const running = one.process<Uint8Array, string>(({ value }) => void values.push(Number(value)), optionsOf(guarantee, end.signal))
    await expect.poll(() => values.length).toBe(RECORDS)
    await sleep(150)
    one.seek(PLACE, 18)
    await expect.poll(() => values.length).toBe(guarantee === 'effectively-once' ? RECORDS : RECORDS + 2)
    one.seek({ ...PLACE, partition: 1 }, 0)
    one.seek(PLACE, RECORDS)
    await sleep(200)
    end.abort()
    await running
    expect(values).toEqual([...range(0, RECORDS), ...(guarantee === 'effectively-once' ? [] : [18, 19])])
    // The keys of the other partition are not known yet, and must not be forgotten.
    expect(await one.committed()).toHaveLength(guarantee === 'effectively-once' ? 1 : 2)
  })
})
