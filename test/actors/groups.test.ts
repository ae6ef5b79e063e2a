// A group: commits are known when they are in the log, members commit only for what they hold, and late messages change nothing.

import { ROUNDING_MILLIS } from '../../coordinator/groups/membership.ts'
import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { FetchResponse } from '../../protocol/messages/fetch.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import * as header from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import {
  ask,
  beat,
  commit,
  commitOf,
  groupIn,
  groupsStage,
  loaded,
  logOf,
  newestHeartbeat,
  rosterOf,
  withMember,
  written,
} from './groups-support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

/** The same batch at another place in the log. */
function moved(records: Uint8Array, baseOffset: number): Uint8Array {
  const copy = records.slice()
  header.stampBaseOffset(copy, 0, baseOffset)
  return copy
}

/** The answer to the newest request that reads the log. */
function read(
  { state }: Stage<GroupsState>,
  records: Uint8Array | null,
  highWatermark: number,
  changes: Partial<FetchResponse> = {},
): FetchResponse {
  return fetched(records, highWatermark, { correlationId: state.loadId, ...changes })
}

describe('loading', () => {
  test('reads the partition to its end, and keeps the newest commit of each group', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)], ['g', commitOf(0, 7)], ['h', commitOf(0, 9)], ['g', commitOf(1, 2)]), 4)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 7, t-1 at 2'])
    expect(ask(stage, 'h')).toEqual(['to client: offsetFetchResponse #99: t-0 at 9'])
    expect(ask(stage, 'i')).toEqual(['to client: offsetFetchResponse #99: none'])
  })

  test('answers meanwhile that it is loading', () => {
    const stage = groupsStage()
    expect(lines(stage.deliver({ kind: 'started' }))).toEqual([
      'timer sessions in 250 ms',
      'timer refresh in 1000 ms',
      'to replica/__consumer_offsets-3: fetch #1 from 0',
    ])
    const error = 'COORDINATOR_LOAD_IN_PROGRESS'
    expect(lines(beat(stage, 'm', 0, [], 7))).toEqual([`to client: consumerGroupHeartbeatResponse #7 ${error}`])
    expect(lines(commit(stage, 8, [commitOf(0, 1)]))).toEqual([`to client: offsetCommitResponse #8 ${error}`])
    expect(ask(stage)).toEqual([`to client: offsetFetchResponse #99 ${error}`])
  })

  test('does not take what answers a former life: part of the log would be missing', () => {
    const stage = groupsStage()
    stage.random = 1000
    stage.deliver({ kind: 'started' })
    expect(stage.state.loadId).toBeGreaterThanOrEqual(1000)
    expect(stage.deliver(fetched(moved(logOf(['g', commitOf(1, 6)]), 1), 2, { correlationId: 3 }))).toEqual([])
    stage.deliver(read(stage, logOf(['g', commitOf(0, 5)], ['g', commitOf(1, 6)]), 2))
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5, t-1 at 6'])
  })

  test('tries again when the partition cannot be read yet', () => {
    const stage = groupsStage()
    stage.deliver({ kind: 'started' })
    expect(lines(stage.deliver({ kind: 'undeliverable', correlationId: 1 }))).toEqual(['timer load in 5 ms'])
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'load' }))).toEqual(['to replica/__consumer_offsets-3: fetch #2 from 0'])
    expect(lines(stage.deliver(read(stage, null, 0, { errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })))).toEqual(['timer load in 10 ms'])
  })
})

