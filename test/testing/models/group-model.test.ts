// The reference model of a group: what it takes for right, and what it refuses.

import { beforeEach, describe, expect, test } from 'vitest'
import type { ConsumerRecord } from '../../../edge/client/index.ts'
import {
  askedBy,
  newGroupModel,
  noteAssigned,
  noteCommitted,
  noteGiven,
  noteGone,
  noteMaybeCommitted,
  noteSent,
  undrained,
} from '../../../testing/models/group-model.ts'
import type { GroupModel } from '../../../testing/models/group-model.ts'
import { numbered } from '../../../testing/models/numbered-record.ts'

/** Records 1 to 4 are in the one partition, at the offsets 0 to 3. */
let model: GroupModel

beforeEach(() => {
  model = newGroupModel(1)
  for (const name of ['ann', 'bob']) model.members.set(name, new Map())
  const records = numbered(
    model,
    Array.from({ length: 4 }, () => ({ key: 'k', value: 'v' })),
  )
  noteSent(
    model,
    records,
    records.map((_, offset) => ({ topic: 't', partition: 0, offset, timestamp: 0 })),
  )
})

function record(offset: number, number = offset + 1): ConsumerRecord<string, string> {
  const headers = [{ key: 'number', value: Buffer.from(String(number)) }]
  return { topic: 't', partition: 0, offset, timestamp: 0, key: 'k', value: 'v', headers }
}

/** A member gets the partition, and is given what is at these offsets. */
function take(member: string, ...offsets: number[]): void {
  noteAssigned(model, member, [0])
  noteGiven(
    model,
    member,
    offsets.map((offset) => record(offset)),
  )
}

function commit(member: string): void {
  noteCommitted(model, member, askedBy(model, member))
}

describe('a member', () => {
  test('goes on where it was', () => {
    take('ann', 0, 1)
    noteGiven(model, 'ann', [record(2)])
    expect(() => noteGiven(model, 'ann', [record(2)])).toThrow(
      'ann was given record 3 (key "k", value "v") at offset 2 of partition 0 again',
    )
  })

  test('leaves nothing out', () => {
    take('ann', 0)
    expect(() => noteGiven(model, 'ann', [record(2)])).toThrow('too early: 1 was due, for it goes on there')
  })

  test('takes over at what is committed', () => {
    take('ann', 0, 1)
    commit('ann')
    noteGiven(model, 'ann', [record(2)])
    noteGone(model, 'ann', [0])
    expect(() => take('bob', 1)).toThrow('again: 2 was due, for 2 was committed')
    expect(() => take('bob', 3)).toThrow('too early: 2 was due, for 2 was committed')
    take('bob', 2, 3)
  })

  test('takes over at what may be committed, if nobody said', () => {
    take('ann', 0, 1)
    noteMaybeCommitted(model, askedBy(model, 'ann'))
    expect(() => take('bob', 1)).toThrow('0 or 2 was due')
    take('bob', 2)
    expect(model.partitions[0]?.committed).toBe(2)
    commit('bob')
    expect(model.partitions[0]).toMatchObject({ committed: 3, perhaps: [] })
  })

  test('is given only what it has, and what was sent', () => {
    expect(() => noteGiven(model, 'ann', [record(0)])).toThrow('which it does not have')
    expect(() => take('ann', 9)).toThrow('nobody sent that there')
  })

  test('is given what may have been sent', () => {
    model.uncertain.push({ number: 5, key: 'k', value: 'v' })
    take('ann', 0, 1, 2, 3)
    noteGiven(model, 'ann', [record(6, 5)])
    expect(model.uncertain).toEqual([])
    expect(undrained(model, 'ann')).toBeNull()
  })

  test('does not commit what is behind', () => {
    take('ann', 0)
    take('bob', 0, 1)
    commit('bob')
    expect(() => commit('ann')).toThrow('ann committed 1 of partition 0, where 2 was committed before')
  })

  test('that loses a partition while it commits has perhaps committed', () => {
    take('ann', 0)
    const asked = askedBy(model, 'ann')
    noteGone(model, 'ann', [0])
    noteCommitted(model, 'ann', asked)
    expect(model.partitions[0]).toMatchObject({ committed: 0, perhaps: [1] })
  })
})

test('a group is drained when all was given, and what is not committed was given again', () => {
  expect(undrained(model, 'bob')).toMatch(/^record 1 .* was never given to anybody$/)
  take('ann', 0, 1, 2, 3)
  noteGone(model, 'ann', [0])
  expect(undrained(model, 'bob')).toMatch(/^record 1 .* is not committed \(0 is\), and was not given again$/)
  take('bob', 0, 1, 2, 3)
  expect(undrained(model, 'bob')).toBeNull()
})
