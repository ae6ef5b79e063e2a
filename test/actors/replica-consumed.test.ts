// Topics whose records go once they are consumed: the leader asks the groups, and lets its log begin behind what all of them have committed.

import { describe, expect, test } from 'vitest'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { drive, fire, leading, small, threeSegments } from './replica-support.ts'
import type { Partition } from './replica-support.ts'
import { lines, sent } from './stage.ts'

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
