// Administration: what is not there, and what is asked twice.
import { expect, test } from 'vitest'
import { AdminClient } from '../../../edge/client/admin.ts'
import { string } from '../../../edge/client/index.ts'
import type { NodeActions } from '../../../edge/client/node-admin.ts'
import { openRequests } from '../../../edge/client/requests.ts'
import type { Requests } from '../../../edge/client/requests.ts'
import { COORDINATOR_ACTOR } from '../../../protocol/address.ts'
import { codeOf, KafkaError, NONE } from '../../../protocol/errors.ts'
import { CallerLoop } from '../../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../../runtime/doorbell.ts'
import { ThreadRuntime } from '../../../runtime/thread-runtime.ts'
import type { NodeSetup } from '../../../runtime/thread-runtime.ts'
import { topicsAnswer } from '../../actors/metadata.ts'
import { failureOf, openCluster, take } from './support.ts'

const NO_ACTIONS: NodeActions = {
  ids: () => [0],
  startCoordinator: () => Promise.resolve(),
  noteVoters: () => undefined,
  stopNode: () => Promise.resolve(),
  restartNode: () => Promise.resolve(),
  forgetNode: () => undefined,
}

test('a group without members and offsets is not found, and describing it does not make it', async () => {
  const { admin } = await openCluster()
  for (let times = 0; times < 2; times++) {
    expect((await failureOf(() => admin.describeGroup('nobody'))).name).toBe('GROUP_ID_NOT_FOUND')
    expect(await admin.listGroups()).toEqual([])
  }
})

test('a group id that does not print is refused by all who take one', async () => {
  const cluster = await openCluster()
  for (const id of ['', 'a\nb', 'g'.repeat(32_768)]) {
    expect((await failureOf(() => cluster.admin.describeGroup(id))).name).toBe('INVALID_GROUP_ID')
    expect((await failureOf(() => cluster.admin.alterGroupOffsets(id, []))).name).toBe('INVALID_GROUP_ID')
    expect((await failureOf(() => cluster.consumer({ group: id }))).name).toBe('INVALID_GROUP_ID')
  }
})

test('a group is found while it has a member, and by its offsets', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const consumer = cluster.consumer({ group: 'reading', topics: ['t'] })
  await consumer.poll({ timeoutMillis: 1000 })
  expect((await cluster.admin.describeGroup('reading')).members).toHaveLength(1)
  await consumer.close()
  await cluster.admin.alterGroupOffsets('committed', [{ topic: 't', partition: 0, offset: 0, metadata: '' }])
  expect((await cluster.admin.describeGroup('committed')).offsets).toHaveLength(1)
})

const OUTCOMES = ['TOPIC_ALREADY_EXISTS', 'UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION', 'NONE'] as const

test.each(OUTCOMES)('%s after an attempt without an answer is success if that attempt may be why', async (outcome) => {
  expect(await outcomesOf(outcome, 0)).toEqual({ create: outcome, createIfNotExists: ifNot('TOPIC_ALREADY_EXISTS'), delete: outcome })
  expect(await outcomesOf(outcome, 1)).toEqual({
    create: ifNot('TOPIC_ALREADY_EXISTS'),
    createIfNotExists: ifNot('TOPIC_ALREADY_EXISTS'),
    delete: ifNot('UNKNOWN_TOPIC_OR_PARTITION'),
  })

  function ifNot(done: string): string {
    return outcome === done ? 'NONE' : outcome
  }
})

test.each([
  [false, 'TOPIC_ALREADY_EXISTS'],
  [true, 'NONE'],
])(
  'a coordinator that does not lead (any more) is left, and its answer counts as lost if it was writing: %s',
  async (isUncertain, create) => {
    expect(await outcomesOf('TOPIC_ALREADY_EXISTS', 1, isUncertain)).toMatchObject({ create })
  },
)

test('partitions that an attempt without an answer has added are there; other counts are refused all the same', async () => {
  const outcomes = async (lost: number, count: number): Promise<string> => {
    const { admin, close } = adminOf(codeOf('INVALID_PARTITIONS'), lost, null)
    const failure = await admin.createPartitions('t', count).then(
      () => 'NONE',
      (error: unknown) => (error as KafkaError).name,
    )
    await close()
    return failure
  }
  expect(await outcomes(1, 2)).toBe('NONE')
  expect(await outcomes(0, 2)).toBe('INVALID_PARTITIONS')
  expect(await outcomes(1, 1)).toBe('INVALID_PARTITIONS')
})

