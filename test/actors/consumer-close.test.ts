// A consumer that closes: it commits and leaves first, and takes up nothing any more.

import { describe, expect, test } from 'vitest'
import { committed, commitAnswer, consumer, consuming, grant, joining, located, newest, said } from './consumer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent } from './stage.ts'

describe('closing', () => {
  test('commits a last time, leaves, and stops', () => {
    const { stage } = consuming()
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, position: 19 })
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

  test('without a group is over at once', () => {
    expect(said(consumer({ group: null }).deliver({ kind: 'closeConsumer', correlationId: 5 }))).toEqual([
      'to client: consumerClosed #5',
      'stop consumer/m',
    ])
  })
})
