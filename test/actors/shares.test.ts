// The coordinator of share groups: nothing is given out, or done with, before it is written; locks, time-outs, logs that change.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { KeptShare, ShareRecord } from '../../coordinator/share/share-record.ts'
import { TRUST_MILLIS } from '../../actors/share-trust.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { FetchResponse } from '../../protocol/messages/fetch.ts'
import type { MetadataResponse } from '../../protocol/messages/metadata.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { active, ask, ends, given, leaders, load, range, recordsOf, sharesStage, written } from './shares-support.ts'
import { sent, sentOne } from './stage.ts'

function kept(changes: Partial<KeptShare> = {}): ShareRecord {
  const one = { first: 2, last: 4, state: 'available' as const, deliveryCount: 2, memberId: '', lockUntil: 0 }
  return {
    group: 'g',
    topicId: 5,
    partition: 0,
    kept: { topic: 'orders', leaderEpoch: 0, startOffset: 2, nextOffset: 5, ranges: [one], gone: [], ...changes },
  }
}

function topicGone(): MetadataResponse {
  return topicsAnswer({ orders: [] }, 1)
}

function sentEnd(correlationId: number): FetchResponse {
  return fetched(null, 0, { correlationId })
}

describe('records', () => {
  test('are given when that is written, and not before', () => {
    const stage = active()
    const effects = given(stage, 3)
    expect(sent(effects, 'shareFetchResponse')).toEqual([])
    expect(recordsOf(effects)).toMatchObject([{ group: 'g', kept: { startOffset: 0, ranges: [{ first: 0, last: 2, deliveryCount: 1 }] } }])
    expect(sentOne(written(stage, effects), 'shareFetchResponse')).toMatchObject({
      correlationId: 1,
      errorCode: 0,
      acquired: [{ ...range(0, 2), deliveryCount: 1 }],
    })
  })

  test('are given once to a member that asks again', () => {
    const stage = active()
    written(stage, given(stage, 3))
    const again = ask(stage, 'a', 1, { correlationId: 77 })
    expect(sentOne(again, 'shareFetchResponse')).toMatchObject({ correlationId: 77, acquired: [range(0, 2)] })
    expect(sent(again, 'produce')).toEqual([])
    expect(sentOne(ask(stage, 'a', 0), 'shareFetchResponse').errorCode).toBe(codeOf('INVALID_SHARE_SESSION_EPOCH'))
  })

  test('are not told of to a member that asks again, and has lost them meanwhile', () => {
    const stage = active()
    const effects = given(stage, 3)
    // The lock begins with the answer, not with the write.
    stage.uptime = 2000
    stage.deliver({ kind: 'timerFired', timer: 'tick' })
    expect(sentOne(written(stage, effects), 'shareFetchResponse').acquired).toMatchObject([range(0, 2)])
    ask(stage, 'b', 1, { maxWaitMillis: 5000 })
    stage.uptime = 2999
    expect(sent(stage.deliver({ kind: 'timerFired', timer: 'tick' }), 'produce')).toEqual([])
    stage.uptime = 3000
    const due = stage.deliver({ kind: 'timerFired', timer: 'tick' })
    expect(sentOne(ask(stage, 'a', 1), 'shareFetchResponse').acquired).toEqual([])
    expect(sentOne(written(stage, due), 'shareFetchResponse').acquired).toEqual([{ ...range(0, 2), deliveryCount: 2 }])
  })

  test('are told of as far as they are still there: the log may have lost its beginning while they were written, or its end', () => {
    for (const { logStartOffset, highWatermark, left } of [
      { logStartOffset: 2, highWatermark: 4, left: [range(2, 3)] },
      { logStartOffset: 0, highWatermark: 3, left: [range(0, 2)] },
      { logStartOffset: 4, highWatermark: 4, left: [] },
    ]) {
      const stage = active()
      const effects = given(stage, 4)
      ends(stage, ask(stage, 'b', 1), highWatermark, { logStartOffset })
      const told = sent(written(stage, effects), 'shareFetchResponse')
      expect(told).toEqual([expect.objectContaining({ errorCode: 0, acquired: left.map((one) => ({ ...one, deliveryCount: 1 })) })])
    }
  })

  test('are waited for where the log ends, and until the time is over', () => {
    const stage = active()
    const effects = written(stage, given(stage, 0))
    expect(sent(effects, 'shareFetchResponse')).toEqual([])
    stage.uptime = 500
    const over = stage.deliver({ kind: 'timerFired', timer: 'tick' })
    expect(sentOne(over, 'shareFetchResponse')).toMatchObject({ errorCode: 0, acquired: [] })
  })

  test('wake who waits for them', () => {
    const stage = active()
    const effects = given(stage, 0)
    const waiting = sentOne(effects, 'fetch')
    expect(waiting).toMatchObject({ fetchOffset: 0, mode: 'range', maxWaitMillis: 500 })
    written(stage, effects)
    const more = ends(stage, effects, 2)
    expect(sentOne(written(stage, more), 'shareFetchResponse').acquired).toEqual([{ ...range(0, 1), deliveryCount: 1 }])
  })

  test('are given to others when the lock is over', () => {
    const stage = active()
    written(stage, given(stage, 3))
    ask(stage, 'b', 1, { maxWaitMillis: 5000 })
    stage.uptime = 999
    expect(sent(stage.deliver({ kind: 'timerFired', timer: 'tick' }), 'produce')).toEqual([])
    stage.uptime = 1000
    const due = stage.deliver({ kind: 'timerFired', timer: 'tick' })
    expect(sentOne(written(stage, due), 'shareFetchResponse').acquired).toEqual([{ ...range(0, 2), deliveryCount: 2 }])
    const late = ask(stage, 'a', 2, { maxRecords: 0, acknowledgements: [{ ...range(0, 0), type: 'accept' }] })
    expect(sentOne(late, 'shareFetchResponse').refused).toEqual([{ ...range(0, 0), type: 'accept' }])
  })

  test('are given to others when their member leaves', () => {
    const stage = active()
    written(stage, given(stage, 3))
    ask(stage, 'b', 1)
    const effects = ask(stage, 'a', 2, { leaves: true })
    const answers = sent(written(stage, effects), 'shareFetchResponse')
    expect(answers).toMatchObject([
      { correlationId: 1, acquired: [range(0, 2)] },
      { correlationId: 2, acquired: [] },
    ])
    expect([...(stage.state.groups.get('g')?.members.keys() ?? [])]).toEqual(['b'])
  })
})

