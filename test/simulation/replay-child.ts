// A process that works and records until it is killed; it says when there is something to see.

import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '../../edge/client/index.ts'
import { produce } from './replay-support.ts'

const [data = '', recording = ''] = process.argv.slice(2)
const cluster = await open(data, { nodes: 3, record: recording })
await cluster.admin.createTopic('orders', { partitions: 3, replicationFactor: 3 })
await cluster.admin.createTopic('times')
await produce(cluster, 100)
// What has happened so far is written by now.
await sleep(300)
process.stdout.write('working\n')
for (;;) await produce(cluster, 100)
