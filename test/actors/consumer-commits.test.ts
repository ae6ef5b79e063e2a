// What a consumer commits on demand: in order, until it is answered, for topics that are there.

import { describe, expect, test } from 'vitest'
import { doubtAtOf } from '../../actors/consumer-commits.ts'
import type { ConsumerConfig, ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
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
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const committing = (effects: readonly Effect[]): string[] => said(effects).filter((line) => line.includes('offsetCommit '))

describe('commits', () => {
  const offsets = (offset: number): CommittedOffset[] => [{ topic: 't', partition: 0, offset, metadata: '' }]

  test('go one at a time, in order', () => {
    const { stage } = consuming()
    const first = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    expect(said(first)).toEqual([expect.stringMatching(/offsetCommit #\d+ of m, epoch 1: t-0 at 12$/)])
    expect(said(stage.deliver({ kind: 'commit', correlationId: 72, offsets: offsets(13) }))).toEqual([])
    const second = commitAnswer(stage, newest(first, 'offsetCommit'))
    expect(said(second)).toEqual(['to client: commitResult #71', expect.stringMatching(/offsetCommit #\d+ of m, epoch 1: t-0 at 13$/)])
  })

  test('are tried again, until their deadline', () => {
    const { stage } = consuming()
    const first = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    expect(said(commitAnswer(stage, newest(first, 'offsetCommit'), 'KAFKA_STORAGE_ERROR'))).toEqual([])
    expect(said(tick(stage, 50))).toEqual([expect.stringMatching(/offsetCommit #\d+ of m, epoch 1: t-0 at 12$/)])
    const late = tick(stage, 10_000)
    expect(said(late).some((line) => line.startsWith('to client: commitResult #71 '))).toBe(true)
  })

  test('that nobody answers are given up when the time of a session is over, in no group', () => {
    const stage = consumer()
    const asked = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    const found = { errorCode: NONE, node: 1, partition: 3, topicId: 2 }
    stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(asked, 'findCoordinator'), ...found })
    expect(said(stage.deliver(topicsAnswer({ t: [0] }))).join()).toContain('offsetCommit')
    expect(said(tick(stage, 9_999)).join()).not.toContain('commitResult')
    expect(said(tick(stage, 1)).join()).toContain('commitResult #71 REQUEST_TIMED_OUT')
  })

  test('that nobody answers are asked about, in no group: another node may have it by now, and they are sent there', () => {
    const stage = consumer()
    const asked = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    const found = { kind: 'findCoordinatorResponse', errorCode: NONE, partition: 3, topicId: 2 } as const
    stage.deliver({ ...found, correlationId: newest(asked, 'findCoordinator'), node: 1 })
    stage.deliver(topicsAnswer({ t: [0] }))
    const finding = (effects: readonly Effect[]): number => sent(effects, 'findCoordinator').length
    expect(finding(tick(stage, 999))).toBe(0)
    const doubt = tick(stage, 1)
    // Whoever has asked waits for the answer, and asks no more meanwhile.
    expect(doubtAtOf(stage.state, stage.state.commits[0]!)).toBe(Infinity)
    expect(committing(stage.deliver({ ...found, correlationId: newest(doubt, 'findCoordinator'), node: 1 }))).toEqual([])
    const again = tick(stage, 1000)
    stage.deliver({ ...found, correlationId: newest(again, 'findCoordinator'), node: 2 })
    const effects = tick(stage, 50)
    expect(committing(effects)).toEqual([expect.stringMatching(/t-0 at 12$/)])
    expect(effects.find((effect) => effect.kind === 'send' && effect.message.kind === 'offsetCommit')).toMatchObject({ to: { node: 2 } })
  })

  test('are made by hand while the client says so, and then again from time to time, if they were before', () => {
    for (const autoCommit of [true, false]) {
      const { stage } = consuming({ autoCommit, autoCommitIntervalMillis: 100 })
      const hasCommitted = (): boolean => said(tick(stage, 100)).join().includes('offsetCommit')
      stage.deliver({ kind: 'commitByHand' })
      stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
      expect(hasCommitted()).toBe(false)
      stage.deliver({ kind: 'commitByHand', isOver: true })
      expect(hasCommitted()).toBe(autoCommit)
    }
  })

  /** A consumer with a partition that was assigned by hand, whose group is known; it stands at offset 10, which is committed. */
  function assigned(autoCommit: boolean, changes: Partial<ConsumerConfig> = {}): Stage<ConsumerState> {
    const stage = consumer({ autoCommit, autoCommitIntervalMillis: 100, ...changes })
    const asked = stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
    const found = { errorCode: NONE, node: 1, partition: 3, topicId: 2 }
    const ready = stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(asked, 'findCoordinator'), ...found })
    committed(stage, ready, { 0: 10 })
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    return stage
  }

  test('of what was assigned by hand are made from time to time, too, and renew what has not changed', () => {
    const stage = assigned(true)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    for (let round = 0; round < 2; round++) {
      const effects = tick(stage, 100)
      expect(committing(effects)).toEqual([expect.stringMatching(/t-0 at 12$/)])
      commitAnswer(stage, newest(effects, 'offsetCommit'))
    }
  })

  test('are not made by who assigns the same again, and again', () => {
    const stage = assigned(true)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    const partitions = [{ topic: 't', partition: 0 }]
    for (let times = 0; times < 3; times++) expect(committing(stage.deliver({ kind: 'assign', partitions }))).toEqual([])
    expect(stage.state.commits).toEqual([])
    expect(committing(stage.deliver({ kind: 'assign', partitions: [] }))).toEqual([expect.stringMatching(/t-0 at 12$/)])
    for (let times = 0; times < 3; times++) stage.deliver({ kind: 'assign', partitions: times % 2 === 0 ? partitions : [] })
    expect(stage.state.commits).toHaveLength(1)
  })

  test('of what is not there any more renew nothing', () => {
    const stage = assigned(true)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    const first = tick(stage, 100)
    commitAnswer(stage, newest(first, 'offsetCommit'))
    stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 12 })
    tick(stage, 2600)
    stage.deliver(topicsAnswer({ t: [] }, 1))
    expect(stage.state.partitions.get('t-0')?.absences).toBe(1)
    commitAnswer(stage, stage.state.commits[0]!.correlationId)
    expect(committing(tick(stage, 100))).toEqual([])
  })

  test('of what is assigned no more are made before it goes', () => {
    const stage = assigned(true)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    expect(committing(stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 1 }] }))).toEqual([
      expect.stringMatching(/t-0 at 12$/),
    ])
  })

  describe("of what cannot go on where the policy is 'none'", () => {
    /** One by hand that stands at 500, which is committed, has asked for more, and hears that; the topic is then said to be `topicId`. */
    function refused(
      error: 'OFFSET_OUT_OF_RANGE' | 'UNKNOWN_TOPIC_ID',
      topicId: number,
    ): { stage: Stage<ConsumerState>; effects: Effect[] } {
      const stage = assigned(true, { autoOffsetReset: 'none' })
      answerFetch(stage, fetchOf(stage))
      stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 500 })
      commitAnswer(stage, newest(tick(stage, 100), 'offsetCommit'))
      stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 500 })
      answerFetch(stage, fetchOf(stage), error)
      const effects = [...tick(stage, 60), ...stage.deliver(topicsAnswer({ t: [0, 0] }, 1, topicId))]
      if (error === 'OFFSET_OUT_OF_RANGE') effects.push(...answerFetch(stage, fetchOf(stage), error))
      return { stage, effects }
    }

    const fetchOf = (stage: Stage<ConsumerState>): number => stage.state.partitions.get('t-0')!.correlationId

    test.each([
      ['OFFSET_OUT_OF_RANGE', 5, 'offset 500 of t-0 is out of range'],
      ['UNKNOWN_TOPIC_ID', 9, 'the topic of t-0 was deleted and created again'],
    ] as const)('are not made until the application has sought: %s', (error, topicId, reason) => {
      const { stage, effects } = refused(error, topicId)
      expect(sentOne(effects, 'consumerFailed').errorMessage).toBe(`${reason}, and autoOffsetReset is 'none'; seek to go on`)
      expect(committing([...effects, ...tick(stage, 100), ...tick(stage, 100)])).toEqual([])
      stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 510 })
      expect(committing(tick(stage, 100))).toEqual([])
      // Perhaps to where it was, which is another place in another topic.
      stage.deliver({ kind: 'seek', topic: 't', partition: 0, offset: 500, session: 2 })
      stage.deliver(topicsAnswer({ t: [0, 0] }, 1, topicId))
      expect(sent(tick(stage, 100), 'offsetCommit').map((one) => one.offsets)).toMatchObject([[{ offset: 500, topicId }]])
    })

    test('are of the topic that is gone, if the application names the offset', () => {
      const { stage } = refused('UNKNOWN_TOPIC_ID', 9)
      const effects = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(500) })
      expect(sentOne(effects, 'offsetCommit').offsets).toMatchObject([{ offset: 500, topicId: 5 }])
    })
  })

  test('of everything that has not changed are asked for all the same by whoever is no member: they keep its offsets from expiring', () => {
    const stage = assigned(false)
    expect(committing(tick(stage, 1000))).toEqual([])
    expect(committing(stage.deliver({ kind: 'commit', correlationId: 71, offsets: null }))).toEqual([expect.stringMatching(/t-0 at 10$/)])
    const member = consuming()
    expect(committing(member.stage.deliver({ kind: 'commit', correlationId: 71, offsets: null }))).toEqual([])
  })

  test('in a transaction are of the member that has the partitions, in its epoch', () => {
    const { stage } = consuming()
    const answer = sentOne(stage.deliver({ kind: 'askMember', correlationId: 72, offsets: null }), 'memberAnswer')
    expect(answer).toMatchObject({ errorCode: NONE, member: { memberId: 'm', memberEpoch: 1 } })
  })

  test('in a transaction are of topics that are there: those that it does not consume are looked up anew', () => {
    const stage = consumer()
    const askFor = (correlationId: number): Effect[] => stage.deliver({ kind: 'askMember', correlationId, offsets: offsets(12) })
    expect(said(askFor(72))).toEqual([expect.stringMatching(/metadata #\d+.* t$/)])
    expect(sentOne(stage.deliver(topicsAnswer({ t: [0] })), 'memberAnswer')).toMatchObject({
      errorCode: NONE,
      member: null,
      offsets: [{ topicId: 5 }],
    })
    expect(said(askFor(73))).toEqual([expect.stringMatching(/metadata #\d+.* t$/)])
    expect(sentOne(stage.deliver(topicsAnswer({ t: [0] }, 1, 6)), 'memberAnswer')).toMatchObject({ offsets: [{ topicId: 6 }] })
    askFor(74)
    expect(sentOne(stage.deliver(topicsAnswer({ t: [] }, 2, 6)), 'memberAnswer')).toMatchObject({
      correlationId: 74,
      errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'),
      errorMessage: 't-0 does not exist',
      offsets: [],
    })
  })

  test('in a transaction are given up when nobody says for the time of a session whether their topics are there', () => {
    const stage = consumer()
    stage.deliver({ kind: 'askMember', correlationId: 72, offsets: offsets(12) })
    expect(said(tick(stage, 9_999)).join()).not.toContain('memberAnswer')
    expect(said(tick(stage, 1)).join()).toContain('memberAnswer #72 REQUEST_TIMED_OUT')
  })

  test('of a member that is lost are refused: another one may have committed more since', () => {
    const { stage } = consuming()
    refuse(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 'UNKNOWN_MEMBER_ID')
    expect(said(stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(15) }))).toEqual([
      'to client: commitResult #71 UNKNOWN_MEMBER_ID',
    ])
    const partitions = [0, 1].map((partition) => ({ topic: 't', partition }))
    expect(said([...stage.deliver({ kind: 'released', partitions }), ...tick(stage, 50)]).join()).not.toContain('offsetCommit')
  })

  test('of a member that is joining wait for the answer: refused they are with what it says', () => {
    const { stage, effects } = joining()
    stage.deliver(topicsAnswer({ t: [0] }))
    expect(said(stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })).join()).not.toContain('ommit')
    expect(said(refuse(stage, newest(effects, 'consumerGroupHeartbeat'), 'UNRELEASED_INSTANCE_ID'))).toContain(
      'to client: commitResult #71 UNRELEASED_INSTANCE_ID',
    )
    const again = tick(stage, 1000)
    expect(said(stage.deliver({ kind: 'commit', correlationId: 72, offsets: offsets(12) }))).toEqual([
      'to client: commitResult #72 UNRELEASED_INSTANCE_ID',
    ])
    grant(stage, newest(again, 'consumerGroupHeartbeat'), 1, [0])
    const taken = said(stage.deliver({ kind: 'commit', correlationId: 73, offsets: offsets(12) })).join()
    expect(taken).not.toContain('commitResult')
    const known = said([...stage.deliver(topicsAnswer({ t: [0] })), ...tick(stage, 1000)]).join()
    expect(taken + known).toContain('offsetCommit')
  })

  test('wait again when the consumer subscribes anew, or has found its group elsewhere', () => {
    const commits = (stage: ReturnType<typeof consumer>): string =>
      said(stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })).join()
    for (const isElsewhere of [false, true]) {
      const { stage, effects } = joining()
      refuse(stage, newest(effects, 'consumerGroupHeartbeat'), 'INCONSISTENT_GROUP_PROTOCOL')
      if (!isElsewhere) stage.deliver({ kind: 'subscribe', topics: ['u'], topicPattern: null })
      else {
        const asked = [...stage.deliver({ kind: 'nodeDown', node: 1 }), ...tick(stage, 1000)]
        const found = { errorCode: NONE, node: 2, partition: 3, topicId: 2 }
        stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(asked, 'findCoordinator'), ...found })
      }
      expect(commits(stage)).not.toContain('commitResult')
    }
  })

  test('that were sent before the consumer wanted to be a member are answered by the group alone', () => {
    const stage = consumer()
    const asked = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    const found = { errorCode: NONE, node: 1, partition: 3, topicId: 2 }
    stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(asked, 'findCoordinator'), ...found })
    const commit = stage.deliver(topicsAnswer({ t: [0] }))
    const joins = stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null })
    stage.deliver({ kind: 'commit', correlationId: 72, offsets: offsets(13) })
    const refused = said(refuse(stage, newest(joins, 'consumerGroupHeartbeat'), 'INCONSISTENT_GROUP_PROTOCOL'))
    expect(refused).toContain('to client: commitResult #72 INCONSISTENT_GROUP_PROTOCOL')
    expect(refused.join()).not.toContain('commitResult #71')
    expect(said(commitAnswer(stage, newest(commit, 'offsetCommit')))).toEqual(['to client: commitResult #71'])
  })

  test('of a partition that was never fetched wait until its topic is known', () => {
    const stage = consumer()
    stage.deliver({ kind: 'assign', partitions: [] })
    const asked = stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    const found = { errorCode: NONE, node: 1, partition: 3, topicId: 2 }
    const correlationId = newest(asked, 'findCoordinator')
    expect(said(stage.deliver({ kind: 'findCoordinatorResponse', correlationId, ...found }))).toEqual([])
    const commit = sentOne(stage.deliver(topicsAnswer({ t: [0] })), 'offsetCommit')
    expect(commit).toMatchObject({ memberEpoch: -1, offsets: [{ partition: 0, offset: 12, topicId: 5 }] })
  })

  test('of a partition that it does not consume look its topic up each time: another may have the name', () => {
    const { stage } = consuming()
    const asked = stage.deliver({ kind: 'commit', correlationId: 71, offsets: [{ topic: 't', partition: 2, offset: 12, metadata: '' }] })
    expect(said(asked)).toEqual([expect.stringMatching(/metadata #\d+.* t$/)])
    const commit = sentOne(stage.deliver(topicsAnswer({ t: [0, 0, 0] }, 1, 6)), 'offsetCommit')
    expect(commit.offsets).toMatchObject([{ partition: 2, topicId: 6 }])
  })

  test('of a topic that does not exist are refused', () => {
    const stage = consumer()
    stage.deliver({ kind: 'commit', correlationId: 71, offsets: offsets(12) })
    expect(said(stage.deliver(topicsAnswer({ t: [] })))).toEqual(['to client: commitResult #71 UNKNOWN_TOPIC_OR_PARTITION'])
  })

  test('of everything processed leave out what is committed', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 1, session: 1, position: 11 })
    expect(said(stage.deliver({ kind: 'commit', correlationId: 71, offsets: null }))[0]).toMatch(/: t-1 at 11$/)
    expect(said(consuming().stage.deliver({ kind: 'commit', correlationId: 71, offsets: null }))).toEqual(['to client: commitResult #71'])
  })
})

test('how far an application was in a topic that was created again is not committed in the new one, of which it had not heard yet', () => {
  const { stage, effects } = consuming()
  answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'UNKNOWN_TOPIC_ID')
  tick(stage, 60)
  const asked = stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 9))
  located(stage, newest(asked, 'listOffsets'), 0)
  stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 101 })
  const commit = stage.deliver({ kind: 'commit', correlationId: 1, offsets: null })
  expect(sent(commit, 'offsetCommit').flatMap(({ offsets }) => offsets.map(({ offset }) => offset))).not.toContain(101)
})