describe('a commit', () => {
  test('is answered, and seen, when it is in the log', () => {
    const stage = loaded()
    const { correlationId, records } = sentOne(commit(stage, 1, [commitOf(0, 5), commitOf(1, 6)]), 'produce')
    expect(readRecords(records, 0)).toHaveLength(2)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99 UNSTABLE_OFFSET_COMMIT'])
    expect(lines(written(stage, correlationId))).toEqual(['to client: offsetCommitResponse #1'])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5, t-1 at 6'])
  })

  test('that the log refuses is refused, and not seen', () => {
    const stage = loaded()
    const { correlationId } = sentOne(commit(stage, 1, [commitOf(0, 5)]), 'produce')
    expect(lines(written(stage, correlationId, 'KAFKA_STORAGE_ERROR'))).toEqual(['to client: offsetCommitResponse #1 KAFKA_STORAGE_ERROR'])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: none'])
    expect(written(stage, correlationId)).toEqual([])
  })

  test('for a former topic of that name comes late, and replaces nothing, whether that is in the log or on its way', () => {
    const stage = loaded()
    const { correlationId } = sentOne(commit(stage, 1, [commitOf(0, 5, 7)]), 'produce')
    const refused = ['to client: offsetCommitResponse #2 UNKNOWN_TOPIC_ID']
    expect(lines(commit(stage, 2, [commitOf(0, 9, 6)]))).toEqual(refused)
    written(stage, correlationId)
    expect(lines(commit(stage, 2, [commitOf(0, 9, 6)]))).toEqual(refused)
    expect(sentOne(commit(stage, 3, [commitOf(0, 1, 8), commitOf(1, 1, 6)]), 'produce')).toBeDefined()
  })

  test('of nothing is answered at once', () => {
    expect(lines(commit(loaded(), 1, []))).toEqual(['to client: offsetCommitResponse #1'])
  })

  test('with too long a text is refused, and one as long as it may be is taken', () => {
    const stage = loaded()
    const withText = (length: number): TopicOffset => ({ ...commitOf(0, 5), metadata: 'x'.repeat(length) })
    expect(lines(commit(stage, 1, [commitOf(1, 5), withText(4097)]))).toEqual([
      'to client: offsetCommitResponse #1 OFFSET_METADATA_TOO_LARGE',
    ])
    expect(sent(commit(stage, 2, [withText(4096)]), 'produce')).toHaveLength(1)
  })

  test('of a member is taken under its present epoch only, for what it holds only', () => {
    const { stage, epoch } = withMember()
    const refused = (...request: Parameters<typeof commit>): string => lines(commit(...request))[0]?.replace(/.*#\d+ ?/, '') ?? ''
    expect(refused(stage, 1, [commitOf(0, 5)], 'stranger', epoch)).toBe('UNKNOWN_MEMBER_ID')
    expect(refused(stage, 1, [commitOf(0, 5)], 'm', epoch - 1)).toBe('STALE_MEMBER_EPOCH')
    expect(refused(stage, 1, [commitOf(2, 5)], 'm', epoch)).toBe('FENCED_MEMBER_EPOCH')
    expect(sentOne(commit(stage, 1, [commitOf(0, 5), commitOf(2, 5)], 'm', epoch), 'offsetCommitResponse').errorMessage).toBe(
      't-2 is not assigned to this consumer',
    )
    expect(refused(stage, 1, [commitOf(0, 5)])).toBe('UNKNOWN_MEMBER_ID')
    expect(lines(commit(stage, 1, [commitOf(0, 5), commitOf(1, 1)], 'm', epoch))).toEqual([expect.stringMatching(/^to replica/)])
  })

  test('of a member that comes twice, or late, changes nothing', () => {
    const { stage, epoch } = withMember()
    const { correlationId } = sentOne(commit(stage, 6, [commitOf(0, 9)], 'm', epoch), 'produce')
    expect(commit(stage, 6, [commitOf(0, 9)], 'm', epoch)).toEqual([])
    expect(commit(stage, 5, [commitOf(0, 2)], 'm', epoch)).toEqual([])
    written(stage, correlationId)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 9'])
  })

  test('is taken for a partition that the member is letting go of, until it has', () => {
    const { stage, epoch } = withMember()
    beat(stage, 'n', 0)
    const { memberEpoch } = sentOne(beat(stage, 'm', epoch, [0, 1]), 'consumerGroupHeartbeatResponse')
    expect(sent(commit(stage, 1, [commitOf(1, 5)], 'm', memberEpoch), 'produce')).toHaveLength(1)
    beat(stage, 'm', memberEpoch, [0])
    expect(lines(commit(stage, 2, [commitOf(1, 6)], 'm', memberEpoch))).toEqual(['to client: offsetCommitResponse #2 FENCED_MEMBER_EPOCH'])
  })
})

describe('a heartbeat', () => {
  test('brings partitions when the topics are known, which are asked for', () => {
    const stage = loaded()
    expect(lines(beat(stage, 'm', 0, [], 500))).toEqual([
      'to client: consumerGroupHeartbeatResponse #500 epoch 1, may have nothing',
      'to coordinator: metadata #3 of t',
    ])
    stage.deliver(topicsAnswer({ t: [0, 1] }))
    expect(lines(beat(stage, 'm', 1, [], 501))).toEqual(['to client: consumerGroupHeartbeatResponse #501 epoch 2, may have t-0 t-1'])
  })

  test('that comes twice or late changes nothing, not even by an answer', () => {
    const { stage, epoch } = withMember()
    const late = newestHeartbeat()
    beat(stage, 'm', epoch, [0, 1])
    expect(beat(stage, 'm', 0, [], late)).toEqual([])
    expect(groupIn(stage).membership?.members.get('m')?.epoch).toBe(epoch)
  })

  test('that leaves, and comes late, does not end the membership that followed', () => {
    const { stage, epoch } = withMember()
    const farewell = newestHeartbeat() + 1
    beat(stage, 'm', -1, [], farewell)
    beat(stage, 'm', 0)
    expect(beat(stage, 'm', -1, [], farewell)).toEqual([])
    expect(groupIn(stage).membership?.members.get('m')?.epoch).toBeGreaterThan(epoch)
  })

  test('of nobody is refused, one that leaves is answered although nobody is there', () => {
    const stage = loaded()
    expect(lines(beat(stage, 'x', 3, [], 800))).toEqual(['to client: consumerGroupHeartbeatResponse #800 UNKNOWN_MEMBER_ID'])
    expect(lines(beat(stage, 'x', -1, [], 801))).toEqual(['to client: consumerGroupHeartbeatResponse #801 epoch -1, may have nothing'])
  })

  test('that fails to come ends the session', () => {
    const { stage } = withMember()
    stage.uptime = 1000
    stage.deliver({ kind: 'timerFired', timer: 'sessions' })
    expect(groupIn(stage).membership?.members.size).toBe(1)
    stage.uptime = 1000 + ROUNDING_MILLIS
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'sessions' }))).toEqual(['timer sessions in 250 ms'])
    expect(stage.state.groups.size).toBe(0)
  })

  test('is refused when another node may be in charge, until the lease is extended', () => {
    const stage = loaded(null, 0, { leaseUntil: 500 })
    stage.uptime = 499
    expect(sentOne(beat(stage, 'm', 0), 'consumerGroupHeartbeatResponse').errorCode).toBe(0)
    stage.uptime = 500
    expect(lines(beat(stage, 'm', 1, [], 900))).toEqual(['to client: consumerGroupHeartbeatResponse #900 NOT_COORDINATOR'])
    stage.deliver({ kind: 'leaseExtended', until: 501 })
    expect(sentOne(beat(stage, 'm', 1, [], 901), 'consumerGroupHeartbeatResponse').errorCode).toBe(0)
  })

  test('brings nothing while a member of the coordinator before is waited for', () => {
    const stage = loaded(rosterOf('g', 'n'), 1, { graceMillis: 400 })
    beat(stage, 'm', 0)
    stage.deliver(topicsAnswer({ t: [0] }))
    stage.uptime = 399
    expect(sentOne(beat(stage, 'm', 1), 'consumerGroupHeartbeatResponse').assignment).toEqual([])
    stage.uptime = 400
    expect(sentOne(beat(stage, 'm', 1), 'consumerGroupHeartbeatResponse').assignment).toEqual([{ topic: 't', partitions: [0] }])
  })
})

