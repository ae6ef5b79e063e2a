/** A ring hands every record over once, in order, whatever its size and wherever the counters stand. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RingReader, RingWriter } from '../../runtime/ring-buffer.ts'
import { DATA_BEGIN, HEAD_INDEX, TAIL_INDEX, allocateRing } from '../../runtime/ring-layout.ts'

describe('a ring', () => {
  test('shows nothing to the reader before it is published', () => {
    const { writer, reader } = ringOf(256)
    expect(writer.tryWrite(bytesOf(1, 2, 3), 3, null)).toBe(true)
    expect(reader.hasRecords()).toBe(false)
    expect(drained(reader)).toEqual([])
    expect(writer.publish()).toBe(true)
    expect(writer.publish()).toBe(false)
    expect(reader.hasRecords()).toBe(true)
    expect(drained(reader)).toEqual([[1, 2, 3]])
  })

  test('joins the counted part of the header and the payload in one record', () => {
    const { writer, reader } = ringOf(256)
    writer.tryWrite(bytesOf(1, 2, 3, 99, 99), 3, bytesOf(4, 5))
    writer.tryWrite(bytesOf(), 0, null)
    writer.tryWrite(bytesOf(6), 1, bytesOf())
    writer.publish()
    expect(drained(reader)).toEqual([[1, 2, 3, 4, 5], [], [6]])
  })

  test('takes a record of the largest size and refuses a larger one', () => {
    const { writer, reader } = ringOf(256)
    expect(writer.maxRecordBytes).toBe(56)
    expect(() => writer.tryWrite(new Uint8Array(57), 57, null)).toThrow(RangeError)
    expect(writer.tryWrite(new Uint8Array(56), 56, null)).toBe(true)
    writer.publish()
    expect(drained(reader)).toEqual([Array.from({ length: 56 }, () => 0)])
  })

  test('is full until the reader releases, not merely drains, and counts the refusals', () => {
    const { writer, reader } = ringOf(256)
    const record = new Uint8Array(56)
    for (let count = 0; count < 4; count++) expect(writer.tryWrite(record, 56, null)).toBe(true)
    expect(writer.tryWrite(record, 56, null)).toBe(false)
    writer.publish()
    expect(reader.drain(3, ignore)).toBe(3)
    expect(writer.tryWrite(record, 56, null)).toBe(false)
    expect(writer.failedWrites).toBe(2)
    expect(writer.hasRoom()).toBe(false)
    expect(reader.release()).toBe(true)
    expect(reader.release()).toBe(false)
    expect(writer.hasRoom()).toBe(true)
    expect(writer.tryWrite(record, 56, null)).toBe(true)
  })

  test('tells at release only a writer that had found no room', () => {
    const { writer, reader } = ringOf(256)
    writer.tryWrite(bytesOf(1), 1, null)
    writer.publish()
    reader.drain(1, ignore)
    expect(reader.release()).toBe(false)
  })

  test('hands over no more records than asked for', () => {
    const { writer, reader } = ringOf(256)
    for (let value = 0; value < 5; value++) writer.tryWrite(bytesOf(value), 1, null)
    writer.publish()
    expect(drained(reader, 2)).toEqual([[0], [1]])
    expect(drained(reader, 2)).toEqual([[2], [3]])
    expect(drained(reader, 2)).toEqual([[4]])
  })

  test('does not hand a record over again when its receiver threw', () => {
    const { writer, reader } = ringOf(256)
    for (const value of [1, 2]) writer.tryWrite(bytesOf(value), 1, null)
    writer.publish()
    const fail = (): never => {
      throw new Error('receiver')
    }
    expect(() => reader.drain(9, fail)).toThrow('receiver')
    expect(drained(reader)).toEqual([[2]])
  })

  test('has a power of two of bytes', () => {
    for (const size of [0, 100, 255, 3000, 128, 2 ** 31]) expect(() => allocateRing(size)).toThrow(RangeError)
    expect(() => new RingWriter(new SharedArrayBuffer(1000))).toThrow(RangeError)
  })

  test('behaves like a queue, with its counters anywhere, beyond 2^31 and 2^32 too', () => {
    const counter = fc.oneof(fc.constantFrom(0, 2 ** 31 - 512, -512, -(2 ** 31)), fc.integer())
    const command = fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 56 }).map((size) => ({ kind: 'write' as const, size })) },
      { weight: 2, arbitrary: fc.constant({ kind: 'publish' as const }) },
      { weight: 2, arbitrary: fc.nat({ max: 6 }).map((limit) => ({ kind: 'drain' as const, limit })) },
      { weight: 2, arbitrary: fc.constant({ kind: 'release' as const }) },
    )
    fc.assert(
      fc.property(counter, fc.array(command, { maxLength: 300 }), (begin, commands) => {
        const { writer, reader } = ringOf(256, begin & -8)
        const written: number[][] = []
        const published: number[][] = []
        const received: number[][] = []
        let publishedCount = 0
        commands.forEach((each, index) => {
          if (each.kind === 'write') {
            const record = Array.from({ length: each.size }, (_, at) => (index + at) & 255)
            const split = index % (each.size + 1)
            if (writer.tryWrite(bytesOf(...record), split, bytesOf(...record.slice(split)))) written.push(record)
          }
          if (each.kind === 'publish' && writer.publish()) publishedCount = written.length
          if (each.kind === 'drain') received.push(...drained(reader, each.limit, false))
          if (each.kind === 'release') reader.release()
          published.push(...written.slice(published.length, publishedCount))
          expect(received).toEqual(published.slice(0, received.length))
        })
        writer.publish()
        received.push(...drained(reader))
        expect(received).toEqual(written)
        expect(writer.hasRoom()).toBe(true)
      }),
    )
  })

  test('carries 200,000 records of changing size between two threads', { timeout: 60_000 }, async () => {
    const ring = allocateRing(4096)
    const messageCount = 200_000
    const worker = new Worker(new URL('./ring-receiver.ts', import.meta.url), { workerData: { ring, messageCount } })
    const done = once(worker, 'message')
    const writer = new RingWriter(ring)
    const record = new Uint8Array(300)
    const view = new DataView(record.buffer)
    for (let sent = 0; sent < messageCount;) {
      view.setUint32(0, sent)
      const size = 8 + ((sent * 7) % 292)
      record[size - 1] = sent & 255
      if (writer.tryWrite(record, size, null)) sent++
      else writer.publish()
      if (sent % 64 === 0) writer.publish()
    }
    writer.publish()
    expect(await done).toEqual(['in order'])
  })
})

function ringOf(capacityBytes: number, counter = 0): { writer: RingWriter; reader: RingReader } {
  const ring = allocateRing(capacityBytes)
  const counters = new Int32Array(ring, 0, DATA_BEGIN >> 2)
  counters[HEAD_INDEX] = counter
  counters[TAIL_INDEX] = counter
  return { writer: new RingWriter(ring), reader: new RingReader(ring) }
}

function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

function drained(reader: RingReader, limit = Infinity, release = true): number[][] {
  const records: number[][] = []
  const count = reader.drain(limit, (bytes, start, end) => records.push([...bytes.subarray(start, end)]))
  expect(count).toBe(records.length)
  if (release) reader.release()
  return records
}

function ignore(): void {
  // A record that the test is not about.
}
