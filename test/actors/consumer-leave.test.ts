// A consumer that wants nothing any more: it lets go of its partitions, then leaves its group.

import { describe, expect, test } from 'vitest'
import { commitAnswer, consumer, consuming, grant, joining, newest, said, tick } from './consumer-support.ts'

describe('a subscription to nothing', () => {
  const both = [0, 1].map((partition) => ({ topic: 't', partition }))

  test('lets go of everything, commits what is processed, and leaves', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 1, session: 1, position: 15 })
    expect(said(stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null }))).toContain('to client: revoking t-0 t-1')
    const released = stage.deliver({ kind: 'released', partitions: both })
    expect(said(released)).toEqual([expect.stringMatching(/offsetCommit #\d+ of m, epoch 1: t-1 at 15$/)])
    const farewell = commitAnswer(stage, newest(released, 'offsetCommit'))
    expect(stage.state.partitions.size).toBe(0)
    const left = grant(stage, stage.state.membership.correlationId, 1, [0, 1])
    const last = [...farewell, ...left, ...tick(stage, 0)]
    expect(said(last)).toEqual([expect.stringMatching(/consumerGroupHeartbeat #\d+ of m, epoch -1, owns nothing$/)])
    grant(stage, newest(last, 'consumerGroupHeartbeat'), -1, [])
    expect(said(tick(stage, 100_000))).toEqual([])
  })

  test('keeps the membership alive until the application has let go', () => {
    const { stage } = consuming()
    const beat = stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
    grant(stage, newest(beat, 'consumerGroupHeartbeat'), 2, [])
    expect(said(tick(stage, 1000))).toEqual([expect.stringMatching(/of m, epoch 2, owns t-0 t-1$/)])
  })

  test('takes nothing that the group gives meanwhile', () => {
    const { stage, effects } = joining()
    stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
    const answered = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0, 1])
    expect(said(answered)).toEqual([expect.stringMatching(/of m, epoch -1, owns nothing$/)])
  })

  test('can be followed by another one, which joins anew', () => {
    const { stage, effects } = joining()
    stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null })
    const farewell = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [])
    expect(said(stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null }))).toEqual([])
    const asked = grant(stage, newest(farewell, 'consumerGroupHeartbeat'), -1, [])
    expect(said(asked)).toEqual([expect.stringMatching(/findCoordinator #\d+ of g$/)])
  })

  test('is over at once for a consumer that is no member', () => {
    const stage = consumer()
    expect(said(stage.deliver({ kind: 'subscribe', topics: [], topicPattern: null }))).toEqual([])
  })
})