describe('an acknowledgement', () => {
  test('of records that the log has lost since is taken for those that are left, and is answered when something was written', () => {
    const stage = active()
    written(stage, given(stage, 10))
    const parked = ask(stage, 'b', 1)
    ends(stage, parked, 10, { logStartOffset: 4 })
    const effects = ask(stage, 'a', 2, { acknowledgements: [{ ...range(2, 6), type: 'accept' }] })
    expect(sent(effects, 'shareFetchResponse')).toEqual([])
    expect(stage.state.groups.get('g')?.partitions.get('5/0')?.startOffset).toBe(7)
    const late = ask(stage, 'b', 2, { maxRecords: 0, acknowledgements: [{ ...range(2, 3), type: 'accept' }] })
    expect(sent(late, 'shareFetchResponse').at(-1)?.refused).toEqual([{ ...range(2, 3), type: 'accept' }])
  })

  test('is answered when it is written', () => {
    const stage = active()
    written(stage, given(stage, 3))
    const effects = ask(stage, 'a', 2, { maxRecords: 0, acknowledgements: [{ ...range(0, 1), type: 'accept' }] })
    expect(sent(effects, 'shareFetchResponse')).toEqual([])
    expect(recordsOf(effects)).toMatchObject([
      { kept: { startOffset: 2, ranges: [{ first: 2, last: 2, state: 'available', deliveryCount: 1 }] } },
    ])
    expect(sentOne(written(stage, effects), 'shareFetchResponse')).toMatchObject({ correlationId: 2, refused: [] })
  })

  test('goes into the next write while one is under way', () => {
    const stage = active()
    const first = given(stage, 3, { maxRecords: 1 })
    expect(sent(ask(stage, 'b', 1, { maxRecords: 1, correlationId: 9 }), 'produce')).toEqual([])
    const second = written(stage, first)
    expect(sent(second, 'shareFetchResponse').map(({ correlationId }) => correlationId)).toEqual([1])
    expect(sentOne(written(stage, second), 'shareFetchResponse')).toMatchObject({ correlationId: 9, acquired: [range(1, 1)] })
  })

  test('whose write fails may be in the log: the log is read again, after a barrier', () => {
    const stage = active()
    written(stage, given(stage, 3))
    const effects = ask(stage, 'a', 2, { maxRecords: 0, acknowledgements: [{ ...range(0, 1), type: 'accept' }] })
    const refused = written(stage, effects, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
    expect(sentOne(refused, 'shareFetchResponse').errorCode).toBe(codeOf('COORDINATOR_LOAD_IN_PROGRESS'))
    expect(sentOne(ask(stage, 'a', 3), 'shareFetchResponse').errorCode).toBe(codeOf('COORDINATOR_LOAD_IN_PROGRESS'))
    load(stage, stage.deliver({ kind: 'timerFired', timer: 'load' }), kept())
    expect(stage.state.groups.get('g')?.partitions.get('5/0')).toMatchObject({ startOffset: 2, nextOffset: 5 })
  })

  test.each([true, false])('an attempt that nobody was told of does not count, whether it is in the log or not: %s', (isInLog) => {
    const stage = active()
    for (let round = 0; round < 3; round++) {
      const refused = written(stage, round === 0 ? given(stage, 3) : ask(stage, 'a', round + 1), 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
      expect(sentOne(refused, 'shareFetchResponse').errorCode).toBe(codeOf('COORDINATOR_LOAD_IN_PROGRESS'))
      const one = { first: 0, last: 2, state: 'available' as const, deliveryCount: 1, memberId: '', lockUntil: 0 }
      const inLog = isInLog ? [kept({ startOffset: 0, nextOffset: 3, ranges: [one] })] : []
      const loaded = load(stage, stage.deliver({ kind: 'timerFired', timer: 'load' }), ...inLog)
      // It is written that it does not count, if it was written that it does.
      if (isInLog) expect(recordsOf(loaded)).toMatchObject([{ kept: { ranges: [{ first: 0, last: 2, deliveryCount: 0 }] } }])
      else expect(sent(loaded, 'produce')).toEqual([])
      if (isInLog && round < 2) written(stage, loaded)
      else if (isInLog) {
        // That is in doubt, too: it is said again.
        written(stage, loaded, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
        written(stage, load(stage, stage.deliver({ kind: 'timerFired', timer: 'load' }), ...inLog))
      }
      // Nothing is given out before members have ceased to be sure of what they had.
      stage.uptime += TRUST_MILLIS
    }
    const last = ask(stage, 'a', 9)
    expect(sentOne(written(stage, last), 'shareFetchResponse').acquired).toEqual([{ ...range(0, 2), deliveryCount: 1 }])
    expect(stage.state.untold).toEqual([])
  })

  test('that is read anew says nothing of records that are known to be gone', () => {
    const stage = active()
    const effects = given(stage, 4)
    ends(stage, ask(stage, 'b', 1), 4, { logStartOffset: 2 })
    written(stage, effects, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
    const one = { first: 0, last: 3, state: 'available' as const, deliveryCount: 0, memberId: '', lockUntil: 0 }
    load(stage, stage.deliver({ kind: 'timerFired', timer: 'load' }), kept({ startOffset: 0, nextOffset: 4, ranges: [one] }))
    stage.uptime += TRUST_MILLIS
    const again = ask(stage, 'a', 2)
    expect(sentOne(written(stage, again), 'shareFetchResponse').acquired).toEqual([{ ...range(2, 3), deliveryCount: 1 }])
  })

  test('of one whose lease is over is not confirmed', () => {
    const stage = sharesStage({ leaseUntil: 100 })
    load(stage, stage.deliver({ kind: 'started' }))
    const effects = given(stage, 3)
    stage.uptime = 100
    expect(sentOne(written(stage, effects), 'shareFetchResponse')).toMatchObject({ errorCode: codeOf('NOT_COORDINATOR'), acquired: [] })
    stage.deliver({ kind: 'leaseExtended', until: 200 })
    expect(sentOne(ask(stage, 'a', 1), 'shareFetchResponse').errorCode).toBe(0)
  })
})

describe('a coordinator that begins', () => {
  test('goes on where the group was, and counts on', () => {
    const stage = active(kept())
    const effects = given(stage, 8, { deliveryCountLimit: 10 })
    expect(sentOne(written(stage, effects), 'shareFetchResponse').acquired).toEqual([
      { ...range(2, 4), deliveryCount: 3 },
      { ...range(5, 7), deliveryCount: 1 },
    ])
  })

  test('does not believe a leader that is older than the one it has heard', () => {
    const stage = active(kept({ leaderEpoch: 7 }))
    expect(sent(given(stage, 3), 'produce')).toEqual([])
    expect(stage.state.groups.get('g')?.partitions.get('5/0')?.nextOffset).toBe(5)
  })

  test('waits for a new leader to know what is committed', () => {
    const stage = active(kept())
    ask(stage, 'a', 1)
    expect(sent(ends(stage, leaders(stage), 3, { epochStartOffset: 5 }), 'produce')).toEqual([])
    expect(stage.state.groups.get('g')?.partitions.get('5/0')?.nextOffset).toBe(5)
  })

  test('follows a log that has lost its end, or its beginning', () => {
    const stage = active(kept())
    const effects = given(stage, 4, { deliveryCountLimit: 10 })
    expect(recordsOf(effects)).toMatchObject([{ kept: { startOffset: 2, nextOffset: 4 } }])
    const other = active(kept())
    ask(other, 'a', 1, { deliveryCountLimit: 10 })
    expect(recordsOf(ends(other, leaders(other), 6, { errorCode: codeOf('OFFSET_OUT_OF_RANGE'), logStartOffset: 4 }))).toMatchObject([
      { kept: { startOffset: 4, nextOffset: 6 } },
    ])
  })

  test('forgets topics that are deleted', () => {
    const stage = active(kept())
    expect(recordsOf(stage.deliver({ ...topicGone(), nextTopicId: 6 }, { node: 0, actor: 'coordinator' }))).toEqual([
      { ...kept(), kept: null },
    ])
    expect(stage.state.groups.size).toBe(0)
  })

  test('begins a new group at the end, if it is asked to, and what is added later at its first record', () => {
    const stage = active()
    const effects = given(stage, 3, { reset: 'latest' })
    expect(recordsOf(effects)).toMatchObject([{ kept: { startOffset: 3, ranges: [] } }])
    written(stage, effects)
    const added = leaders(stage, [2, 2], 1)
    const { correlationId } = sent(added, 'fetch').find(({ fetchOffset }) => fetchOffset === 0)!
    const answer = { ...sentEnd(correlationId), highWatermark: 2 }
    const more = stage.deliver(answer, { node: 2, actor: 'replica/orders-1' })
    expect(recordsOf(more)).toMatchObject([{ partition: 1, kept: { startOffset: 0, nextOffset: 2 } }])
  })
})

test('operators see groups, and may delete those that nobody is in', () => {
  const stage = active()
  written(stage, given(stage, 3))
  expect(sentOne(stage.deliver({ kind: 'describeShareGroup', correlationId: 5, group: 'g' }), 'describeShareGroupResponse')).toMatchObject({
    state: 'stable',
    members: [{ memberId: 'a', topics: ['orders'] }],
    partitions: [{ topic: 'orders', partition: 0, startOffset: 0, nextOffset: 3, acquired: 3, done: 0 }],
  })
  const tooEarly = stage.deliver({ kind: 'deleteShareGroup', correlationId: 6, group: 'g' })
  expect(sentOne(tooEarly, 'deleteShareGroupResponse').errorCode).toBe(codeOf('NON_EMPTY_GROUP'))
  written(stage, ask(stage, 'a', 2, { leaves: true }))
  const deletion = stage.deliver({ kind: 'deleteShareGroup', correlationId: 7, group: 'g' })
  expect(recordsOf(deletion)).toMatchObject([{ group: 'g', kept: null }])
  expect(sent(deletion, 'deleteShareGroupResponse')).toEqual([])
  expect(sentOne(written(stage, deletion), 'deleteShareGroupResponse')).toMatchObject({ correlationId: 7, errorCode: 0 })
  expect(sentOne(stage.deliver({ kind: 'listShareGroups', correlationId: 8 }), 'listShareGroupsResponse').groups).toEqual([])
})

test('a group whose members may not have come back yet is not deleted', () => {
  const stage = sharesStage({ expectMillis: 10_000 })
  load(stage, stage.deliver({ kind: 'started' }), kept())
  const refusal = (effects: readonly Effect[]): number[] => sent(effects, 'deleteShareGroupResponse').map(({ errorCode }) => errorCode)
  const deletion = { kind: 'deleteShareGroup', correlationId: 6, group: 'g' } as const
  stage.uptime = 9999
  expect(refusal(stage.deliver(deletion))).toEqual([codeOf('COORDINATOR_LOAD_IN_PROGRESS')])
  ask(stage, 'a', 1)
  expect(refusal(stage.deliver(deletion))).toEqual([codeOf('NON_EMPTY_GROUP')])
  ask(stage, 'a', 2, { leaves: true })
  expect(refusal(stage.deliver(deletion))).toEqual([codeOf('COORDINATOR_LOAD_IN_PROGRESS')])
  stage.uptime = 10_000
  expect(recordsOf(stage.deliver(deletion))).toMatchObject([{ group: 'g', kept: null }])
})

test('a group whose members may not have come back yet is not said to have none', () => {
  const stage = sharesStage({ expectMillis: 10_000 })
  load(stage, stage.deliver({ kind: 'started' }), kept())
  const told = (): unknown[] =>
    sent(stage.deliver({ kind: 'describeShareGroup', correlationId: 6, group: 'g' }), 'describeShareGroupResponse').map(
      ({ errorCode, members }) => [errorCode, members.length],
    )
  stage.uptime = 9999
  expect(told()).toEqual([[codeOf('COORDINATOR_LOAD_IN_PROGRESS'), 0]])
  ask(stage, 'a', 1)
  expect(told()).toEqual([[0, 1]])
  ask(stage, 'a', 2, { leaves: true })
  stage.uptime = 10_000
  expect(told()).toEqual([[0, 0]])
})

test('leaders hear how far a group is when that is in the log, and nothing of what may not be', () => {
  const stage = active(kept())
  const asked = (correlationId: number, topicId = 5): Effect[] =>
    stage.deliver({ kind: 'describeShareGroupOffsets', correlationId, group: 'g', topicId, partition: 0 })
  const told = (effects: readonly Effect[]): number[][] =>
    sent(effects, 'describeShareGroupOffsetsResponse').map(({ correlationId, errorCode, startOffset }) => [
      correlationId,
      errorCode,
      startOffset,
    ])
  expect([told(asked(1)), told(asked(2, 6))]).toEqual([[[1, 0, 2]], [[2, 0, -1]]])
  written(stage, given(stage, 5))
  const accepting = ask(stage, 'a', 2, { maxRecords: 0, acknowledgements: [{ ...range(2, 2), type: 'accept' }] })
  expect(told(asked(4))).toEqual([])
  expect(told(written(stage, accepting))).toEqual([[4, 0, 3]])
  expect(
    told(sharesStage().deliver({ kind: 'describeShareGroupOffsets', correlationId: 3, group: 'g', topicId: 5, partition: 0 })),
  ).toEqual([[3, codeOf('COORDINATOR_LOAD_IN_PROGRESS'), -1]])
})

test('a group has so many members, and no more until one has left', () => {
  const stage = active()
  for (let i = 0; i < 1000; i++) ask(stage, `m${i}`, 1)
  const told = (effects: readonly Effect[]): number[] => sent(effects, 'shareFetchResponse').map(({ errorCode }) => errorCode)
  expect(told(ask(stage, 'one more', 1))).toEqual([codeOf('GROUP_MAX_SIZE_REACHED')])
  expect(told(ask(stage, 'm7', 2))).not.toContain(codeOf('GROUP_MAX_SIZE_REACHED'))
  ask(stage, 'm8', 2, { leaves: true })
  expect(told(ask(stage, 'one more', 1))).not.toContain(codeOf('GROUP_MAX_SIZE_REACHED'))
  expect(stage.state.groups.get('g')?.members.size).toBe(1000)
})

test('a member that has left does not come back by what it said before, and comes late', () => {
  const stage = active()
  written(stage, given(stage, 3))
  written(stage, ask(stage, 'a', 3, { leaves: true }))
  const told = (effects: readonly Effect[]): number[] => sent(effects, 'shareFetchResponse').map(({ errorCode }) => errorCode)
  // Once more, or overtaken by the farewell.
  expect(told(ask(stage, 'a', 1))).toEqual([codeOf('SHARE_SESSION_NOT_FOUND')])
  expect(told(ask(stage, 'a', 2))).toEqual([codeOf('SHARE_SESSION_NOT_FOUND')])
  expect(told(ask(stage, 'a', 3, { leaves: true }))).toEqual([0])
  expect(told(ask(stage, 'a', 4, { leaves: true }))).toEqual([0])
  expect([...(stage.state.groups.get('g')?.members.keys() ?? [])]).toEqual([])
  expect(sent(ask(stage, 'b', 1), 'produce')).toHaveLength(1)
})

test('who has left is forgotten after a while', () => {
  const stage = active()
  ask(stage, 'a', 1, { leaves: true })
  stage.uptime = 60_000
  ask(stage, 'b', 1, { leaves: true })
  expect([...stage.state.departed.keys()]).toEqual(['b/g'])
  for (let i = 0; i < 10_000; i++) ask(stage, `m${i}`, 1, { leaves: true })
  expect(stage.state.departed.size).toBe(10_000)
})

test('members that are silent and hold nothing are forgotten', () => {
  const stage = active()
  written(stage, given(stage, 0))
  stage.uptime = 44_999
  stage.deliver({ kind: 'timerFired', timer: 'tick' })
  expect(stage.state.groups.get('g')?.members.size).toBe(1)
  stage.uptime = 45_000
  stage.deliver({ kind: 'timerFired', timer: 'tick' })
  expect(stage.state.groups.get('g')?.members.size).toBe(0)
})
