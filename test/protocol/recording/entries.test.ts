/** The file of a recording: its header says who has written it, its chunks what happened. Bytes that are neither are told apart from a file that was not finished. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Message } from '../../../protocol/messages/message.ts'
import { behaviourName, EntryWriter, readEntries } from '../../../protocol/recording/entries.ts'
import type { Entry } from '../../../protocol/recording/entries.ts'
import { CHUNK_HEADER_BYTES, chunkHeader, decodeHeader, encodeHeader, headerSize } from '../../../protocol/recording/layout.ts'
import { writeEntry } from './support.ts'

const header = { odradek: '0.1.0', node: '24.0.0', thread: 2, life: 1, startedAt: 1.7e12 }
const started: Message = { kind: 'started' }

const entries: readonly Entry[] = [
  { kind: 'spawned', node: 0, actor: 'broker', behaviour: 'actors/broker', config: { rack: null } },
  step({ effects: [{ kind: 'listLogs', token: 3 }] }, 1000),
  step({ effects: [] }, 1000),
  step({ thrown: 'P3 high watermark <= log end' }, 1000.5),
  { kind: 'stopped', node: 0, actor: 'broker' },
]

function step(outcome: { readonly effects: readonly unknown[] } | { readonly thrown: string }, now: number): Entry {
  const context = { from: { node: -1, actor: 'x' }, now, uptime: now / 7, random: 4_000_000_000 }
  return { kind: 'step', node: 0, actor: 'broker', context, message: started, outcome }
}

/** The entries of one chunk. */
function written(writer: EntryWriter): Uint8Array {
  for (const entry of entries) writeEntry(writer, entry)
  return writer.takeChunk().slice()
}

describe('entries', () => {
  test('come back as they were, from each chunk alone', () => {
    const writer = new EntryWriter()
    const [first, second] = [written(writer), written(writer)]
    expect(readEntries(first.subarray(CHUNK_HEADER_BYTES))).toStrictEqual(entries)
    expect(readEntries(second.subarray(CHUNK_HEADER_BYTES))).toStrictEqual(entries)
    expect(chunkHeader(second).sizeBytes).toBe(second.length - CHUNK_HEADER_BYTES)
  })

  test('of which one is half written are those before it', () => {
    const writer = new EntryWriter()
    writer.stopped(0, 'broker')
    writer.beginStep(0, 'broker', { from: { node: 0, actor: 'x' }, now: 1, uptime: 1, random: 1 }, started)
    expect(readEntries(writer.takeChunk().slice(CHUNK_HEADER_BYTES))).toStrictEqual([{ kind: 'stopped', node: 0, actor: 'broker' }])
  })

  test('that end in the middle are none', () => {
    const bytes = written(new EntryWriter()).subarray(CHUNK_HEADER_BYTES)
    const whole = new Set([0, ...entries.map((_, index) => sizeOf(index + 1))])
    for (let size = 0; size < bytes.length; size++)
      expect(readEntries(bytes.subarray(0, size)) === null, `${size} bytes`).toBe(!whole.has(size))
  })

  test('are made of any bytes, or of none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void readEntries(bytes)))
  })
})

describe('a header', () => {
  const bytes = encodeHeader(header)

  test('comes back as it was', () => {
    expect(headerSize(bytes.subarray(0, 20))).toBe(bytes.length)
    expect(decodeHeader(bytes)).toEqual({ kind: 'header', header, end: bytes.length })
  })

  test('that is cut off is torn', () => {
    for (let size = 0; size < bytes.length; size++) expect(decodeHeader(bytes.subarray(0, size))).toEqual({ kind: 'torn' })
  })

  test('of something else, of another version, or with a wrong byte is said to be so', () => {
    expect(decodeHeader(new TextEncoder().encode('{ "format": 1, "nodes": [] }'))).toEqual({ kind: 'foreign' })
    expect(decodeHeader(bytes.with(11, 2))).toEqual({ kind: 'version', version: 2 })
    expect(decodeHeader(bytes.with(30, 0))).toEqual({ kind: 'damaged' })
    expect(decodeHeader(bytes.with(12, 0xff))).toEqual({ kind: 'damaged' })
  })

  test('is made of any bytes, or not', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (random) => decodeHeader(random).kind !== 'header'))
  })
})

test('a behaviour has one name wherever its module lies', () => {
  for (const url of ['file:///home/a/odradek/actors/replica.ts', 'file:///x/node_modules/odradek/dist/actors/replica.js', 'actors/replica'])
    expect(behaviourName(url)).toBe('actors/replica')
})

/** Where the first `count` entries end, in bytes. */
function sizeOf(count: number): number {
  const writer = new EntryWriter()
  for (const entry of entries.slice(0, count)) writeEntry(writer, entry)
  return writer.sizeBytes
}
