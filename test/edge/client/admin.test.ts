// Administration: what is not there, and what is asked twice.
import { expect, test } from 'vitest'
import { failureOf, openCluster } from './support.ts'

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
