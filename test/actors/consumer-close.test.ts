// A consumer that closes: it commits and leaves first, and takes up nothing any more.

import { describe, expect, test } from 'vitest'
import { NONE } from '../../protocol/errors.ts'
import { committed, commitAnswer, consumer, consuming, grant, joining, located, newest, said, tick } from './consumer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent } from './stage.ts'

const SESSION_TIMEOUT_MILLIS = 8000

describe('closing', () => {
  test('commits a last time, leaves, and stops', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 19 })
    const commit = stage.deliver({ kind: 'closeConsumer', correlationId: 5 })
    expect(said(commit)).toEqual([expect.stringMatching(/offsetCommit #\d+ of m, epoch 1: t-0 at 19$/)])
    const farewell = commitAnswer(stage, newest(commit, 'offsetCommit'))
    expect(said(farewell)).toEqual([expect.stringMatching(/consumerGroupHeartbeat #\d+ of m, epoch -1, owns nothing$/)])
    expect(said(grant(stage, newest(farewell, 'consumerGroupHeartbeat'), -1, []))).toEqual([
      'to client: consumerClosed #5',
      'stop consumer/m',
    ])
  })

  test('takes up no partition any more: its successor may have it', () => {
    const { stage, effects } = joining()
    const asked = grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    stage.deliver({ kind: 'closeConsumer', correlationId: 9 })
    expect(sent(committed(stage, asked, { 0: 10 }), 'assigned')).toEqual([])
  })

  test('takes up no partition that it was still looking up', () => {
    const { stage, effects } = joining()
    committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), {})
    const asked = stage.deliver(topicsAnswer({ t: [0] }))
    stage.deliver({ kind: 'closeConsumer', correlationId: 9 })
    expect(sent(located(stage, newest(asked, 'listOffsets'), 4), 'assigned')).toEqual([])
  })

  test('by hand looks for the group first whose node is down, for its last commit', () => {
    const { stage, commit } = closingByHand()
    expect(said(commit)).toEqual([expect.stringMatching(/findCoordinator #/)])
    const found = { errorCode: NONE, node: 2, partition: 3, topicId: 2 }
    const again = stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(commit, 'findCoordinator'), ...found })
    expect(sent(again, 'offsetCommit')).toMatchObject([{ memberEpoch: -1, offsets: [{ topic: 't', partition: 0, offset: 19 }] }])
    expect(said(commitAnswer(stage, newest(again, 'offsetCommit')))).toEqual(['to client: consumerClosed #5', 'stop consumer/m'])
  })

  test('by hand is over when nobody has found the group for as long as a commit is tried', () => {
    const { stage } = closingByHand()
    expect(said(tick(stage, 100)).join()).not.toContain('consumerClosed')
    expect(said(tick(stage, SESSION_TIMEOUT_MILLIS)).join()).toContain('consumerClosed #5')
  })

  test('without a group is over at once', () => {
    expect(said(consumer({ group: null }).deliver({ kind: 'closeConsumer', correlationId: 5 }))).toEqual([
      'to client: consumerClosed #5',
      'stop consumer/m',
    ])
  })
})

/** It has read t-0, which it has taken by hand, up to 19; then the group's node went down. What it says when it is closed. */
function closingByHand(): { stage: ReturnType<typeof consumer>; commit: ReturnType<ReturnType<typeof consumer>['deliver']> } {
  const stage = consumer({ sessionTimeoutMillis: SESSION_TIMEOUT_MILLIS })
  const asked = stage.deliver({ kind: 'assign', partitions: [{ topic: 't', partition: 0 }] })
  const found = { errorCode: NONE, node: 1, partition: 3, topicId: 2 }
  committed(stage, stage.deliver({ kind: 'findCoordinatorResponse', correlationId: newest(asked, 'findCoordinator'), ...found }), { 0: 10 })
  stage.deliver(topicsAnswer({ t: [0] }))
  stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 19 })
  stage.deliver({ kind: 'nodeDown', node: 1 })
  tick(stage, 100)
  return { stage, commit: stage.deliver({ kind: 'closeConsumer', correlationId: 5 }) }
}
