// A consumer follows the leaders of its partitions: also when a leader does not say that it is none any more, because it hangs.
import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { ConsumerState } from '../../actors/consumer-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import { fetched } from '../coordinator/support.ts'
import { answerFetch, consumer, consuming, located, newest, said, tick } from './consumer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const FETCH_MAX_WAIT_MILLIS = 500

/** How often the coordinator was asked for metadata. */
function asked(effects: readonly Effect[]): number {
  return sent(effects, 'metadata').length
}

describe('a leader that hangs', () => {
  test('is looked up 250 ms after it should have answered a fetch, and then once per 250 ms', () => {
    const { stage } = consuming({ fetchMaxWaitMillis: FETCH_MAX_WAIT_MILLIS })
    expect(asked(tick(stage, FETCH_MAX_WAIT_MILLIS + 249))).toBe(0)
    expect(asked(tick(stage, 1))).toBe(1)
    stage.deliver(topicsAnswer({ t: [0, 0] }))
    expect(asked(tick(stage, 249))).toBe(0)
    expect(asked(tick(stage, 1))).toBe(1)
  })

  test('is left for the next one at once, for the same offset; what it answers later is not taken', () => {
    const { stage, effects } = consuming({ fetchMaxWaitMillis: FETCH_MAX_WAIT_MILLIS })
    tick(stage, FETCH_MAX_WAIT_MILLIS + 250)
    const moved = stage.deliver(topicsAnswer({ t: [3, 3] }, 1, 5, 1)).filter((one) => one.kind === 'send')
    expect(moved).toMatchObject([0, 1].map((partition) => ({ to: { node: 3, actor: `replica/t-${partition}` } })))
    expect(sent(moved, 'fetch').map(({ fetchOffset, leaderEpoch }) => [fetchOffset, leaderEpoch])).toEqual([
      [10, 1],
      [10, 1],
    ])
    expect(said(answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId))).toEqual([])
  })

  test('keeps the fetch while it leads', () => {
    const { stage, effects } = consuming({ fetchMaxWaitMillis: FETCH_MAX_WAIT_MILLIS })
    tick(stage, FETCH_MAX_WAIT_MILLIS + 250)
    expect(said(stage.deliver(topicsAnswer({ t: [0, 0] })))).toEqual([])
    expect(said(answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId))).toEqual(['to client: chunk t-0 from 10: 72 bytes'])
  })
})

describe('a fetch that nobody answers, for its topic is gone,', () => {
  function waiting(): ReturnType<typeof consumer> {
    const stage = consumer({ group: null })
    stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
    located(stage, newest(stage.deliver(topicsAnswer({ t: [0] })), 'listOffsets'), 6)
    tick(stage, FETCH_MAX_WAIT_MILLIS + 250)
    return stage
  }

  test('is left for one that has its name, which is read from where the policy says', () => {
    const stage = waiting()
    const asked = stage.deliver(topicsAnswer({ t: [0] }, 1, 9))
    expect(sent(asked, 'listOffsets')).toMatchObject([{ topicId: 9 }])
    expect(said(located(stage, newest(asked, 'listOffsets'), 0))).toEqual([
      'to client: positionReset t-0 to 0',
      expect.stringMatching(/fetch #\d+ from 0$/),
    ])
  })

  /** The topic is not there at two looks in a row, with a pause between them. */
  function missed(stage: ReturnType<typeof consumer>): void {
    expect(said(stage.deliver(topicsAnswer({ t: [] }, 1)))).toEqual([])
    expect(asked(tick(stage, 100))).toBe(1)
    expect(said(stage.deliver(topicsAnswer({ t: [] }, 1)))).toEqual(['to client: consumerFailed UNKNOWN_TOPIC_OR_PARTITION'])
  }

  test('is said to be gone after a second look, once, and looked for until there is one, which is read from where the policy says', () => {
    const stage = waiting()
    missed(stage)
    for (let looks = 0; looks < 5; looks++) {
      expect(asked(tick(stage, 300))).toBe(1)
      expect(said(stage.deliver(topicsAnswer({ t: [] }, 1)))).toEqual([])
    }
    tick(stage, 300)
    const found = stage.deliver(topicsAnswer({ t: [0] }, 1, 12))
    expect(sent(found, 'listOffsets')).toMatchObject([{ topicId: 12 }])
    expect(said(located(stage, newest(found, 'listOffsets'), 0))).toContain('to client: positionReset t-0 to 0')
  })

  test('counts as gone by looks of its own: what else has failed before is none', () => {
    const stage = waiting()
    answerFetch(stage, newest(stage.deliver(topicsAnswer({ t: [3] }, 1, 5, 1)), 'fetch'), 'NOT_LEADER_OR_FOLLOWER')
    tick(stage, 300)
    missed(stage)
  })

  test('is read from where the application seeks, perhaps when it has made the topic', () => {
    const stage = waiting()
    missed(stage)
    stage.deliver({ kind: 'seek', topic: 't', partition: 0, offset: 3, session: 7 })
    const effects = [...tick(stage, 300), ...stage.deliver(topicsAnswer({ t: [0] }, 1, 12))]
    expect(sent(effects, 'fetch')).toMatchObject([{ topicId: 12, fetchOffset: 3 }])
  })

  test('is told of once more to an application that seeks before it is there', () => {
    const stage = waiting()
    missed(stage)
    stage.deliver({ kind: 'seek', topic: 't', partition: 0, offset: 3, session: 7 })
    tick(stage, 300)
    missed(stage)
  })

  test('is not looked for any more when it is assigned no more, and changes nothing for who assigns it again', () => {
    const stage = waiting()
    missed(stage)
    expect(said(stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 0 }] }))).toEqual([])
    expect(stage.state.partitions.get('t-0')).toMatchObject({ position: 6 })
    stage.deliver({ kind: 'assign', partitions: [] })
    expect(asked(tick(stage, 300))).toBe(0)
  })
})

