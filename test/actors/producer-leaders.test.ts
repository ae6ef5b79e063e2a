// A producer whose leader hangs or dies, and batches that ask for other acknowledgements.

import { describe, expect, test } from 'vitest'
import { actor } from '../../actors/producer.ts'
import { topicsAnswer } from './metadata.ts'
import { answer, asked, config, ids, numbers, ready, submit, submitWith, tick } from './producer-support.ts'
import { lines, sent, sentOne, stageOf } from './stage.ts'

describe('a leader that hangs', () => {
  test('is looked up again after 250 ms of silence, and once per 250 ms', () => {
    const stage = ready()
    submit(stage, 1)
    expect(asked(tick(stage, 249))).toBe(0)
    expect(asked(tick(stage, 1))).toBe(1)
    stage.deliver(topicsAnswer({ t: [0] }))
    expect(asked(tick(stage, 249))).toBe(0)
    expect(asked(tick(stage, 1))).toBe(1)
  })

  test('and a coordinator that hangs with it cost the same: the next one is asked', () => {
    const stage = ready({ coordinatorNodes: [0, 1, 2] })
    submit(stage, 1)
    tick(stage, 250)
    expect(tick(stage, 250)).toContainEqual(expect.objectContaining({ to: { node: 1, actor: 'coordinator' } }))
  })

  test('keeps what it has while it leads', () => {
    const stage = ready()
    const [one] = ids(submit(stage, 1))
    tick(stage, 250)
    expect(stage.deliver(topicsAnswer({ t: [0] }))).toEqual([])
    expect(lines(answer(stage, one!, 3))).toEqual(['to client: delivered #1 at offset 3'])
  })

  test('and does not answer what is in flight when its topic is deleted: that fails after a second look', () => {
    const stage = ready()
    submit(stage, 1)
    tick(stage, 250)
    expect(sent(stage.deliver(topicsAnswer({ t: [] }, 1)), 'delivered')).toEqual([])
    const { correlationId } = sentOne(tick(stage, 100), 'metadata')
    expect(lines(stage.deliver({ ...topicsAnswer({ t: [] }, 1), correlationId }))).toEqual([
      'to client: delivered #1 UNKNOWN_TOPIC_OR_PARTITION',
    ])
  })

  test('loses what is in flight to the next leader, in order and under the same numbers; its own answers come too late', () => {
    const stage = ready()
    const [one] = ids([1, 2].flatMap((token) => submit(stage, token)))
    tick(stage, 250)
    const again = stage.deliver(topicsAnswer({ t: [2] }, 1, 5, 1))
    expect(numbers(again)).toEqual(['0/0', '0/1'])
    expect(again).toMatchObject([{ to: { node: 2 }, message: { leaderEpoch: 1 } }, { to: { node: 2 } }])
    expect(answer(stage, one!, 3)).toEqual([])
    expect(lines(answer(stage, ids(again)[0]!, 7))).toEqual(['to client: delivered #1 at offset 7'])
  })

  test('loses it, too, to its own next epoch', () => {
    const stage = ready()
    submit(stage, 1)
    tick(stage, 250)
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] }, 1, 5, 1)))).toEqual(['0/0'])
  })
})

test('a topic of the same name, with the same leader in the same epoch, does not answer what the former was asked: it is sent again', () => {
  const stage = ready()
  const [former] = ids(submit(stage, 1))
  tick(stage, 250)
  const again = stage.deliver(topicsAnswer({ t: [0] }, 1, 6))
  expect(again).toMatchObject([{ to: { node: 0 }, message: { kind: 'produce', topicId: 6 } }])
  expect(answer(stage, former!, 3)).toEqual([])
  expect(lines(answer(stage, ids(again)[0]!, 0))).toEqual(['to client: delivered #1 at offset 0'])
})

describe('a leader whose node has died', () => {
  test('is not asked again while the coordinator still names it; that one is asked again soon', () => {
    const stage = ready()
    submit(stage, 1)
    stage.deliver({ kind: 'nodeDown', node: 0 })
    expect(lines(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['timer tick in 5 ms'])
    expect(asked(tick(stage, 5))).toBe(1)
    expect(lines(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['timer tick in 10 ms'])
    expect(asked(tick(stage, 10))).toBe(1)
    expect(numbers(stage.deliver(topicsAnswer({ t: [1] }, 1, 5, 1)))).toEqual(['0/0'])
    expect(numbers(submit(stage, 2))).toEqual(['0/1'])
  })

  test('is asked again when it leads again, in another epoch or after a while', () => {
    for (const [wait, epoch] of [
      [0, 1],
      [250, 0],
    ] as const) {
      const stage = ready()
      submit(stage, 1)
      stage.deliver({ kind: 'nodeDown', node: 0 })
      tick(stage, wait)
      expect(numbers(stage.deliver(topicsAnswer({ t: [0] }, 1, 5, epoch)))).toEqual(['0/0'])
    }
  })
})

describe('acks of a batch', () => {
  test('go with it, and need an id where the others need none', () => {
    const stage = stageOf(actor, { node: -1, actor: 'producer' }, { ...config, acks: 'none' })
    stage.deliver({ kind: 'started' })
    stage.deliver(topicsAnswer({ t: [0] }))
    expect(sent(submitWith(stage, 1, 'quorum'), 'initProducerId')).toHaveLength(1)
    const effects = stage.deliver({ kind: 'initProducerIdResponse', correlationId: 1, errorCode: 0, producerId: 42, producerEpoch: 0 })
    expect(sentOne(effects, 'produce')).toMatchObject({ acks: 'quorum' })
  })

  test('none waits for the answers to those before it, and those behind it wait, too', () => {
    const stage = ready()
    const [one] = ids(submitWith(stage, 1, 2))
    expect(submitWith(stage, 2, 'none')).toEqual([])
    expect(submit(stage, 3)).toEqual([])
    expect(lines(answer(stage, one!, 0))).toEqual([
      'to client: delivered #1 at offset 0',
      expect.stringMatching(/^to replica\/t-0: produce #-1: 1 record/),
      'to client: delivered #2 at offset -1',
      expect.stringMatching(/^to coordinator: metadata/),
      expect.stringMatching(/numbered 0\/1$/),
    ])
  })

  test('none are not answered by a leader that is none any more: it is looked up from time to time', () => {
    const stage = ready({ acks: 'none' })
    submit(stage, 1)
    stage.uptime = 250
    expect(asked(submit(stage, 2))).toBe(1)
    expect(asked(submit(stage, 3))).toBe(0)
    expect(stage.deliver(topicsAnswer({ t: [1] }, 1, 5, 1))).toEqual([])
    expect(submit(stage, 4)[0]).toMatchObject({ to: { node: 1 } })
  })

  test('none are sent to another node when theirs dies', () => {
    const stage = ready({ acks: 'none' })
    submit(stage, 1)
    stage.deliver({ kind: 'nodeDown', node: 0 })
    expect(asked(submit(stage, 2))).toBe(1)
  })
})
