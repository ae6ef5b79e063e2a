// Share groups on several nodes: whoever coordinates them may die.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'
import { terminateNode } from '../../../edge/client/testing.ts'

test('what was accepted stays so when nodes die, and nothing is left out', { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'odradek-share-nodes-'))
  const cluster = await open(directory, { nodes: 3 })
  try {
    await cluster.admin.createTopic('jobs', { partitions: 3, replicationFactor: 3 })
    await using producer = cluster.producer({ key: string, value: string })
    const values = Array.from({ length: 300 }, (_, i) => `job ${i}`)
    await producer.send(values.map((value) => ({ topic: 'jobs', key: value, value })))
    const options = { group: 'workers', topics: ['jobs'], value: string, autoOffsetReset: 'earliest', maxPollRecords: 20 } as const
    const accepted = new Set<string>()
    const again: string[] = []
    await using one = cluster.shareConsumer({ ...options, acquisitionLockMillis: 2000 })
    await using other = cluster.shareConsumer({ ...options, acquisitionLockMillis: 2000 })
    const members = [one, other]
    const deadline = performance.now() + 40_000
    for (let round = 0; accepted.size < values.length && performance.now() < deadline; round++) {
      const member = members[round % 2]!
      const records = await member.poll({ timeoutMillis: 500 })
      again.push(...records.map(({ value }) => value ?? '').filter((value) => accepted.has(value)))
      // What is refused is given again: it was not accepted.
      const isSafe = await member.commit().then(
        () => true,
        () => false,
      )
      if (isSafe) for (const { value } of records) accepted.add(value ?? '')
      if (round === 2 || round === 6) await terminateNode(cluster, round === 2 ? 0 : 1)
    }
    expect(accepted.size).toBe(values.length)
    expect(again).toEqual([])
  } finally {
    await cluster.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

function scratchDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'odradek-share-nodes-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Where the share group is coordinated. */
async function coordinatorOf(cluster: Cluster, group: string): Promise<number> {
  type Actors = Record<string, { readonly groups?: ReadonlyMap<string, unknown> }>
  const { nodes } = (await cluster.inspect()) as { readonly nodes: Record<string, Actors> }
  const found = Object.entries(nodes).find(([, actors]) =>
    Object.entries(actors).some(([name, { groups }]) => name.startsWith('shares/') && groups?.has(group)),
  )
  return Number(found?.[0] ?? -1)
}

test('a member that is slow is not handed what somebody else has accepted since their coordinator died', { timeout: 60_000 }, async () => {
  using directory = scratchDirectory()
  await using cluster = await open(directory.path, { nodes: 3 })
  await cluster.admin.createTopic('jobs', { partitions: 1, replicationFactor: 3 })
  await using producer = cluster.producer({ value: string })
  await producer.send(Array.from({ length: 200 }, (_, i) => ({ topic: 'jobs', value: `job ${i}` })))
  const options = { group: 'workers', topics: ['jobs'], value: string, autoOffsetReset: 'earliest', deliveryCountLimit: 100 } as const
  await using slow = cluster.shareConsumer(options)
  await using quick = cluster.shareConsumer(options)
  const done = new Map<number, string>()
  const seen = new Set<number>()
  const again: string[] = []
  const enough = new AbortController()
  const iterated = (async () => {
    for await (const { offset, deliveryCount } of slow.records({ signal: enough.signal })) {
      seen.add(offset)
      if (done.has(offset)) again.push(`${offset}, attempt ${deliveryCount}, after ${done.get(offset)}`)
      await sleep(20)
    }
  })().catch(() => undefined)
  await sleep(500)
  await terminateNode(cluster, await coordinatorOf(cluster, 'workers'))
  const deadline = performance.now() + 20_000
  while (seen.size < 200 && performance.now() < deadline) {
    const records = await quick.poll({ timeoutMillis: 200 })
    await quick.commit()
    for (const { offset, deliveryCount } of records) {
      done.set(offset, `attempt ${deliveryCount}`)
      seen.add(offset)
    }
  }
  // Whoever has some left would go on with them.
  await sleep(300)
  enough.abort()
  await iterated
  expect([seen.size, again]).toEqual([200, []])
})
