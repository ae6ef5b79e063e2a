// A consumer: where it begins, what it fetches, in which order it gives partitions up, and that late answers change nothing.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import {
  answerFetch,
  commitAnswer,
  committed,
  consumer,
  consuming,
  grant,
  joining,
  located,
  newest,
  refuse,
  said,
  tick,
} from './consumer-support.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'
import type { ConsumerState } from '../../actors/consumer-state.ts'

describe('joining', () => {
  test('finds the node of the group, and sends the first heartbeat', () => {
    const stage = consumer()
    expect(said(stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null }))).toEqual([
      'to coordinator: findCoordinator #1 of g',
    ])
    expect(said(joining().effects)).toEqual(['to groups/3: consumerGroupHeartbeat #2 of m, epoch 0, owns nothing'])
  })

  test('begins the search again when a step fails', () => {
    const stage = consumer()
    stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null })
    const error = codeOf('COORDINATOR_NOT_AVAILABLE')
    stage.deliver({ kind: 'findCoordinatorResponse', correlationId: 1, errorCode: error, node: -1, partition: -1, topicId: -1 })
    expect(said(tick(stage, 49))).toEqual([])
    expect(said(tick(stage, 1))).toEqual(['to coordinator: findCoordinator #2 of g'])
    stage.deliver({ kind: 'undeliverable', correlationId: 2 })
    expect(said(tick(stage, 50))).toEqual(['to coordinator: findCoordinator #3 of g'])
    expect(said(tick(stage, 2000))).toEqual(['to coordinator: findCoordinator #4 of g'])
  })
})

describe('where it begins', () => {
  test('is what the group has committed', () => {
    const { stage, effects } = joining()
    const granted = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    expect(said(granted)).toEqual(['to groups/3: offsetFetch #3 of t-0'])
    expect(said(committed(stage, granted, { 0: 42 }))).toEqual(['to client: assigned t-0 from 42', 'to coordinator: metadata #4 of t'])
    expect(said(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['to replica/t-0: fetch #6 from 42'])
  })

  test.each([
    ['earliest', -2],
    ['latest', -1],
  ] as const)('without a commit is the %s end', (autoOffsetReset, timestamp) => {
    const { stage, effects } = joining({ autoOffsetReset })
    committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), {})
    const asked = stage.deliver(topicsAnswer({ t: [0] }))
    expect(sentOne(asked, 'listOffsets')).toMatchObject({ timestamp, topicId: 5 })
    expect(said(located(stage, newest(asked, 'listOffsets'), 7))).toEqual([
      'to client: assigned t-0 from 7',
      expect.stringMatching(/fetch #\d+ from 7$/),
    ])
  })

  test('without a commit and without a policy is for the application to say', () => {
    const { stage, effects } = joining({ autoOffsetReset: 'none' })
    const failed = committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), {})
    expect(said(failed)).toEqual(['to client: assigned t-0 from -1', 'to client: consumerFailed OFFSET_OUT_OF_RANGE'])
    stage.deliver({ kind: 'seek', topic: 't', partition: 0, offset: 3, session: 2 })
    expect(said(stage.deliver(topicsAnswer({ t: [0] })))).toEqual([expect.stringMatching(/fetch #\d+ from 3$/)])
  })

  test('is not what was committed of another topic that had the name', () => {
    const { stage, effects } = joining()
    committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), { 0: 42 }, 4)
    const asked = stage.deliver(topicsAnswer({ t: [0] }))
    expect(said(located(stage, newest(asked, 'listOffsets'), 0))).toEqual([
      'to client: positionReset t-0 to 0',
      expect.stringMatching(/fetch #\d+ from 0$/),
    ])
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1024, position: 42 })
    const commit = sentOne(stage.deliver({ kind: 'commit', correlationId: 71, offsets: null }), 'offsetCommit')
    expect(commit.offsets).toEqual([{ topic: 't', partition: 0, offset: 42, metadata: '', topicId: 5 }])
  })

  test('is what was committed of a topic that is younger than the metadata', () => {
    const { stage, effects } = joining()
    committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), { 0: 10 })
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    const granted = grant(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 2, [0, 1])
    expect(said(committed(stage, granted, { 1: 42 }, 9))).toEqual(['to client: assigned t-1 from 42'])
    expect(sent(tick(stage, 100), 'fetch')).toEqual([])
    expect(said(stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 9)))).toContainEqual(
      expect.stringMatching(/^to replica\/t-1: fetch #\d+ from 42$/),
    )
  })

  test('is asked for again while a commit is on its way to the log', () => {
    const { stage, effects } = joining()
    const asked = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    const correlationId = newest(asked, 'offsetFetch')
    const unstable = {
      kind: 'offsetFetchResponse',
      correlationId,
      errorCode: codeOf('UNSTABLE_OFFSET_COMMIT'),
      requested: ['t-0'],
      offsets: [],
    } as const
    expect(said(stage.deliver(unstable))).toEqual([])
    expect(said(tick(stage, 50))).toEqual([expect.stringMatching(/^to groups\/3: offsetFetch #\d+ of t-0$/)])
  })

  test('of an assignment by hand without a group is the policy', () => {
    const stage = consumer({ group: null })
    stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 1 }] })
    expect(said(stage.deliver(topicsAnswer({ t: [0, 2] })))).toEqual([expect.stringMatching(/^to replica\/t-1: listOffsets/)])
  })
})

