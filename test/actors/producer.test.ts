// A producer: numbers, the window, the order after losses, and exactly one answer per batch.

import { describe, expect, test } from 'vitest'
import { actor } from '../../actors/producer.ts'
import { batchAt } from '../partitions/support.ts'
import { topicsAnswer } from './metadata.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { answer, asked, config, ids, numbers, ready, submit, tick } from './producer-support.ts'
import { lines, sent, sentOne, stageOf } from './stage.ts'

describe('starting', () => {
  test('asks for a producer id, and again when nobody answers', () => {
    const stage = stageOf(actor, { node: -1, actor: 'producer' }, config)
    expect(lines(stage.deliver({ kind: 'started' }))).toEqual(['to coordinator: initProducerId #1', 'timer tick in 50 ms'])
    expect(lines(tick(stage, 999))).toEqual(['timer tick in 50 ms'])
    expect(lines(tick(stage, 1))).toEqual(['to coordinator: initProducerId #2', 'timer tick in 50 ms'])
    stage.deliver({ kind: 'undeliverable', correlationId: 2 })
    expect(lines(tick(stage, 50))[0]).toBe('to coordinator: initProducerId #3')
  })

  test('holds batches until it has an id and knows the leader', () => {
    const stage = stageOf(actor, { node: -1, actor: 'producer' }, config)
    stage.deliver({ kind: 'started' })
    expect(lines(submit(stage, 7))).toEqual(['to coordinator: metadata #2 of t'])
    expect(lines(submit(stage, 8))).toEqual([])
    expect(stage.deliver(topicsAnswer({ t: [0] }))).toEqual([])
    const effects = stage.deliver({ kind: 'initProducerIdResponse', correlationId: 1, errorCode: 0, producerId: 42, producerEpoch: 0 })
    expect(numbers(effects)).toEqual(['0/0', '0/1'])
  })

  test('without acknowledgements needs no id: a batch is sent, delivered, and forgotten', () => {
    const stage = stageOf(actor, { node: -1, actor: 'producer' }, { ...config, acks: 'none' })
    expect(stage.deliver({ kind: 'started' })).toEqual([])
    submit(stage, 7)
    expect(lines(stage.deliver(topicsAnswer({ t: [0] })))).toEqual([
      'to replica/t-0: produce #-1: 1 record',
      'to client: delivered #7 at offset -1',
    ])
    expect(stage.state.queues.get('t-0')?.batches).toEqual([])
  })
})

describe('the window', () => {
  test('holds five batches of a partition, and moves on as they are answered', () => {
    const stage = ready()
    const first = [1, 2, 3, 4, 5, 6, 7].flatMap((token) => submit(stage, token))
    expect(numbers(first)).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4'])
    expect(lines(answer(stage, ids(first)[0]!, 10))).toEqual([
      'to client: delivered #1 at offset 10',
      expect.stringMatching(/numbered 0\/5$/),
    ])
  })

  test('does not run ahead of an unanswered first batch: the leader remembers five', () => {
    const stage = ready()
    const first = [1, 2, 3, 4, 5, 6].flatMap((token) => submit(stage, token))
    for (const id of ids(first).slice(1)) expect(numbers(answer(stage, id, 10))).toEqual([])
    expect(numbers(answer(stage, ids(first)[0]!, 9))).toEqual(['0/5'])
  })

  test('is one for each partition', () => {
    const stage = ready({}, 2)
    const effects = [1, 2, 3, 4, 5, 6].flatMap((token) => [...submit(stage, token, 0), ...submit(stage, token + 10, 1)])
    expect(ids(effects)).toHaveLength(10)
  })
})