test('a refusal asks who leads at once, and another leader is tried at once', () => {
  const { stage, effects } = consuming()
  expect(asked(answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'FENCED_LEADER_EPOCH'))).toBe(1)
  expect(said(stage.deliver(topicsAnswer({ t: [3, 0] }, 1)))).toEqual([expect.stringMatching(/^to replica\/t-0: fetch #\d+ from 10$/)])
})

test('the death of a node moves its fetches when the next leader is known', () => {
  const { stage } = consuming()
  expect(asked(stage.deliver({ kind: 'nodeDown', node: 0 }))).toBe(1)
  expect(sent(stage.deliver(topicsAnswer({ t: [3, 3] }, 1, 5, 1)), 'fetch')).toHaveLength(2)
})

// KIP-320
describe('a leader that had fallen behind when it was elected', () => {
  /** Something was read up to offset 15 of the leader of epoch 0, and processed up to `position`; the one of epoch 1 says that this log parts from its own at 12. Its last effects. */
  function parted(autoOffsetReset: 'earliest' | 'latest' | 'none', position: number): { stage: Stage<ConsumerState>; effects: Effect[] } {
    const { stage, effects } = consuming({ autoOffsetReset })
    expect(sent(effects, 'fetch').map(({ lastFetchedEpoch }) => lastFetchedEpoch)).toEqual([-1, -1])
    answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position })
    const next = stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 15 })
    expect(sentOne(next, 'fetch')).toMatchObject({ fetchOffset: 15, leaderEpoch: 0, lastFetchedEpoch: 0 })
    answerFetch(stage, newest(next, 'fetch'), 'NOT_LEADER_OR_FOLLOWER')
    stage.uptime += 1000
    stage.deliver({ kind: 'timerFired', timer: 'tick' }, stage.self)
    const moved = stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 5, 1))
    const asked = sent(moved, 'fetch').find(({ fetchOffset }) => fetchOffset === 15)!
    expect(asked).toMatchObject({ leaderEpoch: 1, lastFetchedEpoch: 0 })
    const { correlationId } = asked
    const answer = fetched(null, 14, { correlationId, divergingEpoch: 0, divergingEndOffset: 12 })
    return { stage, effects: stage.deliver(answer, { node: 0, actor: 'replica/t-0' }) }
  }

  test.each(['earliest', 'latest'] as const)('is read from where its log parts from what was processed (%s)', (autoOffsetReset) => {
    const { stage, effects } = parted(autoOffsetReset, 15)
    expect(sentOne(effects, 'positionReset')).toMatchObject({ topic: 't', partition: 0, position: 12, session: 1024 })
    expect(sentOne(effects, 'fetch')).toMatchObject({ fetchOffset: 12, lastFetchedEpoch: -1 })
    expect(stage.state.partitions.get('t-0')).toMatchObject({ position: 12, session: 1024 })
  })

  test('is read from where the application is, if that is before: what both have in common is not left out', () => {
    const { stage, effects } = parted('earliest', 11)
    expect(sentOne(effects, 'positionReset')).toMatchObject({ topic: 't', partition: 0, position: 11, session: 1024 })
    expect(sentOne(effects, 'fetch')).toMatchObject({ fetchOffset: 11, lastFetchedEpoch: -1 })
    expect(stage.state.partitions.get('t-0')).toMatchObject({ position: 11, session: 1024 })
  })

  test("is the application's business where it wants to know", () => {
    const { effects } = parted('none', 15)
    expect(sentOne(effects, 'consumerFailed')).toMatchObject({
      errorCode: codeOf('OFFSET_OUT_OF_RANGE'),
      errorMessage:
        "t-0 was read up to offset 15, of which its leader has only what is below 12: the rest is lost, and autoOffsetReset is 'none'; seek to go on",
    })
    expect(sent(effects, 'fetch')).toEqual([])
  })
})
