/** A channel delivers what was sent, in order, whatever fits into its ring, and wakes whom it has to wake. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address } from '../../actors/actor.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { ChannelReader, ChannelWriter } from '../../runtime/channel.ts'
import { Codec, CodecError } from '../../runtime/codec.ts'
import { Doorbell, allocateDoorbells } from '../../runtime/doorbell.ts'
import { allocateRing } from '../../runtime/ring-layout.ts'

const to: Address = { node: 0, actor: 'replica/a-0' }
const from: Address = { node: -1, actor: 'producer' }

describe('a channel', () => {
  test('delivers messages in the order in which they were sent', () => {
    const { writer, reader } = channel(1024)
    for (const size of [0, 10, 20]) writer.send(to, from, messageOf(size))
    expect(reader.hasWork()).toBe(false)
    writer.flush()
    expect(reader.hasWork()).toBe(true)
    expect(received(reader)).toEqual([0, 10, 20].map((size) => [size, size]))
  })

  test('lends the memory of the ring to the receiver of a record batch', () => {
    const ring = allocateRing(1024)
    const { writer, reader } = channelOver(ring)
    writer.send(to, from, messageOf(5))
    writer.flush()
    reader.drain(1, ({ message }) => expect('records' in message && message.records?.buffer).toBe(ring))
  })

  test('keeps what the ring does not take, and is congested until it went out', () => {
    const { writer, reader } = channel(1024)
    for (let size = 0; size < 40; size++) writer.send(to, from, messageOf(size))
    expect(writer.congested).toBe(true)
    expect(writer.waitingBytes).toBeGreaterThan(0)
    expect(writer.hasWork()).toBe(false)
    const seen = received(reader)
    expect(seen.length).toBeLessThan(40)
    expect(writer.hasWork()).toBe(true)
    while (writer.congested) {
      writer.flush()
      seen.push(...received(reader))
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, size) => [size, size]))
    expect(writer.waitingBytes).toBe(0)
    expect(writer.failedWrites).toBeGreaterThan(0)
    expect(writer.droppedMessages).toBe(0)
  })

  test('publishes a full ring without waiting for the end of the burst', () => {
    const { writer, reader } = channel(1024)
    for (let size = 0; !writer.congested; size++) writer.send(to, from, messageOf(size))
    expect(reader.hasWork()).toBe(true)
  })

  test('carries a message in pieces that is larger than the ring', () => {
    const { writer, reader } = channel(1024)
    writer.send(to, from, messageOf(3))
    writer.send(to, from, messageOf(10_000))
    writer.send(to, from, messageOf(4))
    const seen = []
    for (writer.flush(); reader.hasWork(); writer.flush()) seen.push(...received(reader, 1))
    expect(seen).toEqual([3, 10_000, 4].map((size) => [size, size]))
  })

  test('drops and counts messages, rather than memory, when the reader stands still', () => {
    const { writer, reader } = channel(256, 1000)
    for (let count = 0; count < 100; count++) writer.send(to, from, messageOf(100))
    expect(writer.droppedMessages).toBeGreaterThan(0)
    expect(writer.waitingBytes).toBeLessThanOrEqual(1000)
    const seen = []
    for (writer.flush(); reader.hasWork(); writer.flush()) seen.push(...received(reader))
    expect(seen.length).toBe(100 - writer.droppedMessages)
  })

  test('wakes a reader that sleeps when something was published, and only then', async () => {
    const { writer, readerBell } = channel(1024)
    const wait = readerBell.waitAsync(60_000, () => false)
    writer.flush()
    writer.send(to, from, messageOf(1))
    expect(readerBell.ring()).toBe(true)
    expect(await wait).toBe('rung')
    const next = readerBell.waitAsync(60_000, () => false)
    writer.flush()
    expect(readerBell.ring()).toBe(false)
    expect(await next).toBe('rung')
  })

  test('wakes a writer that sleeps before a full ring when there is room again', async () => {
    const { writer, reader, writerBell } = channel(1024)
    for (let size = 0; !writer.congested; size++) writer.send(to, from, messageOf(size))
    const wait = writerBell.waitAsync(60_000, () => writer.hasWork())
    received(reader)
    expect(writerBell.ring()).toBe(false)
    expect(await wait).toBe('rung')
    expect(writer.hasWork()).toBe(true)
  })

  test('is not disturbed by a message that cannot be encoded', () => {
    const { writer, reader } = channel(1024)
    writer.send(to, from, messageOf(1))
    expect(() => writer.send(to, from, { kind: 'x', field: undefined } as unknown as Message)).toThrow(CodecError)
    writer.send(to, from, messageOf(2))
    writer.flush()
    expect(received(reader)).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  test('delivers everything once and in order, for any sizes and any interleaving', () => {
    const size = fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 100 }) }, { weight: 1, arbitrary: fc.nat({ max: 3000 }) })
    const command = fc.oneof(
      { weight: 4, arbitrary: size.map((size) => ({ kind: 'send' as const, size })) },
      { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
      { weight: 2, arbitrary: fc.nat({ max: 8 }).map((limit) => ({ kind: 'drain' as const, limit })) },
    )
    fc.assert(
      fc.property(fc.array(command, { maxLength: 150 }), (commands) => {
        const { writer, reader } = channel(512)
        const sent: number[] = []
        const seen: number[][] = []
        for (const each of commands) {
          if (each.kind === 'send') {
            sent.push(each.size)
            writer.send(to, from, messageOf(each.size))
          }
          if (each.kind === 'flush') writer.flush()
          if (each.kind === 'drain') seen.push(...received(reader, each.limit))
        }
        for (writer.flush(); reader.hasWork(); writer.flush()) seen.push(...received(reader))
        expect(seen).toEqual(sent.map((size) => [size, size]))
        expect(writer.congested).toBe(false)
      }),
    )
  })
})

interface Ends {
  readonly writer: ChannelWriter
  readonly reader: ChannelReader
  readonly writerBell: Doorbell
  readonly readerBell: Doorbell
}

function channel(capacityBytes: number, overflowBytesMax?: number): Ends {
  return channelOver(allocateRing(capacityBytes), overflowBytesMax)
}

function channelOver(ring: SharedArrayBuffer, overflowBytesMax?: number): Ends {
  const bells = allocateDoorbells(2)
  const writerBell = new Doorbell(bells, 0)
  const readerBell = new Doorbell(bells, 1)
  const writer = new ChannelWriter(ring, readerBell, new Codec(), overflowBytesMax)
  return { writer, reader: new ChannelReader(ring, writerBell, new Codec()), writerBell, readerBell }
}

function messageOf(size: number): Message {
  return { kind: 'chunk', size, records: new Uint8Array(size).fill(size) } as unknown as Message
}

/** The field and the true size of each message, whose bytes were checked. */
function received(reader: ChannelReader, limit = Infinity): number[][] {
  const sizes: number[][] = []
  reader.drain(limit, (envelope) => {
    expect([envelope.to, envelope.from]).toEqual([to, from])
    const { size, records } = envelope.message as unknown as { size: number; records: Uint8Array }
    expect(records.every((byte) => byte === (size & 255))).toBe(true)
    sizes.push([size, records.length])
  })
  reader.release()
  return sizes
}
