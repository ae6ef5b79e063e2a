// Records that a producer cannot put into a batch yet: they wait in order, and so many of them, or so many bytes, that a process lives on.
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BACKLOG_BYTES_MAX, RecordBacklog } from '../../../edge/client/record-backlog.ts'
import type { BacklogEntry } from '../../../edge/client/record-backlog.ts'
import type { KnownTopic } from '../../../edge/client/known-topic.ts'
import { failureOf } from './support.ts'

/** A record that says that it is so large. */
function record(topic: string, sizeBytes: number): BacklogEntry<Uint8Array, Uint8Array> {
  const value = { length: sizeBytes } as Uint8Array
  const encoded = { record: { topic, value }, key: null, value, headers: undefined, timestamp: 1 }
  return { encoded, waiter: null, acks: 'quorum' }
}

test('bytes that wait are limited, and count no more when they are taken out, or have failed', async () => {
  const known = new Map<string, KnownTopic>()
  const taken: string[] = []
  const backlog: RecordBacklog<Uint8Array, Uint8Array> = new RecordBacklog<Uint8Array, Uint8Array>({
    patienceMillis: 60_000,
    topicNamed: (name) => known.get(name),
    describe: () => new Promise(() => undefined),
    learn: () => undefined,
    hasSpace: () => true,
    append: (_topic, { encoded }) => taken.push(encoded.record.topic) > 0,
    renew: () => Promise.resolve(true),
    fail: () => undefined,
    worked: () => undefined,
  })
  const half = BACKLOG_BYTES_MAX / 2
  backlog.push(record('known', half))
  backlog.checkRoom()
  backlog.push(record('unknown', half))
  const refused = await failureOf(() => backlog.checkRoom())
  expect([refused.name, refused.message]).toEqual(['BUFFER_EXHAUSTED', expect.stringMatching(/^2 records of 10737\d+ bytes wait already/)])
  known.set('known', {} as KnownTopic)
  backlog.workOff()
  expect([taken, backlog.length]).toEqual([['known'], 1])
  backlog.checkRoom()
  backlog.push(record('unknown', half))
  expect((await failureOf(() => backlog.checkRoom())).name).toBe('BUFFER_EXHAUSTED')
  backlog.failAll(refused, 'unknown')
  expect(backlog.length).toBe(0)
  backlog.checkRoom()
})

test('a record whose partition is not there waits for one look that began after it, with all behind it', async () => {
  const looks: (() => void)[] = []
  const [taken, failed]: [number[], string[]] = [[], []]
  let partitionCount = 1
  const topic = { metadata: { topic: 't', partitions: [{}] } } as unknown as KnownTopic
  const backlog: RecordBacklog<Uint8Array, Uint8Array> = new RecordBacklog<Uint8Array, Uint8Array>({
    patienceMillis: 60_000,
    topicNamed: () => topic,
    describe: () => new Promise(() => undefined),
    learn: () => undefined,
    hasSpace: () => true,
    append: (_topic, { encoded }) => (encoded.record.partition ?? 0) < partitionCount && taken.push(encoded.record.partition ?? 0) > 0,
    renew: () => new Promise((resolve) => looks.push(() => resolve(true))),
    fail: ({ message }) => failed.push(message),
    worked: () => undefined,
  })
  const push = (partition: number): void => {
    const entry = record('t', 1)
    backlog.push({ ...entry, encoded: { ...entry.encoded, record: { ...entry.encoded.record, partition } } })
  }
  push(2)
  backlog.workOff()
  push(0)
  push(1)
  backlog.workOff()
  expect([taken, failed, looks.length]).toEqual([[], [], 1])
  looks[0]!()
  await turn()
  expect([taken, failed, looks.length]).toEqual([[0], ['t has partitions 0 to 0, not 2'], 2])
  partitionCount = 2
  looks[1]!()
  await turn()
  expect([taken, backlog.length, looks.length]).toEqual([[0, 1], 0, 2])
})