/** What the calls come to when the first `lost` attempts get no answer (their node dies) or are refused, and the next gets that one. */
async function outcomesOf(
  outcome: (typeof OUTCOMES)[number],
  lost: number,
  isUncertain: boolean | null = null,
): Promise<Record<string, string>> {
  const result = async (call: (admin: AdminClient) => Promise<void>): Promise<string> => {
    const { admin, close } = adminOf(outcome === 'NONE' ? NONE : codeOf(outcome), lost, isUncertain)
    try {
      await call(admin)
      return 'NONE'
    } catch (error) {
      return error instanceof KafkaError ? error.name : String(error)
    } finally {
      await close()
    }
  }
  return {
    create: await result((admin) => admin.createTopic('t')),
    createIfNotExists: await result((admin) => admin.createTopic('t', { ifNotExists: true })),
    delete: await result((admin) => admin.deleteTopic('t')),
  }
}

/** An administration whose coordinator is an actor of the caller's host that answers so. */
function adminOf(errorCode: number, lost: number, isUncertain: boolean | null): { admin: AdminClient; close: () => Promise<void> } {
  const node: NodeSetup = { node: 0, directory: null, actors: [] }
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes: [node], preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const host = runtime.host(0)
  const requests = openRequests({ host, loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0])
  let left = lost
  const coordinator = host.openPort(COORDINATOR_ACTOR, (message) => {
    if (!('correlationId' in message)) return
    const { correlationId } = message
    if (left-- > 0) {
      if (isUncertain === null) return requests.giveUp()
      host.post({ node: 0, actor: 'requests' }, coordinator, { kind: 'notController', correlationId, controller: 0, isUncertain })
      return runtime.bell.ring()
    }
    const results = [{ name: 't', topicId: 1, errorCode, errorMessage: null }]
    const answer = message.kind === 'metadata' ? topicsAnswer({ t: [0, 0] }) : ({ kind: 'adminResponse', correlationId, results } as const)
    host.post({ node: 0, actor: 'requests' }, coordinator, { ...answer, correlationId })
    runtime.bell.ring()
  })
  return { admin: new AdminClient(requests, NO_ACTIONS), close: () => closeAll(requests, loop, runtime) }
}

async function closeAll(requests: Requests, loop: CallerLoop, runtime: ThreadRuntime): Promise<void> {
  requests.close()
  await loop.close()
  await runtime.close()
}

test('deleted records are not read any more, and a reader below begins where the rest does', async () => {
  const cluster = await openCluster()
  await cluster.admin.createTopic('t')
  const producer = cluster.producer({ value: string })
  await producer.send(['a', 'b', 'c', 'd'].map((value) => ({ topic: 't', value })))
  expect(await cluster.admin.deleteRecords([{ topic: 't', partition: 0, beforeOffset: 2 }])).toEqual([
    { topic: 't', partition: 0, beginOffset: 2 },
  ])
  const consumer = cluster.consumer({ value: string, autoOffsetReset: 'earliest' })
  consumer.assign([{ topic: 't', partition: 0 }])
  consumer.seek({ topic: 't', partition: 0 }, 1)
  const read: string[] = []
  while (read.length < 2) read.push(...(await consumer.poll({ timeoutMillis: 1000 })).map(({ value }) => value ?? ''))
  expect(read).toEqual(['c', 'd'])
  const above = await failureOf(() => cluster.admin.deleteRecords([{ topic: 't', partition: 0, beforeOffset: 5 }]))
  expect([above.name, above.message]).toEqual([
    'OFFSET_OUT_OF_RANGE',
    'the records of t-0 can be deleted up to its high watermark 4, not up to 5',
  ])
  expect((await failureOf(() => cluster.admin.deleteRecords([{ topic: 't', partition: 1, beforeOffset: 0 }]))).name).toBe(
    'UNKNOWN_TOPIC_OR_PARTITION',
  )
  expect(await cluster.admin.deleteRecords([{ topic: 't', partition: 0, beforeOffset: -1 }])).toEqual([
    { topic: 't', partition: 0, beginOffset: 4 },
  ])
  expect(await cluster.admin.listOffsets('t', 'earliest')).toEqual(new Map([[0, 4]]))
})

