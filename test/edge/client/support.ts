// Temporary directories and clusters for tests of the public client.
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { KafkaError, open } from '../../../edge/client/index.ts'
import type { Cluster, ClusterOptions, Consumer, ConsumerRecord } from '../../../edge/client/index.ts'

/** An empty directory that goes when the test is over. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'odradek-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A directory whose topic `t` has that log, as if it had been written by an earlier life of the process. */
export async function directoryWith(bytes: Uint8Array): Promise<string> {
  const directory = temporaryDirectory()
  const before = await openCluster(directory)
  await before.admin.createTopic('t')
  // A log in which there was never anything has no directory.
  await before.producer().send({ topic: 't', value: new Uint8Array(1) })
  await before.close()
  const node = join(directory, 'node-0')
  const name = readdirSync(node).find((one) => one.startsWith('t-0.'))!
  for (const file of readdirSync(join(node, name))) rmSync(join(node, name, file))
  writeFileSync(join(node, name, '00000000000000000000.log'), bytes)
  return directory
}

/** A cluster that is closed when the test is over. */
export async function openCluster(directory: string = ':memory:', options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await open(directory, options)
  onTestFinished(() => cluster.close().catch(() => undefined))
  return cluster
}

/** The error of something that must fail. */
export async function failureOf(work: () => unknown): Promise<KafkaError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof KafkaError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** The next `count` records of a consumer. */
export async function take<K, V>(consumer: Consumer<K, V>, count: number): Promise<ConsumerRecord<K, V>[]> {
  const records: ConsumerRecord<K, V>[] = []
  while (records.length < count) {
    const some = await consumer.poll({ timeoutMillis: 10_000 })
    if (some.length === 0) throw new Error(`only ${records.length} of ${count} records came`)
    records.push(...some)
  }
  return records
}

/** Another member has come to a group of one, which is asked for partitions, and has heard of that: it is assigned them until it lets go. */
export async function askedForPartitions(cluster: Cluster, group = 'g'): Promise<void> {
  for (;;) {
    const { state, members } = await cluster.admin.describeGroup(group)
    if (members.length === 2 || state !== 'stable') break
    await sleep(5)
  }
  await sleep(150)
}

/** What nobody catches, as it comes, until the test is over. */
export function catchUncaught(): unknown[] {
  const caught: unknown[] = []
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => void caught.push(error))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  })
  return caught
}

/** Files below a directory that this process has open. Linux only. */
export function openBelow(directory: string): string[] {
  const targets = readdirSync('/proc/self/fd').map(targetOf)
  return targets
    .filter((target) => target.startsWith(`${directory}/`))
    .map((target) => target.slice(directory.length + 1))
    .toSorted()
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
