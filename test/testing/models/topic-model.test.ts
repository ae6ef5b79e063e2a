// The reference model of a topic: what it takes for right, what it waits for, and what it refuses.

import { describe, expect, test } from 'vitest'
import type { ConsumerRecord } from '../../../edge/client/index.ts'
import {
  checkRead,
  newTopicModel,
  noteAborted,
  noteDeleted,
  noteMaybeDeleted,
  noteUncertain,
  noteWritten,
} from '../../../testing/models/topic-model.ts'
import { numbered } from '../../../testing/models/numbered-record.ts'
import type { NumberedRecord } from '../../../testing/models/numbered-record.ts'
import type { TopicModel } from '../../../testing/models/topic-model.ts'

const TOPIC = 't'

/** Records 1 to 3 are in partition 0, at the offsets 0, 1 and 3. */
function written(): TopicModel {
  const model = newTopicModel(2)
  note(model, [0, 1, 3])
  return model
}

function drawn(model: TopicModel, count: number): NumberedRecord[] {
  return numbered(
    model,
    Array.from({ length: count }, () => ({ key: 'k', value: 'v', partition: 0 })),
  )
}

function places(offsets: readonly number[], partition = 0): { topic: string; partition: number; offset: number; timestamp: number }[] {
  return offsets.map((offset) => ({ topic: TOPIC, partition, offset, timestamp: 0 }))
}

function note(model: TopicModel, offsets: readonly number[]): void {
  noteWritten(model, drawn(model, offsets.length), places(offsets))
}

function seen(number: number, offset: number, { partition = 0, value = 'v' } = {}): ConsumerRecord<string, string> {
  const headers = [{ key: 'number', value: Buffer.from(String(number)) }]
  return { topic: TOPIC, partition, offset, timestamp: 0, key: 'k', value, headers }
}

const all = [seen(1, 0), seen(2, 1), seen(3, 3)]

describe('the model', () => {
  test('holds for what was acknowledged', () => expect(checkRead(written(), all)).toBeNull())

  test('waits for what is missing at the end of a partition', () => {
    expect(checkRead(written(), all.slice(0, 2))).toBe('partition 0 misses record 3 (key "k", value "v") at offset 3')
  })

  test.each<[string, ConsumerRecord<string, string>[], RegExp]>([
    ['missing before later ones', [seen(1, 0), seen(3, 3)], /misses record 2 .* at offset 1, but has later ones/],
    ['out of order', [seen(2, 1), seen(1, 0), seen(3, 3)], /out of order: offset 0 was read where 2 or more was due/],
    ['there twice', [...all, seen(1, 4)], /has record 1 twice, once at offset 4/],
    ['too much', [...all, seen(9, 4)], /too much: record 9 .* at offset 4, though nobody sent it there/],
    ['in another partition', [...all.slice(0, 2), seen(3, 0, { partition: 1 })], /partition 1 has too much: record 3/],
    ['not what was sent', [seen(1, 0, { value: 'w' }), ...all.slice(1)], /value "w"\) at offset 0 was sent as record 1 .*value "v"/],
    ['not where it was acknowledged', [...all.slice(0, 2), seen(3, 2)], /at offset 2 was acknowledged at offset 3/],
  ])('refuses what is %s', (_, read, message) => {
    expect(() => checkRead(written(), read)).toThrow(message)
  })

  test('refuses what was aborted', () => {
    const model = written()
    noteAborted(model, drawn(model, 1))
    expect(checkRead(model, all)).toBeNull()
    expect(() => checkRead(model, [...all, seen(4, 4)])).toThrow(/too much: record 4 .* though its transaction was aborted/)
  })

  test('refuses what was deleted', () => {
    const model = written()
    noteDeleted(model, 0, 1)
    expect(checkRead(model, all.slice(1))).toBeNull()
    expect(() => checkRead(model, all)).toThrow(/out of order: offset 0 was read where 1 or more was due/)
    expect(() => checkRead(model, [seen(1, 1)])).toThrow(/too much: record 1 .* though it was deleted/)
  })

  test('takes what nobody answered for as there or not, until it is seen', () => {
    const model = written()
    noteUncertain(model, drawn(model, 2), { kind: 'sent', places: [] })
    expect(checkRead(model, all)).toBeNull()
    expect(checkRead(model, [...all, seen(5, 4)])).toBeNull()
    expect(checkRead(model, all)).toBe('partition 0 misses record 5 (key "k", value "v") at offset 4')
    expect(model.uncertain).toMatchObject([{ records: [{ number: 4 }] }])
  })

  test('takes a transaction whose commit nobody answered for as there as a whole, or not', () => {
    const model = written()
    noteUncertain(model, drawn(model, 2), { kind: 'transaction', places: [...places([4]), ...places([0], 1)] })
    expect(checkRead(model, all)).toBeNull()
    expect(checkRead(model, [...all, seen(4, 4)])).toBe('partition 1 misses record 5 (key "k", value "v") at offset 0')
    expect(checkRead(model, [...all, seen(4, 4), seen(5, 0, { partition: 1 })])).toBeNull()
  })

  test('takes what may have been deleted as there or not', () => {
    const model = written()
    noteMaybeDeleted(model, 0, 1)
    expect(checkRead(model, all.slice(1))).toBeNull()
    expect(checkRead(model, all)).toBeNull()
    expect(checkRead(model, all.slice(1))).toBeNull()
  })

  test('learns where records are that were sent without waiting, and keeps their order', () => {
    const model = newTopicModel(1)
    note(model, [-1, -1])
    expect(() => checkRead(model, [seen(2, 0), seen(1, 1)])).toThrow(/out of order: record 2 was read where record 1 was due/)
    expect(checkRead(model, [seen(1, 0), seen(2, 1)])).toBeNull()
    expect(model.partitions[0]?.records.map(({ offset }) => offset)).toEqual([0, 1])
  })
})
