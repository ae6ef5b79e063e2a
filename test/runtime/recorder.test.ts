/** What a thread records, when it is in the file, and what becomes of a recording that cannot go on. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, describe, expect, test } from 'vitest'
import type { Actor } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effect.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { readEntries } from '../../protocol/recording/entries.ts'
import type { Entry } from '../../protocol/recording/entries.ts'
import { CHUNK_HEADER_BYTES, chunkHeader, decodeHeader } from '../../protocol/recording/layout.ts'
import { digestOf } from '../../protocol/recording/value-writer.ts'
import { ActorHost } from '../../runtime/actor-host.ts'
import { MemoryStorage } from '../../runtime/memory-storage.ts'
import { Recorder } from '../../runtime/recorder.ts'
import { actor as probe } from './probe-actor.ts'

const CLIENT = { node: 0, actor: 'client' }
const started: Message = { kind: 'started' }
const context = { from: CLIENT, now: 1, uptime: 2, random: 3 }

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'odradek-recorder-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function recorderIn(path: string, thread: number = 1, failures: string[] = []): Recorder {
  const recorder = new Recorder({ directory: path, odradek: '0.1.0' }, thread, ({ message }) => void failures.push(message))
  onTestFinished(() => recorder.close())
  return recorder
}

/** Everything that a file says. */
function entriesOf(file: string): Entry[] {
  const bytes = readFileSync(file)
  const header = decodeHeader(bytes)
  if (header.kind !== 'header') throw new Error(header.kind)
  const entries: Entry[] = []
  for (let at = header.end; at < bytes.length;) {
    const { sizeBytes } = chunkHeader(bytes.subarray(at))
    at += CHUNK_HEADER_BYTES
    entries.push(...readEntries(bytes.subarray(at, at + sizeBytes))!)
    at += sizeBytes
  }
  return entries
}

async function hostWith(recorder: Recorder, actors: readonly Actor<never, null>[] = []): Promise<ActorHost> {
  const host = new ActorHost({
    node: 0,
    storage: new MemoryStorage(),
    sendAway: () => undefined,
    onQueued: () => undefined,
    onFailure: () => undefined,
    recorder,
  })
  await host.preload([probe.url, ...actors.map(({ url }) => url)])
  host.tick()
  return host
}

describe('a recording', () => {
  test('has what actors are given, what they make of it, and when they begin and end', async () => {
    const path = directory()
    const recorder = recorderIn(path)
    const host = await hostWith(recorder)
    host.spawn('probe', probe.url, { a: 1 })
    const orders = ['timer tea 5', 'spawn child', 'throw']
    for (const order of orders) host.post({ node: 0, actor: 'probe' }, CLIENT, { kind: 'subscribe', topics: [order], topicPattern: null })
    host.cycle()
    host.stop('child')
    host.stop('nobody')
    recorder.close()
    const entries = entriesOf(join(path, 'thread-1.recording'))
    const told = entries.map((entry) => {
      if (entry.kind !== 'step') return `${entry.kind} ${entry.actor}`
      const { outcome } = entry
      return `${entry.actor}: ${entry.message.kind}, ${'thrown' in outcome ? outcome.thrown : outcome.effects.map((effect) => (effect as Effect).kind).join()}`
    })
    expect(told).toEqual([
      'spawned probe',
      'probe: started, ',
      'probe: subscribe, startTimer',
      'probe: subscribe, spawn',
      'spawned child',
      'probe: subscribe, on purpose',
      'spawned probe',
      'child: started, ',
      'probe: started, ',
      'stopped child',
    ])
    expect(entries[0]).toEqual({ kind: 'spawned', node: 0, actor: 'probe', behaviour: 'runtime/probe-actor', config: { a: 1 } })
    expect(entries[3]).toMatchObject({ outcome: { effects: [{ kind: 'spawn', actor: 'child', url: 'runtime/probe-actor' }] } })
  })

  test('has messages as they were before the actor had them, and digests of the bytes that it writes', () => {
    const path = directory()
    const recorder = recorderIn(path)
    const records = new Uint8Array(new SharedArrayBuffer(3)).fill(1)
    recorder.received(CLIENT, { kind: 'readCompleted', token: 1, records, error: null }, context)
    records.fill(2)
    recorder.emitted([{ kind: 'append', log: 'a', file: 'b', position: 0, bytes: records, token: 2 }])
    records.fill(3)
    recorder.close()
    const [step] = entriesOf(join(path, 'thread-1.recording'))
    expect(step).toMatchObject({ context, message: { records: new Uint8Array(3).fill(1) } })
    expect(step).toMatchObject({ outcome: { effects: [{ kind: 'append', bytes: digestOf(new Uint8Array(3).fill(2)) }] } })
  })

  test('is in the file when there is enough of it, or it is old', async () => {
    const path = directory()
    const recorder = recorderIn(path)
    const file = join(path, 'thread-1.recording')
    expect(recorder.millisToFlush()).toBe(Infinity)
    recorder.stopped(CLIENT)
    recorder.flushIfDue()
    expect(entriesOf(file)).toHaveLength(0)
    expect(recorder.millisToFlush()).toBeLessThanOrEqual(100)
    while (recorder.millisToFlush() > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    recorder.flushIfDue()
    expect(entriesOf(file)).toHaveLength(1)
    recorder.received(CLIENT, { kind: 'readCompleted', token: 1, records: new Uint8Array(200_000), error: null }, context)
    expect(entriesOf(file)).toHaveLength(1)
    recorder.emitted([])
    expect(entriesOf(file)).toHaveLength(2)
  })

  test('of a thread that is started again has another file, and one of the first thread has not', () => {
    const path = directory()
    for (let life = 1; life <= 3; life++) recorderIn(path).close()
    expect(readdirSync(path).toSorted()).toEqual(['thread-1.2.recording', 'thread-1.3.recording', 'thread-1.recording'])
    const third = decodeHeader(readFileSync(join(path, 'thread-1.3.recording')))
    expect(third).toMatchObject({ header: { odradek: '0.1.0', node: process.versions.node, thread: 1, life: 3 } })
    recorderIn(path, 0)
    expect(() => recorderIn(path, 0)).toThrow('EEXIST')
  })

  test('ends before what cannot be written down, says so once, and disturbs nobody', () => {
    const path = directory()
    const failures: string[] = []
    const recorder = recorderIn(path, 1, failures)
    recorder.received(CLIENT, started, context)
    recorder.emitted([])
    recorder.spawned(CLIENT, 'actors/x', { callback: () => undefined })
    recorder.received(CLIENT, started, context)
    recorder.emitted([])
    recorder.flush()
    expect(failures).toEqual([expect.stringMatching(/^the recording .*thread-1.recording ends here: .*plain data, not a function/)])
    expect(entriesOf(join(path, 'thread-1.recording'))).toHaveLength(1)
  })
})

test('while it is recorded, no actor changes what another one has in its hands', async () => {
  const recorder = recorderIn(directory())
  const host = await hostWith(recorder)
  const records = new Uint8Array([1])
  host.openPort('port', (message) => {
    if (message.kind === 'readCompleted') message.records?.fill(2)
  })
  host.post({ node: 0, actor: 'port' }, CLIENT, { kind: 'readCompleted', token: 1, records, error: null })
  host.cycle()
  expect(records).toEqual(new Uint8Array([1]))
})