describe('a member that has something to give up, or to take', () => {
  const roused = (effects: readonly Effect[]): string[] => sent(effects, 'groupChanged').map(({ memberId }) => memberId)

  test('hears of it at once, and once until it asks', () => {
    const { stage, epoch } = withMember()
    expect(roused(beat(stage, 'n', 0))).toEqual(['m'])
    expect(roused(beat(stage, 'o', 0))).toEqual([])
    const { memberEpoch } = sentOne(beat(stage, 'm', epoch, [0, 1]), 'consumerGroupHeartbeatResponse')
    const confirmed = beat(stage, 'm', memberEpoch, [0])
    expect(roused(confirmed)).toHaveLength(1)
    expect(roused(beat(stage, 'm', memberEpoch, [0]))).toEqual([])
  })

  test('hears of it when another one leaves, or is silent for too long', () => {
    const { stage, epoch } = withMember()
    beat(stage, 'n', 0)
    expect(roused(beat(stage, 'm', -1))).toEqual(['n'])
    beat(stage, 'm', 0)
    stage.uptime = 500
    beat(stage, 'n', stage.state.groups.get('g')!.membership!.members.get('n')!.epoch)
    stage.uptime = 1200
    expect(epoch).toBeGreaterThan(0)
    expect(roused(stage.deliver({ kind: 'timerFired', timer: 'sessions' }))).toEqual(['n'])
  })
})

describe('partitions', () => {
  test('that are added are found by asking now and then, while there are members', () => {
    const { stage, epoch } = withMember()
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'refresh' }))[1]).toMatch(/^to coordinator: metadata #\d+ of t$/)
    stage.deliver(topicsAnswer({ t: [0, 0, 0] }, 3))
    expect(lines(beat(stage, 'm', epoch, [0, 1]))[0]).toContain('may have t-0 t-1 t-2')
    expect(lines(loaded().deliver({ kind: 'timerFired', timer: 'refresh' }))).toEqual(['timer refresh in 1000 ms'])
  })

  test('as an older answer knows them are not taken', () => {
    const { stage, epoch } = withMember()
    stage.deliver(topicsAnswer({ t: [0, 0, 0] }, 9))
    stage.deliver(topicsAnswer({ t: [0] }, 8))
    expect(lines(beat(stage, 'm', epoch, [0, 1]))[0]).toContain('may have t-0 t-1 t-2')
  })
})