describe('fetching', () => {
  test('keeps one fetch per partition under way while the application wants more', () => {
    const { stage, effects } = consuming()
    const [zero, one] = sent(effects, 'fetch')
    expect([zero?.fetchOffset, one?.fetchOffset]).toEqual([10, 10])
    expect(said(answerFetch(stage, zero!.correlationId))).toEqual(['to client: chunk t-0 from 10: 72 bytes'])
    const more = { kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 13 } as const
    expect(said(stage.deliver(more))).toEqual([expect.stringMatching(/fetch #\d+ from 13$/)])
    expect(said(stage.deliver(more))).toEqual([])
  })

  test('asks each partition for as much as finds room in the buffer of all, and for a little at least', () => {
    const asked = (bufferMemoryBytes: number): number[] => {
      const { stage, effects } = consuming({ fetchMaxBytes: 100_000, bufferMemoryBytes })
      return [...sent(effects, 'fetch'), ...sent(tick(stage, 0), 'fetch')].map(({ maxBytes }) => maxBytes)
    }
    // Two partitions, with two chunks each.
    expect([asked(1_000_000), asked(200_000), asked(100)]).toEqual([
      [100_000, 100_000],
      [50_000, 50_000],
      [1024, 1024],
    ])
  })

  test('asks again when there was nothing new', () => {
    const { stage, effects } = consuming()
    const [zero] = sent(effects, 'fetch')
    const nothing = {
      kind: 'fetchResponse',
      correlationId: zero!.correlationId,
      errorCode: NONE,
      errorMessage: null,
      highWatermark: 10,
      lastStableOffset: 10,
      abortedTransactions: [],
      logStartOffset: 0,
      epochStartOffset: 0,
      syncedByAll: -1,
      divergingEpoch: -1,
      divergingEndOffset: -1,
      range: null,
      records: null,
    } as const
    expect(said(stage.deliver(nothing))).toEqual([expect.stringMatching(/fetch #\d+ from 10$/)])
  })

  test('goes on elsewhere when the leader has changed', () => {
    const { stage, effects } = consuming()
    answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'NOT_LEADER_OR_FOLLOWER')
    tick(stage, 60)
    const [effect] = stage.deliver(topicsAnswer({ t: [3, 0] }, 1)).filter((one) => one.kind === 'send')
    expect(effect).toMatchObject({ to: { node: 3, actor: 'replica/t-0' }, message: { kind: 'fetch', fetchOffset: 10 } })
  })

  test('begins anew in a topic that was created again, even with an offset that was looked up in the old one', () => {
    const stage = consumer({ group: null })
    stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
    const asked = stage.deliver(topicsAnswer({ t: [0] }))
    stage.deliver(topicsAnswer({ t: [0] }, 1, 9))
    expect(said(located(stage, newest(asked, 'listOffsets'), 100))).toEqual([
      'to client: assigned t-0 from 100',
      expect.stringMatching(/^to replica\/t-0: listOffsets/),
    ])
  })

  test('commits in a topic that was created again what it had committed in the old one, too', () => {
    const { stage, effects } = consuming()
    answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'UNKNOWN_TOPIC_ID')
    tick(stage, 60)
    const asked = stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 9))
    located(stage, newest(asked, 'listOffsets'), 0)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1024, position: 10 })
    expect(sent(stage.deliver({ kind: 'commit', correlationId: 1, offsets: null }), 'offsetCommit')[0]?.offsets).toMatchObject([
      { partition: 0, offset: 10 },
    ])
  })

  test('commits what it has processed of the topic that is gone for that topic, until the application is told of the new one', () => {
    const { stage, effects } = consuming()
    answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'UNKNOWN_TOPIC_ID')
    tick(stage, 60)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 20 })
    const asked = stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 9))
    const offsets = [{ topic: 't', partition: 0, offset: 19, metadata: '' }]
    const manual = sentOne(stage.deliver({ kind: 'commit', correlationId: 1, offsets }), 'offsetCommit')
    expect(manual.offsets).toMatchObject([{ offset: 19, topicId: 5 }])
    commitAnswer(stage, manual.correlationId)
    grant(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 2, [1])
    const released = stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 0 }] })
    expect(sent([...asked, ...released, ...tick(stage, 0)], 'offsetCommit').flatMap((one) => one.offsets)).toMatchObject([
      { offset: 20, topicId: 5 },
    ])
  })

  test.each([
    ['earliest', 'positionReset t-0 to 4'],
    ['none', 'consumerFailed OFFSET_OUT_OF_RANGE'],
  ] as const)('out of range goes by the policy: %s', (autoOffsetReset, outcome) => {
    const { stage, effects } = consuming({ autoOffsetReset })
    // A leader that does not know that it was deposed has less than others have seen: who leads is asked before it is believed.
    const doubted = answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'OFFSET_OUT_OF_RANGE')
    expect(said(doubted)).toEqual([expect.stringMatching(/^to coordinator: metadata/)])
    const again = newest(stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 5)), 'fetch')
    const asked = answerFetch(stage, again, 'OFFSET_OUT_OF_RANGE')
    const answered = autoOffsetReset === 'none' ? asked : located(stage, newest(asked, 'listOffsets'), 4)
    expect(said(answered)[0]).toBe(`to client: ${outcome}`)
    expect(stage.state.partitions.get('t-0')?.session).toBe(autoOffsetReset === 'none' ? 1 : 1024)
  })

  test('that the retention of one leader has overtaken does not begin anew below where it was, where another has more', () => {
    const { stage, effects } = consuming()
    const { position } = stage.state.partitions.get('t-0')!
    const overtaken = (correlationId: number): Effect[] => {
      const refusal = { correlationId, errorCode: codeOf('OFFSET_OUT_OF_RANGE'), logStartOffset: position + 30 }
      return stage.deliver(fetched(null, 90, refusal), { node: 0, actor: 'replica/t-0' })
    }
    overtaken(sent(effects, 'fetch')[0]!.correlationId)
    const again = newest(stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 5)), 'fetch')
    const answered = located(stage, newest(overtaken(again), 'listOffsets'), 4)
    expect(position).toBeGreaterThan(4)
    expect(said(answered)[0]).toBe(`to client: positionReset t-0 to ${position}`)
  })

  test('stops at a damaged batch, which is reported', () => {
    const { stage, effects } = consuming()
    expect(said(answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'CORRUPT_MESSAGE'))).toEqual([
      'to client: consumerFailed CORRUPT_MESSAGE',
    ])
  })

  test('pauses and resumes', () => {
    const { stage, effects } = consuming()
    const [zero] = sent(effects, 'fetch')
    const partitions = [{ topic: 't', partition: 0 }]
    stage.deliver({ kind: 'pause', partitions, paused: true })
    answerFetch(stage, zero!.correlationId)
    expect(said(stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 13 }))).toEqual([])
    expect(said(stage.deliver({ kind: 'pause', partitions, paused: false }))).toEqual([expect.stringMatching(/fetch #\d+ from 13$/)])
  })

  test('begins anew after a seek: the answer to the fetch before it is stale', () => {
    const { stage, effects } = consuming()
    const [zero] = sent(effects, 'fetch')
    expect(said(stage.deliver({ kind: 'seek', topic: 't', partition: 0, offset: 99, session: 2 }))).toEqual([
      expect.stringMatching(/fetch #\d+ from 99$/),
    ])
    expect(answerFetch(stage, zero!.correlationId)).toEqual([])
    expect(said(stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 13 }))).toEqual([])
  })
})

