// Share groups on several nodes: whoever coordinates them may die.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { open, string } from '../../../edge/client/index.ts'
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