describe('the offsets of a topic that was deleted', () => {
  /** A group that has read two commits of topic 5, and how it asked for that topic. */
  function checking(): { stage: Stage<GroupsState>; correlationId: number } {
    const stage = groupsStage()
    stage.deliver({ kind: 'started' })
    const effects = stage.deliver(read(stage, logOf(['g', commitOf(0, 5)], ['g', commitOf(1, 6)]), 2))
    return { stage, correlationId: sentOne(effects, 'metadata').correlationId }
  }

  /** The tombstones among the effects: offsets that a group that reads them would still have. */
  function leftAfter(effects: readonly Effect[]): string[] {
    const tombstones = sentOne(effects, 'produce').records
    const stage = groupsStage()
    stage.deliver({ kind: 'started' })
    stage.deliver(read(stage, logOf(['g', commitOf(0, 5)], ['g', commitOf(1, 6)]), 3))
    stage.deliver(read(stage, moved(tombstones, 2), 3 + 1))
    return [...(stage.state.groups.get('g')?.offsets.keys() ?? [])]
  }

  /** The same batch further along the log. */
  test('are not shown before the topics have been looked up', () => {
    const { stage } = checking()
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99 COORDINATOR_LOAD_IN_PROGRESS'])
    expect(lines(stage.deliver({ kind: 'undeliverable', correlationId: 2 }))).toEqual(['timer load in 5 ms'])
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'load' }))).toEqual([
      expect.stringMatching(/^to coordinator: metadata #\d+ of t$/),
    ])
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5, t-1 at 6'])
  })

  test.each([
    ['is gone', topicsAnswer({ t: [] })],
    ['was created again, while the group did not run', topicsAnswer({ t: [0, 0] }, 0, 9)],
  ])('go when it %s, from the log too', (_, answer) => {
    const effects = checking().stage.deliver(answer)
    const { stage } = checking()
    expect(lines(stage.deliver(answer))).toEqual(['to replica/__consumer_offsets-3: produce #3: 2 records'])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: none'])
    expect(leftAfter(effects)).toEqual([])
  })

  test('are not looked for in a log that is half read: the tombstones would come after the commits that are still to be read', () => {
    const stage = groupsStage()
    stage.deliver({ kind: 'started' })
    stage.deliver(read(stage, logOf(['g', commitOf(0, 5)]), 2))
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'refresh' }))).toEqual(['timer refresh in 1000 ms'])
    expect(stage.deliver(topicsAnswer({ t: [0] }, 1, 9))).toEqual([])
    stage.deliver(read(stage, moved(logOf(['g', commitOf(0, 7, 9)]), 1), 2))
    stage.deliver(topicsAnswer({ t: [0] }, 1, 9))
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 7'])
  })

  test('go while the group runs, with members or without', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
    expect(lines(stage.deliver({ kind: 'timerFired', timer: 'refresh' }))[1]).toMatch(/^to coordinator: metadata #\d+ of t$/)
    expect(sent(stage.deliver(topicsAnswer({ t: [0] }, 1, 6)), 'produce')).toHaveLength(1)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: none'])
  })

  test('stay while a newer commit of the partition is on its way: the tombstone would come after it', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5)]), 1)
    const { correlationId } = sentOne(commit(stage, 1, [commitOf(0, 2, 6)]), 'produce')
    expect(stage.deliver(topicsAnswer({ t: [0] }, 1, 6))).toEqual([])
    written(stage, correlationId)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 2'])
  })

  test('are not those of a topic that is younger than the metadata', () => {
    const stage = loaded()
    const asked = stage.state.nextCorrelationId
    written(stage, sentOne(commit(stage, 1, [commitOf(0, 2, 6)]), 'produce').correlationId)
    expect(stage.deliver({ ...topicsAnswer({ t: [] }), correlationId: asked - 1 })).toEqual([])
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 2'])
  })

  test('stay if they were written without a topic id and there is a topic of that name', () => {
    const stage = loaded(logOf(['g', commitOf(0, 5, -1)]), 1)
    expect(ask(stage)).toEqual(['to client: offsetFetchResponse #99: t-0 at 5'])
  })
})

test('a description says how far the hand-over is', () => {
  const describeGroup = (stage: Stage<GroupsState>): string =>
    sentOne(stage.deliver({ kind: 'describeGroup', correlationId: 1, group: 'g' }), 'describeGroupResponse').state
  expect(describeGroup(loaded())).toBe('empty')
  const { stage } = withMember()
  expect(describeGroup(stage)).toBe('stable')
  beat(stage, 'n', 0)
  expect(describeGroup(stage)).toBe('reconciling')
})