describe('giving a partition up', () => {
  /** The member has processed t-1 up to 15 when the group takes it away; the effects of that. */
  function losing(): { stage: Stage<ConsumerState>; effects: Effect[]; fetches: number[] } {
    const { stage, effects } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 1, session: 1, position: 15 })
    const fetches = sent(effects, 'fetch').map(({ correlationId }) => correlationId)
    const beat = tick(stage, 1000)
    return { stage, effects: grant(stage, newest(beat, 'consumerGroupHeartbeat'), 2, [0]), fetches }
  }

  test('first tells the application, then commits its progress, then confirms by a heartbeat without it', () => {
    const { stage, effects } = losing()
    expect(said(effects)).toEqual(['to client: revoking t-1'])
    stage.deliver({ kind: 'progress', topic: 't', partition: 1, session: 1, position: 17 })
    const released = stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 1 }] })
    expect(said(released)).toEqual([expect.stringMatching(/^to groups\/3: offsetCommit #\d+ of m, epoch 2: t-1 at 17$/)])
    expect([...stage.state.partitions.keys()]).toEqual(['t-0', 't-1'])
    commitAnswer(stage, newest(released, 'offsetCommit'))
    expect([...stage.state.partitions.keys()]).toEqual(['t-0'])
    expect(said(tick(stage, 0))).toEqual([expect.stringMatching(/^to groups\/3: consumerGroupHeartbeat #\d+ of m, epoch 2, owns t-0$/)])
  })

  test('still owns it in every heartbeat before', () => {
    const { stage } = losing()
    expect(said(tick(stage, 1000))).toContainEqual(expect.stringMatching(/owns t-0 t-1$/))
  })

  test('drops what was under way for it', () => {
    const { stage, fetches } = losing()
    expect(answerFetch(stage, fetches[1]!)).toEqual([])
    expect(said(stage.deliver({ kind: 'seek', topic: 't', partition: 1, offset: 0, session: 9 }))).toEqual([])
  })

  test('commits nothing when there is nothing new', () => {
    const { stage, effects } = consuming()
    expect(sent(effects, 'fetch')).toHaveLength(2)
    grant(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 2, [0])
    expect(said(stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 1 }] }))).toEqual([])
    expect([...stage.state.partitions.keys()]).toEqual(['t-0'])
  })

  test('is not heard from an application that speaks of a partition it has', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 0 }] })
    expect(stage.state.partitions.size).toBe(2)
  })
})

