// Topics whose records go once they are consumed: the leader asks the groups, and lets its log begin behind what all of them have committed.

import { describe, expect, test } from 'vitest'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { drive, fire, leading, small, threeSegments } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { lines, sent, sentOne } from './stage.ts'

/** A leader of six records, two to a segment. */
function queue(...groups: readonly string[]): Partition {
  return threeSegments({ ...small, deleteOnceConsumedBy: groups })
}

function deliver(partition: Partition, message: Message): string[] {
  return lines(drive(partition, partition.stage.deliver(message)))
}

/** A round in which each group answers its committed offset, null for none, or an error; where the log begins then. */
function round(partition: Partition, answers: Readonly<Record<string, number | null | ErrorName>>, topicId = 5): number {
  for (const { key: group, correlationId } of sent(fire(partition, 'consumed', 2000), 'findCoordinator')) {
    const found = { kind: 'findCoordinatorResponse', correlationId, errorCode: 0, node: 2, partition: 3, topicId: 9 } as const
    const [asked] = sent(drive(partition, partition.stage.deliver(found)), 'offsetFetch')
    const answer = answers[group]
    if (asked === undefined || answer === undefined) continue
    expect(asked).toMatchObject({ group, partitions: [{ topic: 't', partitions: [0] }] })
    const offsets = typeof answer === 'number' ? [{ topic: 't', partition: 0, offset: answer, metadata: '', topicId }] : []
    const errorCode = typeof answer === 'string' ? codeOf(answer) : 0
    deliver(partition, { kind: 'offsetFetchResponse', correlationId: asked.correlationId, errorCode, requested: ['t-0'], offsets })
  }
  return partition.stage.state.log.logStartOffset
}

describe('records', () => {
  test('go when all groups have committed past them, to the record; files when nothing is left in them', () => {
    const partition = queue('a', 'b')
    expect(round(partition, { a: 5, b: 3 })).toBe(3)
    expect([...partition.files.keys()].filter((name) => name.endsWith('.log')).map((name) => Number.parseInt(name, 10))).toEqual([2, 4])
    expect(round(partition, { a: 6, b: 6 })).toBe(6)
  })

  test('stay while a group has committed nothing', () => {
    expect(round(queue('a', 'b'), { a: 5, b: null })).toBe(0)
  })

  test.each(['COORDINATOR_LOAD_IN_PROGRESS', 'UNSTABLE_OFFSET_COMMIT'] as const)('stay while a group answers %s', (error) => {
    const partition = queue('a', 'b')
    expect(round(partition, { a: 5, b: error })).toBe(0)
    expect(round(partition, { b: 5 })).toBe(0)
    expect(round(partition, { a: 4, b: 5 })).toBe(4)
  })

  test('stay when what was committed is of a former topic of that name', () => {
    expect(round(queue('a'), { a: 5 }, 4)).toBe(0)
    expect(round(queue('a'), { a: 5 }, -1)).toBe(0)
  })

  test('stay when a group is ahead of what is committed: it has seen others at those offsets', () => {
    expect(round(queue('a'), { a: 7 })).toBe(0)
    expect(round(queue('a', 'b'), { a: 3, b: 7 })).toBe(0)
    expect(round(queue('a', 'b'), { a: 7, b: 3 })).toBe(0)
  })

  test('do not come back when a group goes back', () => {
    const partition = queue('a')
    round(partition, { a: 5 })
    expect(round(partition, { a: 2 })).toBe(5)
  })

  test('of a topic that names nobody stay, and nobody is asked', () => {
    const partition = threeSegments()
    expect(sent(fire(partition, 'consumed'), 'findCoordinator')).toEqual([])
    expect(partition.stage.state.log.logStartOffset).toBe(0)
  })
})

describe('share groups', () => {
  /** A leader of six records that a consumer group and a share group of the same name must have done with. */
  function shared(): Partition {
    return threeSegments({ ...small, deleteOnceConsumedBy: ['a'], deleteOnceAcknowledgedBy: ['a'] })
  }

  function answer(partition: Partition, committed: number, startOffset: number, error?: ErrorName): number {
    const asked = sent(fire(partition, 'consumed', 2000), 'findCoordinator')
    expect(asked.map(({ keyType, key }) => [keyType, key])).toEqual([
      ['group', 'a'],
      ['share', 'a'],
    ])
    const questions = asked.flatMap(({ correlationId }) =>
      drive(
        partition,
        partition.stage.deliver({ kind: 'findCoordinatorResponse', correlationId, errorCode: 0, node: 2, partition: 3, topicId: 9 }),
      ),
    )
    const { correlationId, ...about } = sentOne(questions, 'describeShareGroupOffsets')
    expect(about).toEqual({ kind: 'describeShareGroupOffsets', group: 'a', topicId: 5, partition: 0 })
    expect(lines(questions)).toContainEqual(expect.stringMatching(/^to shares\/3/))
    const offsets = [{ topic: 't', partition: 0, offset: committed, metadata: '', topicId: 5 }]
    const fetched = { correlationId: sentOne(questions, 'offsetFetch').correlationId, errorCode: 0, requested: ['t-0'], offsets }
    deliver(partition, { kind: 'offsetFetchResponse', ...fetched })
    const errorCode = error === undefined ? 0 : codeOf(error)
    deliver(partition, { kind: 'describeShareGroupOffsetsResponse', correlationId, errorCode, startOffset })
    return partition.stage.state.log.logStartOffset
  }

  test('hold what they have not done with, whatever a consumer group of that name has committed', () => {
    const partition = shared()
    expect([answer(partition, 6, -1), answer(partition, 6, 3), answer(partition, 4, 6)]).toEqual([0, 3, 4])
  })

  test('hold everything while they cannot say, or say something that is not there', () => {
    const partition = shared()
    expect([answer(partition, 6, 6, 'COORDINATOR_LOAD_IN_PROGRESS'), answer(partition, 7, 7), answer(partition, 3, 7)]).toEqual([0, 0, 0])
  })
})

describe('groups', () => {
  test('are looked for with the broker of the node, again and again, while there is something to delete', () => {
    const partition = queue('a')
    expect(lines(fire(partition, 'consumed'))).toEqual([
      'timer consumed in 2000 ms',
      expect.stringMatching(/^to broker: findCoordinator #\d+ of a$/),
    ])
    round(partition, { a: 6 })
    expect(lines(fire(partition, 'consumed'))).toEqual(['timer consumed in 2000 ms'])
  })

  test('that answer an earlier round, or are not found, change nothing', () => {
    const partition = queue('a')
    const [late] = sent(fire(partition, 'consumed'), 'findCoordinator')
    fire(partition, 'consumed', 2000)
    const found = { kind: 'findCoordinatorResponse', errorCode: 0, node: 2, partition: 3, topicId: 9 } as const
    expect(deliver(partition, { ...found, correlationId: late!.correlationId })).toEqual([])
    const [asked] = sent(fire(partition, 'consumed', 2000), 'findCoordinator')
    const errorCode = codeOf('COORDINATOR_NOT_AVAILABLE')
    expect(deliver(partition, { ...found, correlationId: asked!.correlationId, errorCode })).toEqual([])
    expect(deliver(partition, { kind: 'undeliverable', correlationId: asked!.correlationId })).toEqual([])
  })

  test('are asked from when the settings name them', () => {
    const partition = leading(small)
    const config = { ...partition.stage.state.config, deleteOnceConsumedBy: ['a'] }
    expect(deliver(partition, { kind: 'configureReplica', topicId: 5, config })).toContain('timer consumed in 2000 ms')
  })
})
