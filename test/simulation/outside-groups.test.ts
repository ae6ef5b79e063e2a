// The checker of groups that nobody is in, tested with histories that are not right; and that of records that go once they are consumed.

import { describe, expect, test } from 'vitest'
import type { GroupsState } from '../../actors/groups-state.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../../coordinator/groups/offset-record.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import { checkOutside, newOutsideGroup, toldOffset } from '../../simulation/checkers/outside-groups.ts'
import type { OutsideGroup } from '../../simulation/checkers/outside-groups.ts'
import { newTruth, partitionTruth } from '../../simulation/truth.ts'
import type { PartitionTruth } from '../../simulation/truth.ts'
import { World } from '../../simulation/world.ts'

const CLIENT = { node: -1, actor: 'custodian' }
const STATE = { config: { partition: 0, leaderEpoch: 0 } } as GroupsState
let ids = 0

interface Scene {
  readonly group: OutsideGroup
  readonly partition: PartitionTruth
  readonly violation: () => string | null
}

function scene(retentionMillis = -1): Scene {
  const truth = newTruth(new World(1), [])
  const partition = partitionTruth(truth, 'orders-0', 1, defaultTopicConfig)
  const group = newOutsideGroup(truth, 'audit', retentionMillis)
  return { group, partition, violation: () => truth.world.violation?.code ?? null }
}

/** A coordinator takes a commit, or (null) a deletion; how it is answered. */
function taken({ group }: Scene, offset: number | null, cause?: Message): number {
  const correlationId = ++ids
  const value = offset === null ? null : encodeOffsetValue({ topic: 'orders', partition: 0, offset, metadata: '', topicId: 1 }, 0)
  const log = openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 })
  const produce = appendRequest(log, 1, [{ key: encodeOffsetKey('audit', 'orders', 0), value }], 0)
  const request: Message =
    offset === null
      ? { kind: 'deleteGroup', correlationId, group: 'audit' }
      : { kind: 'offsetCommit', correlationId, group: 'audit', memberId: '', memberEpoch: -1, offsets: [] }
  checkOutside(group, STATE, cause ?? request, CLIENT, [{ kind: 'send', to: CLIENT, message: produce }])
  return correlationId
}

function told({ group }: Scene, correlationId: number, kind: 'offsetCommitResponse' | 'groupDeletionResponse'): void {
  const message: Message = { kind, correlationId, errorCode: 0, errorMessage: null }
  checkOutside(group, STATE, { kind: 'started' }, CLIENT, [{ kind: 'send', to: CLIENT, message }])
}

/** The group says what is committed; null for nothing. */
function says({ group, violation }: Scene, offset: number | null): string | null {
  const asked: Message = { kind: 'offsetFetch', correlationId: 9, group: 'audit', partitions: null }
  const offsets = offset === null ? [] : [{ topic: 'orders', partition: 0, offset, metadata: '', topicId: 1 }]
  const message: Message = { kind: 'offsetFetchResponse', correlationId: 9, errorCode: 0, requested: ['orders-0'], offsets }
  checkOutside(group, STATE, asked, CLIENT, [{ kind: 'send', to: CLIENT, message }])
  return violation()
}

describe('a group that nobody is in', () => {
  test('says what was committed last, or what was taken since; nothing else', () => {
    const one = scene()
    told(one, taken(one, 3), 'offsetCommitResponse')
    expect([says(one, 3), toldOffset(one.group, one.partition)]).toEqual([null, 3])
    taken(one, 7)
    expect([says(one, 3), says(one, 7), toldOffset(one.group, one.partition)]).toEqual([null, null, -1])
    expect(says(one, 5)).toBe('BACK')
  })

  test('does not say what was overwritten', () => {
    const one = scene()
    taken(one, 3)
    told(one, taken(one, 7), 'offsetCommitResponse')
    expect(says(one, 3)).toBe('BACK')
  })

  test('has nothing when it was deleted, whatever was committed before', () => {
    const one = scene()
    told(one, taken(one, 3), 'offsetCommitResponse')
    told(one, taken(one, null), 'groupDeletionResponse')
    expect(says(one, null)).toBeNull()
    expect(says(one, 3)).toBe('GONE')
  })

  test('does not lose what was committed', () => {
    const one = scene()
    told(one, taken(one, 3), 'offsetCommitResponse')
    expect(says(one, null)).toBe('BACK')
  })

  test('expires when nobody has used it for long enough, and not before', () => {
    const timer: Message = { kind: 'timerFired', timer: 'refresh' }
    const early = scene(1000)
    told(early, taken(early, 3), 'offsetCommitResponse')
    taken(early, null, timer)
    expect(early.violation()).toBe('BACK')
    const late = scene(1000)
    told(late, taken(late, 3), 'offsetCommitResponse')
    late.group.truth.world.runUntil(1_000_000)
    taken(late, null, timer)
    expect([late.violation(), says(late, null), says(late, 3)]).toEqual([null, null, null])
  })

  test('is known by the end of what it may have committed', () => {
    const one = scene()
    taken(one, 3)
    expect(one.group.truth.committedEnds.get('audit')?.(one.partition)).toBe(3)
  })
})