describe('a lost membership', () => {
  test.each(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH'] as const)(
    'by %s releases everything, commits nothing, then joins anew',
    (error) => {
      const { stage } = consuming()
      stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 15 })
      expect(said(refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), error))).toEqual([
        'to client: revoking t-0 t-1 (lost)',
      ])
      expect(said(tick(stage, 1000)).join()).not.toMatch(/commit|Heartbeat/i)
      const partitions = [0, 1].map((partition) => ({ topic: 't', partition }))
      const released = [...stage.deliver({ kind: 'released', partitions }), ...tick(stage, 50)]
      expect(said(released)).toEqual([expect.stringMatching(/^to groups\/3: consumerGroupHeartbeat #\d+ of m, epoch 0, owns nothing$/)])
    },
  )

  test('is assumed when nothing was heard for the session time-out, before the group assumes it', () => {
    const { stage } = consuming()
    expect(said(tick(stage, 1000))).toContainEqual(expect.stringContaining('consumerGroupHeartbeat'))
    const alive = said(tick(stage, 8999))
    expect(alive.join()).not.toContain('revoking')
    expect(said(tick(stage, 1))).toContain('to client: revoking t-0 t-1 (lost)')
  })

  test('is noticed before anything is taken up that came in for a paused process', () => {
    const { stage, effects } = joining()
    const asked = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    stage.uptime += 10_000
    expect(sent(committed(stage, asked, { 0: 42 }), 'assigned')).toEqual([])
    const { stage: other, effects: fetches } = consuming()
    other.uptime += 10_000
    expect(sent(answerFetch(other, sent(fetches, 'fetch')[0]!.correlationId), 'chunk')).toEqual([])
  })

  test('fails the commits that wait', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'commit', correlationId: 77, offsets: [{ topic: 't', partition: 0, offset: 12, metadata: '' }] })
    const effects = refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 'UNKNOWN_MEMBER_ID')
    expect(said(effects)).toContain('to client: commitResult #77 UNKNOWN_MEMBER_ID')
  })

  test('comes with the death of the group node', () => {
    const { stage } = consuming()
    expect(said(stage.deliver({ kind: 'nodeDown', node: 1 }))).toContain('to client: revoking t-0 t-1 (lost)')
    expect(said(consuming().stage.deliver({ kind: 'nodeDown', node: 7 }))).toEqual([])
  })
})

describe('an answer that is late', () => {
  test('to a heartbeat before the newest changes nothing', () => {
    const { stage } = consuming()
    const old = newest(tick(stage, 1000), 'consumerGroupHeartbeat')
    tick(stage, 2000)
    expect(grant(stage, old, 9, [])).toEqual([])
    expect(refuse(stage, old, 'FENCED_MEMBER_EPOCH')).toEqual([])
    expect(stage.state).toMatchObject({ membership: { memberEpoch: 1, lost: false } })
    expect([...stage.state.partitions.values()].map(({ phase }) => phase)).toEqual(['fetching', 'fetching'])
  })

  test('to a commit, an offset fetch or a look-up that is over changes nothing', () => {
    const { stage } = consuming()
    const before = structuredClone(stage.state)
    expect(commitAnswer(stage, 3)).toEqual([])
    expect(located(stage, 3, 0)).toEqual([])
    const offsets = [{ topic: 't', partition: 0, offset: 3, metadata: '', topicId: 5 }]
    stage.deliver({ kind: 'offsetFetchResponse', correlationId: 4, errorCode: NONE, requested: ['t-0'], offsets })
    stage.deliver({ kind: 'findCoordinatorResponse', correlationId: 1, errorCode: NONE, node: 9, partition: 0, topicId: 0 })
    expect(stage.state).toEqual(before)
  })
})

test('a consumer is assigned by hand or by its group, not both', () => {
  expect(() => consuming().stage.deliver({ kind: 'assign', partitions: [] })).toThrow('C1')
})