describe('a batch', () => {
  test('that times out is sent again with its numbers, in its place', () => {
    const stage = ready()
    const [one] = ids(submit(stage, 1))
    stage.uptime = 500
    submit(stage, 2)
    expect(lines(tick(stage, 500))).toEqual([expect.stringMatching(/^to coordinator: metadata #\d+ of t$/), 'timer tick in 50 ms'])
    const again = stage.deliver(topicsAnswer({ t: [0] }))
    expect(numbers(again)).toEqual(['0/0'])
    expect(answer(stage, one!, 3)).toEqual([])
    expect(lines(answer(stage, ids(again)[0]!, 3))).toEqual(['to client: delivered #1 at offset 3'])
  })

  test('that is refused for a while is sent again after a pause that grows, before the ones behind it', () => {
    const stage = ready()
    const sentFirst = [1, 2].flatMap((token) => submit(stage, token))
    for (const id of ids(sentFirst)) answer(stage, id, 'NOT_LEADER_OR_FOLLOWER')
    expect(numbers(tick(stage, 49))).toEqual([])
    tick(stage, 100)
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['0/0', '0/1'])
    // One pause is one failure, however many batches were refused: the next pause is twice as long.
    expect(stage.state.queues.get('t-0')).toMatchObject({ failures: 1 })
  })

  test('that is refused for good is reported, and the next ones go on', () => {
    const stage = ready()
    const [one, two] = ids([1, 2].flatMap((token) => submit(stage, token)))
    expect(lines(answer(stage, one!, 'MESSAGE_TOO_LARGE'))).toEqual(['to client: delivered #1 MESSAGE_TOO_LARGE'])
    expect(lines(answer(stage, two!, 5))).toEqual(['to client: delivered #2 at offset 5'])
  })

  test('that the leader has already, but no longer knows where, is delivered without an offset', () => {
    const stage = ready()
    expect(lines(answer(stage, ids(submit(stage, 1))[0]!, 'DUPLICATE_SEQUENCE_NUMBER'))).toEqual(['to client: delivered #1 at offset -1'])
  })

  test('that is not acknowledged in time is given up, once, and is not sent again: a higher epoch shuts out what is on its way', () => {
    const stage = ready()
    const [one] = ids(submit(stage, 1))
    expect(lines(tick(stage, 5000))).toContain('to client: delivered #1 REQUEST_TIMED_OUT')
    expect(answer(stage, one!, 3)).toEqual([])
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] })))).toEqual([])
    expect(stage.state.queues.get('t-0')?.batches).toEqual([])
    expect(numbers(submit(stage, 2))).toEqual(['1/0'])
  })

  test('that is given up while another one with a number waits is sent on until the fate of either is known', () => {
    const stage = ready()
    submit(stage, 1)
    tick(stage, 100)
    const [two] = ids(submit(stage, 2))
    expect(lines(tick(stage, 4900))).toContain('to client: delivered #1 REQUEST_TIMED_OUT')
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['0/0', '0/1'])
    expect(answer(stage, two!, 1)).toEqual([])
    expect(lines(tick(stage, 100))).toContain('to client: delivered #2 REQUEST_TIMED_OUT')
    expect(stage.state.queues.get('t-0')).toMatchObject({ batches: [], producerEpoch: 1, nextSequence: 0 })
  })

  test('that is given up is the memory of the client again', () => {
    const stage = ready()
    const records = batchAt(0, 1)
    stage.deliver({ kind: 'submit', token: 1, topic: 't', partition: 0, records })
    tick(stage, 100)
    submit(stage, 2)
    tick(stage, 4900)
    records.fill(0)
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] })))).toEqual(['0/0', '0/1'])
  })

  test('that was refused for want of replicas until its time was over fails with that name', () => {
    const stage = ready()
    answer(stage, ids(submit(stage, 1))[0]!, 'NOT_ENOUGH_REPLICAS')
    expect(lines(tick(stage, 5000))).toContain('to client: delivered #1 NOT_ENOUGH_REPLICAS')
  })

  test.each<[ErrorName, readonly ErrorName[]]>([
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', ['NOT_ENOUGH_REPLICAS_AFTER_APPEND']],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'NOT_ENOUGH_REPLICAS']],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'NOT_LEADER_OR_FOLLOWER', 'NOT_ENOUGH_REPLICAS']],
    ['REQUEST_TIMED_OUT', ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'NOT_LEADER_OR_FOLLOWER']],
  ])('that was refused for want of replicas fails with %s after %j: it is in a log once a leader has said so', (name, refusals) => {
    const stage = ready()
    let effects = submit(stage, 1)
    for (const refusal of refusals) {
      answer(stage, ids(effects)[0]!, refusal)
      stage.deliver(topicsAnswer({ t: [0] }))
      effects = tick(stage, 249)
      if (ids(effects).length === 0) effects = tick(stage, 1)
    }
    expect(lines(tick(stage, 5000))).toContain(`to client: delivered #1 ${name}`)
  })

  test('that a disk has refused fails with what was said of the disk, whoever has led since', () => {
    const stage = ready()
    const [first] = ids(submit(stage, 1))
    answer(stage, first!, 'KAFKA_STORAGE_ERROR', 't-0 is offline: the disk is full')
    tick(stage, 100)
    const [second] = ids(stage.deliver(topicsAnswer({ t: [0] }, 1)))
    answer(stage, second!, 'NOT_LEADER_OR_FOLLOWER')
    const [outcome] = sent(tick(stage, 5000), 'delivered')
    expect(outcome).toMatchObject({
      errorCode: codeOf('REQUEST_TIMED_OUT'),
      errorMessage: expect.stringMatching(/KAFKA_STORAGE_ERROR \(t-0 is offline: the disk is full\)$/) as string,
    })
  })

  test('that has no number yet leaves nothing behind when it is given up', () => {
    const stage = ready({ deliveryTimeoutMillis: 500 })
    stage.deliver({ kind: 'submit', token: 1, topic: 'unknown', partition: 0, records: batchAt(0, 1) })
    expect(lines(tick(stage, 500))).toContain('to client: delivered #1 REQUEST_TIMED_OUT')
    expect(stage.state.queues.get('unknown-0')?.batches).toEqual([])
  })

  test('for a partition that does not exist fails after a second look', () => {
    const stage = ready()
    expect(sent(submit(stage, 1, 9), 'delivered')).toEqual([])
    const { correlationId } = sentOne(tick(stage, 100), 'metadata')
    const answered = stage.deliver({ ...topicsAnswer({ t: [0] }), correlationId })
    expect(lines(answered)).toEqual(['to client: delivered #1 UNKNOWN_TOPIC_OR_PARTITION'])
  })

  test('for a topic that does not exist, as far as is known, has a second look that is asked for after the first', () => {
    const stage = ready()
    stage.state.leaders.topics.clear()
    const [first, second] = [submit(stage, 1), tick(stage, 250)].map((effects) => sentOne(effects, 'metadata').correlationId)
    const unknown = topicsAnswer({ t: [] })
    expect(sent(stage.deliver({ ...unknown, correlationId: first! }), 'delivered')).toEqual([])
    tick(stage, 100)
    // It was under way already, and knows no more: the topic may have been created since.
    expect(sent(stage.deliver({ ...unknown, correlationId: second! }), 'delivered')).toEqual([])
    expect(numbers(stage.deliver(topicsAnswer({ t: [0] }, 1)))).toEqual(['0/0'])
  })

  test('for a partition that does not exist, as far as is known, has its second look, although one before it was given up during that', () => {
    const stage = ready({ deliveryTimeoutMillis: 500 })
    submit(stage, 1, 9)
    expect(lines(tick(stage, 500))).toContain('to client: delivered #1 REQUEST_TIMED_OUT')
    stage.deliver({ ...topicsAnswer({ t: [0] }), correlationId: stage.state.nextCorrelationId })
    expect(sent(submit(stage, 2, 9), 'delivered')).toEqual([])
  })

  test('for a partition that has been added since has its second look, although it failed before', () => {
    const stage = ready({}, 2)
    answer(stage, ids(submit(stage, 1, 1))[0]!, 'NOT_LEADER_OR_FOLLOWER')
    tick(stage, 5000)
    stage.deliver(topicsAnswer({ t: [0] }, 1))
    expect(sent(submit(stage, 2, 1), 'delivered')).toEqual([])
    tick(stage, 5000 - 1)
    // Without the first one, which was given up.
    expect(numbers(stage.deliver(topicsAnswer({ t: [0, 1] }, 2)))).toEqual(['1/0'])
  })

  test('whose addressee is not there waits, and is sent to whoever leads then', () => {
    const stage = ready()
    stage.deliver({ kind: 'undeliverable', correlationId: ids(submit(stage, 1))[0]! })
    tick(stage, 100)
    const [effect] = stage.deliver(topicsAnswer({ t: [2] }))
    expect(effect).toMatchObject({ kind: 'send', to: { node: 2, actor: 'replica/t-0' } })
  })

  test('in flight to a node that dies is sent again at once when the leader is known', () => {
    const stage = ready({}, 2)
    submit(stage, 1, 0)
    const [other] = ids(submit(stage, 2, 1))
    expect(stage.state.leaders.topics.has('t')).toBe(true)
    expect(lines(stage.deliver({ kind: 'nodeDown', node: 0 }))).toEqual([expect.stringMatching(/^to coordinator: metadata #\d+ of t$/)])
    expect(numbers(stage.deliver(topicsAnswer({ t: [1, 1] }, 1)))).toEqual(['0/0'])
    expect(lines(answer(stage, other!, 4))).toEqual(['to client: delivered #2 at offset 4'])
  })
})

describe('a refusal', () => {
  test.each<ErrorName>([
    'NOT_LEADER_OR_FOLLOWER',
    'FENCED_LEADER_EPOCH',
    'UNKNOWN_LEADER_EPOCH',
    'LEADER_NOT_AVAILABLE',
    'NOT_ENOUGH_REPLICAS',
    'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
    'KAFKA_STORAGE_ERROR',
  ])('with %s asks who leads at once, and another leader is tried at once', (error) => {
    const stage = ready()
    expect(asked(answer(stage, ids(submit(stage, 1))[0]!, error))).toBe(1)
    expect(numbers(stage.deliver(topicsAnswer({ t: [1] }, 1, 5, 1)))).toEqual(['0/0'])
  })

  test('by a leader that stays is followed by a pause, and the attempts go on until the time for the delivery is over', () => {
    const stage = ready()
    let effects = submit(stage, 1)
    for (let attempt = 0; attempt < 20; attempt++) {
      answer(stage, ids(effects)[0]!, 'NOT_ENOUGH_REPLICAS')
      expect(stage.deliver(topicsAnswer({ t: [0] }))).toEqual([])
      effects = tick(stage, 249)
      if (ids(effects).length === 0) effects = tick(stage, 1)
    }
    expect(lines(tick(stage, 5000))).toContain('to client: delivered #1 NOT_ENOUGH_REPLICAS')
  })
})

describe('numbers', () => {
  test('begin anew under a higher epoch when the leader has lost its memory', () => {
    const stage = ready()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    const lost = ids([2, 3].flatMap((token) => submit(stage, token)))
    expect(numbers(answer(stage, lost[0]!, 'UNKNOWN_PRODUCER_ID'))).toEqual(['1/0', '1/1'])
    expect(answer(stage, lost[1]!, 'UNKNOWN_PRODUCER_ID')).toEqual([])
  })

  test('that begin anew are given in the order of submission', () => {
    const stage = ready()
    answer(stage, ids(submit(stage, 1))[0]!, 0)
    const lost = ids([2, 3, 4].flatMap((token) => submit(stage, token)))
    const again = ids(answer(stage, lost[0]!, 'UNKNOWN_PRODUCER_ID'))
    const delivered = again.flatMap((id, i) => sent(answer(stage, id, i), 'delivered').map(({ token }) => token))
    expect(delivered).toEqual([2, 3, 4])
  })

  test('stay when a batch before is still on its way: the gap may be an accident of the network', () => {
    const stage = ready()
    const [one, two] = ids([1, 2].flatMap((token) => submit(stage, token)))
    expect(numbers(answer(stage, two!, 'OUT_OF_ORDER_SEQUENCE_NUMBER'))).toEqual([])
    answer(stage, one!, 0)
    expect(numbers(tick(stage, 50))).toEqual(['0/1'])
  })

  test('have no gap where a batch was given up: the leader takes it, or shows that it has none, before those behind it', () => {
    const stage = ready({ deliveryTimeoutMillis: 500 })
    const [one] = ids(submit(stage, 1))
    tick(stage, 100)
    const [two] = ids(submit(stage, 2))
    expect(lines(tick(stage, 400))).toContain('to client: delivered #1 REQUEST_TIMED_OUT')
    expect(answer(stage, two!, 'OUT_OF_ORDER_SEQUENCE_NUMBER')).toEqual([])
    expect(stage.state.queues.get('t-0')).toMatchObject({ producerEpoch: 0, nextSequence: 2 })
    expect(lines(answer(stage, one!, 0))).toEqual([])
    expect(numbers(tick(stage, 50))).toEqual(['0/1'])
  })

  test('begin anew with a batch that was given up when the leader has lost its memory', () => {
    const stage = ready({ deliveryTimeoutMillis: 500 })
    const [one] = ids(submit(stage, 1))
    tick(stage, 100)
    submit(stage, 2)
    tick(stage, 400)
    expect(numbers(answer(stage, one!, 'UNKNOWN_PRODUCER_ID'))).toEqual(['1/0', '1/1'])
  })
})

test('the timer stops when nothing is outstanding', () => {
  const stage = ready()
  const [one] = ids(submit(stage, 1))
  expect(lines(tick(stage, 50))).toEqual(['timer tick in 50 ms'])
  answer(stage, one!, 0)
  expect(tick(stage, 50)).toEqual([])
  expect(stage.state.ticking).toBe(false)
})
