// A cluster of three nodes, and whose its directory is.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { string } from '../../../edge/client/index.ts'
import { openCluster, temporaryDirectory } from './support.ts'

/** A closed cluster of three nodes with one record in the topic `t`. */
export async function threeNodes(): Promise<string> {
  const directory = temporaryDirectory()
  await using cluster = await openCluster(directory, { nodes: 3 })
  await cluster.admin.createTopic('t')
  await using producer = cluster.producer({ value: string })
  await producer.send({ topic: 't', value: 'x' })
  return directory
}

/** The id that the directory says. */
export function clusterIdOf(directory: string): string {
  return (JSON.parse(readFileSync(join(directory, 'odradek.json'), 'utf8')) as { clusterId: string }).clusterId
}
