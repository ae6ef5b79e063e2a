// An application that has read the leader's file, and found damage there.

import { expect, test } from 'vitest'
import { answerFetch, consuming, located, newest } from './consumer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { sent, sentOne } from './stage.ts'

test('has the leader read it, whoever that is by then; chunks of before are stale, and nothing more is processed', () => {
  const { stage, effects } = consuming({ fetchMode: 'range' })
  const [zero] = sent(effects, 'fetch')
  const again = newest(stage.deliver({ kind: 'fetchAgain', topic: 't', partition: 0, session: 2, offset: 12 }), 'fetch')
  expect(stage.state.partitions.get('t-0')).toMatchObject({ correlationId: again, session: 2, position: 10, fetchOffset: 12 })
  expect(answerFetch(stage, zero!.correlationId)).toEqual([])
  answerFetch(stage, again, 'NOT_LEADER_OR_FOLLOWER')
  const [moved] = sent(stage.deliver(topicsAnswer({ t: [1, 0] }, 1)), 'fetch')
  expect(moved).toMatchObject({ fetchOffset: 12, mode: 'bytes' })
  expect(sentOne(answerFetch(stage, moved!.correlationId), 'chunk')).toMatchObject({ session: 2, fetchOffset: 12 })
  const more = stage.deliver({ kind: 'fetchMore', topic: 't', partition: 0, session: 2, offset: 13 })
  expect(sentOne(more, 'fetch')).toMatchObject({ fetchOffset: 13, mode: 'range' })
})

test('hears of a position that was being reset meanwhile', () => {
  const { stage, effects } = consuming()
  answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'OFFSET_OUT_OF_RANGE')
  const again = newest(stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 5)), 'fetch')
  const asked = answerFetch(stage, again, 'OFFSET_OUT_OF_RANGE')
  expect(sent(stage.deliver({ kind: 'fetchAgain', topic: 't', partition: 0, session: 2, offset: 12 }), 'fetch')).toEqual([])
  expect(sentOne(located(stage, newest(asked, 'listOffsets'), 14), 'positionReset')).toMatchObject({ position: 14, session: 1024 })
})

test('counts for nothing where the position was reset before that was heard', () => {
  const { stage, effects } = consuming()
  answerFetch(stage, sent(effects, 'fetch')[0]!.correlationId, 'OFFSET_OUT_OF_RANGE')
  const again = newest(stage.deliver(topicsAnswer({ t: [0, 0] }, 1, 5)), 'fetch')
  const reset = located(stage, newest(answerFetch(stage, again, 'OFFSET_OUT_OF_RANGE'), 'listOffsets'), 14)
  expect(sentOne(reset, 'fetch')).toMatchObject({ fetchOffset: 14 })
  expect(sent(stage.deliver({ kind: 'fetchAgain', topic: 't', partition: 0, session: 2, offset: 12 }), 'fetch')).toEqual([])
  expect(stage.state.partitions.get('t-0')).toMatchObject({ session: 1024, fetchOffset: 14 })
})