test('records are deleted in all partitions that are named, or in none if one of them cannot be as it is asked for', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await admin.createTopic('t', { partitions: 2 })
  await admin.createTopic('compacted', { config: { cleanupPolicy: 'compact' } })
  await cluster.producer({ value: string }).send([0, 1].map((partition) => ({ topic: 't', partition, value: 'v' })))
  const good = { topic: 't', partition: 0, beforeOffset: 1 }
  for (const [bad, name] of [
    [{ ...good, partition: 1, beforeOffset: 2 }, 'OFFSET_OUT_OF_RANGE'],
    [{ ...good, partition: 2 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ ...good, topic: 'nope' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ ...good, topic: 'compacted', beforeOffset: 0 }, 'POLICY_VIOLATION'],
    [{ ...good, topic: '__cluster_metadata' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ] as const)
    expect((await failureOf(() => admin.deleteRecords([good, bad]))).name).toBe(name)
  expect(await admin.listOffsets('t', 'earliest')).toEqual(
    new Map([
      [0, 0],
      [1, 0],
    ]),
  )
  expect(await admin.deleteRecords([good, { ...good, partition: 1, beforeOffset: -1 }])).toMatchObject([
    { beginOffset: 1 },
    { partition: 1, beginOffset: 1 },
  ])
})

test('records of an internal topic are not deleted', async () => {
  const { admin } = await openCluster()
  await admin.createTopic('t')
  await admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 0 }])
  const endOffset = (await admin.describeTopic('t')).partitions[0]?.endOffset ?? -1
  const beyond = [
    { topic: 't', partition: 0, offset: endOffset },
    { topic: 't', partition: 0, offset: endOffset + 1 },
  ]
  expect(await failureOf(() => admin.alterGroupOffsets('nobody', beyond))).toMatchObject({
    name: 'OFFSET_OUT_OF_RANGE',
    message: `t-0 ends at ${endOffset}: there is no offset ${endOffset + 1}`,
  })
  expect((await admin.listGroups()).map(({ group }) => group)).not.toContain('nobody')
  const refused = await failureOf(() => admin.deleteRecords([{ topic: '__consumer_offsets', partition: 0, beforeOffset: 0 }]))
  expect(refused.name).toBe('INVALID_TOPIC_EXCEPTION')
  const both = [...(await admin.listOffsets('__consumer_offsets', 'latest')).keys()].slice(0, 2)
  const several = both.map((partition) => ({ topic: '__consumer_offsets', partition, beforeOffset: 0 }))
  expect((await failureOf(() => admin.deleteRecords(several))).name).toBe('INVALID_TOPIC_EXCEPTION')
})

test('a group without members begins where it is told to: at the first record, the end, or a time', async () => {
  const cluster = await openCluster()
  const { admin } = cluster
  await admin.createTopic('t', { partitions: 2 })
  const producer = cluster.producer({ value: string })
  await producer.send([100, 200, 300].map((timestamp) => ({ topic: 't', value: 'v', partition: 0, timestamp })))
  const offsetsAt = async (to: number | 'earliest' | 'latest'): Promise<number[]> => {
    const reset = await admin.resetGroupOffsets('g', 't', to)
    expect((await admin.describeGroup('g')).offsets).toEqual(reset)
    return reset.map(({ offset }) => offset)
  }
  expect(await offsetsAt('latest')).toEqual([3, 0])
  expect(await offsetsAt('earliest')).toEqual([0, 0])
  expect(await offsetsAt(150)).toEqual([1, 0])
  expect(await offsetsAt(900)).toEqual([3, 0])
  expect((await failureOf(() => admin.resetGroupOffsets('g', 't', -7))).name).toBe('INVALID_REQUEST')
  expect((await failureOf(() => admin.resetGroupOffsets('g', 'none', 'latest'))).name).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  const member = cluster.consumer({ group: 'g', topics: ['t'] })
  await producer.send({ topic: 't', value: 'v', partition: 0 })
  await take(member, 1)
  expect((await failureOf(() => admin.resetGroupOffsets('g', 't', 'latest'))).name).toBe('NON_EMPTY_GROUP')
})
