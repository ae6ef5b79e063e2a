// How groups and their offsets go: somebody deletes them, or nobody has been there for too long.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { ask, beat, commit, commitOf, groupsStage, loaded, logOf, withMember, written } from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

function deleteGroup(stage: Stage<GroupsState>, group = 'g'): Effect[] {
  return stage.deliver({ kind: 'deleteGroup', correlationId: 7, group })
}

function deleteOffsets(stage: Stage<GroupsState>, topic: string, partitions: readonly number[], group = 'g'): Effect[] {
  return stage.deliver({ kind: 'offsetDelete', correlationId: 8, group, partitions: [{ topic, partitions }] })
}

function groups(stage: Stage<GroupsState>): string {
  const { groups: listed } = sentOne(stage.deliver({ kind: 'listGroups', correlationId: 1 }), 'listGroupsResponse')
  return listed.map(({ group, state }) => `${group} ${state}`).join(', ')
}

/** The values of the records that are written. */
function values(effects: readonly Effect[]): (Uint8Array | null)[] {
  return readRecords(sentOne(effects, 'produce').records, 0).map(({ value }) => value)
}

describe('a group', () => {
  test('is deleted when its tombstones are in the log, and not before', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)], ['g', commitOf(1, 6)], ['h', commitOf(0, 9)]), 3)
    const effects = deleteGroup(stage)
    expect(values(effects)).toEqual([null, null])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99 UNSTABLE_OFFSET_COMMIT'])
    expect(lines(written(stage, sentOne(effects, 'produce').correlationId))).toEqual(['to client: groupDeletionResponse #7'])
    expect([ask(stage), groups(stage)]).toEqual([['to client: offsetFetchResponse #99: none'], 'h empty'])
    expect(lines(deleteGroup(stage))).toEqual(['to client: groupDeletionResponse #7 GROUP_ID_NOT_FOUND'])
  })

  test('whose tombstones the log refuses is as it was', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
    const { correlationId } = sentOne(deleteGroup(stage), 'produce')
    expect(lines(written(stage, correlationId, 'NOT_ENOUGH_REPLICAS'))).toEqual(['to client: groupDeletionResponse #7 NOT_ENOUGH_REPLICAS'])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5'])
  })

  test('stays deleted for whoever reads the log next', () => {
    const commits = [['g', commitOf(0, 5)] as const, ['g', commitOf(0, 5), 'tombstone'] as const]
    expect(groups(loaded(logOf(...commits), 2))).toBe('')
  })

  test('with members, or that is not there, is not deleted', () => {
    expect(lines(deleteGroup(withMember().stage))).toEqual(['to client: groupDeletionResponse #7 NON_EMPTY_GROUP'])
    expect(lines(deleteGroup(loaded(), 'x'))).toEqual(['to client: groupDeletionResponse #7 GROUP_ID_NOT_FOUND'])
    expect(lines(deleteGroup(groupsStage()))).toEqual(['to client: groupDeletionResponse #7 COORDINATOR_LOAD_IN_PROGRESS'])
  })

  test('is not deleted while a commit is on its way: the tombstones would not be of that', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
    commit(stage, 1, [commitOf(0, 6)])
    expect(lines(deleteGroup(stage))).toEqual(['to client: groupDeletionResponse #7 UNSTABLE_OFFSET_COMMIT'])
  })

  test('is there again when somebody commits, and its epochs go on', () => {
    const { stage, epoch } = withMember()
    beat(stage, 'm', -1)
    expect(groups(stage)).toBe('')
    beat(stage, 'm', 0)
    expect(stage.state.groups.get('g')?.membership?.epoch).toBeGreaterThan(epoch)
  })
})

describe('offsets', () => {
  test('are deleted one by one; what is not committed is passed over', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)], ['g', commitOf(1, 6)]), 2)
    const effects = deleteOffsets(stage, 't', [1, 4])
    expect(values(effects)).toEqual([null])
    expect(lines(written(stage, sentOne(effects, 'produce').correlationId))).toEqual(['to client: groupDeletionResponse #8'])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5'])
    expect(lines(deleteOffsets(stage, 't', [1]))).toEqual(['to client: groupDeletionResponse #8'])
  })

  test('of a topic that a member wants stay, and those of other topics go (KIP-496)', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)], ['g', { ...commitOf(0, 9), topic: 'u', topicId: -1 }]), 2)
    stage.deliver(topicsAnswer({ t: [0], u: [0] }))
    beat(stage, 'm', 0)
    expect(lines(deleteOffsets(stage, 't', [0]))).toEqual(['to client: groupDeletionResponse #8 GROUP_SUBSCRIBED_TO_TOPIC'])
    expect(values(deleteOffsets(stage, 'u', [0]))).toEqual([null])
    expect(lines(deleteOffsets(stage, 'u', [0], 'x'))).toEqual(['to client: groupDeletionResponse #8 GROUP_ID_NOT_FOUND'])
  })
})

describe('the offsets of a group in which nobody is', () => {
  const WEEK = 604_800_000

  function refreshed(stage: Stage<GroupsState>): number {
    return sent(stage.deliver({ kind: 'timerFired', timer: 'refresh' }), 'produce').length
  }

  test('go when that has been so for as long as they are kept', () => {
    const stage = loaded(null, 0, { offsetsRetentionMillis: 5000 })
    stage.uptime = 100
    written(stage, sentOne(commit(stage, 1, [commitOf(0, 5)]), 'produce').correlationId)
    stage.uptime = 5099
    expect(refreshed(stage)).toBe(0)
    stage.uptime = 5100
    const effects = stage.deliver({ kind: 'timerFired', timer: 'refresh' })
    expect(values(effects)).toEqual([null])
    expect(lines(written(stage, sentOne(effects, 'produce').correlationId))).toEqual([])
    expect(groups(stage)).toBe('')
  })

  test('stay while a member is there, however long it commits nothing, and are kept from when the last one left', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1, { offsetsRetentionMillis: 5000 })
    beat(stage, 'm', 0)
    stage.uptime = 900_000
    expect(refreshed(stage)).toBe(0)
    beat(stage, 'm', -1)
    stage.uptime += 4999
    expect(refreshed(stage)).toBe(0)
    stage.uptime++
    expect(refreshed(stage)).toBe(1)
  })

  test('count from the newest commit after a restart, but stay long enough for members to come back', () => {
    const afterRestart = (ageMillis: number): Stage<GroupsState> => {
      const stage = groupsStage({ offsetsRetentionMillis: WEEK })
      stage.now = ageMillis
      stage.deliver({ kind: 'started' })
      stage.deliver(fetched(logOf(['g', commitOf(0, 5)]), 1))
      stage.deliver(topicsAnswer({ t: [0, 0] }))
      return stage
    }
    const old = afterRestart(2 * WEEK)
    old.uptime = 599_999
    expect(refreshed(old)).toBe(0)
    old.uptime = 600_000
    expect(refreshed(old)).toBe(1)
    const younger = afterRestart(WEEK / 2)
    younger.uptime = WEEK / 2 - 1
    expect(refreshed(younger)).toBe(0)
    younger.uptime = WEEK / 2
    expect(refreshed(younger)).toBe(1)
  })

  test('stay for ever if that is asked for', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
    stage.uptime = 1e12
    expect(refreshed(stage)).toBe(0)
  })
})
