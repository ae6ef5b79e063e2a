// Batches that a topic finds too large, and that the client of a producer can split.
import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { ProducerState } from '../../actors/producer-state.ts'
import { stampProducer } from '../../protocol/record-batch.ts'
import { batchAt } from '../partitions/support.ts'
import { answer, ids, numbers, ready, submit, tick } from './producer-support.ts'
import { topicsAnswer } from './metadata.ts'
import { lines, sent } from './stage.ts'
import type { Stage } from './stage.ts'

function submitSome(stage: Stage<ProducerState>, token: number, count: number): Effect[] {
  return stage.deliver({ kind: 'submit', token, topic: 't', partition: 0, records: batchAt(0, count) })
}

function split(stage: Stage<ProducerState>, token: number, parts: readonly (readonly [token: number, count: number])[]): Effect[] {
  return stage.deliver({ kind: 'splitBatch', token, parts: parts.map(([part, count]) => ({ token: part, records: batchAt(0, count) })) })
}

test('the parts of a batch have its place and its numbers, and what is behind goes again behind them', () => {
  const stage = ready({ splitsBatches: true })
  const [one, two] = ids([submitSome(stage, 1, 5), submitSome(stage, 2, 3)].flat())
  const asked = answer(stage, one!, 'MESSAGE_TOO_LARGE')
  expect(sent(asked, 'tooLarge')).toEqual([{ kind: 'tooLarge', token: 1 }])
  expect([numbers(asked), numbers(submitSome(stage, 3, 1))]).toEqual([[], []])
  const parts = split(stage, 1, [
    [4, 2],
    [5, 3],
  ])
  expect(numbers(parts)).toEqual(['0/0', '0/2', '0/5', '0/8'])
  // That was sent when its predecessor was refused.
  expect(answer(stage, two!, 'OUT_OF_ORDER_SEQUENCE_NUMBER')).toEqual([])
  const outcomes = ids(parts).flatMap((id, n) => lines(answer(stage, id, n * 10)))
  expect(outcomes).toEqual([4, 5, 2, 3].map((token, n) => `to client: delivered #${token} at offset ${n * 10}`))
})

test('no more parts are in flight than the leader remembers', () => {
  const stage = ready({ splitsBatches: true })
  const [one] = ids([submitSome(stage, 1, 9), submit(stage, 2)].flat())
  answer(stage, one!, 'MESSAGE_TOO_LARGE')
  const parts = split(
    stage,
    1,
    Array.from({ length: 9 }, (_, n) => [n + 3, 1] as const),
  )
  expect(numbers(parts)).toEqual(['0/0', '0/1', '0/2', '0/3', '0/4'])
  expect(numbers(answer(stage, ids(parts)[0]!, 0))).toEqual(['0/5'])
})

test('nor when some of those between them and the oldest are answered and gone', () => {
  const stage = ready({ splitsBatches: true })
  const [, two, three, four] = ids([1, 2, 3, 4].flatMap((token) => submit(stage, token)))
  for (const [place, id] of [two!, three!, four!].entries()) answer(stage, id, place + 1)
  const [large] = ids(submitSome(stage, 5, 3))
  answer(stage, large!, 'MESSAGE_TOO_LARGE')
  const parts = split(
    stage,
    5,
    [6, 7, 8].map((token) => [token, 1] as const),
  )
  expect(numbers(parts)).toEqual(['0/4'])
})

test('a part that is still too large is split again; one record alone fails', () => {
  const stage = ready({ splitsBatches: true })
  answer(stage, ids(submitSome(stage, 1, 3))[0]!, 'MESSAGE_TOO_LARGE')
  const [, two] = ids(
    split(stage, 1, [
      [2, 1],
      [3, 2],
    ]),
  )
  expect(sent(answer(stage, two!, 'MESSAGE_TOO_LARGE'), 'tooLarge')).toEqual([{ kind: 'tooLarge', token: 3 }])
  const [again] = ids(
    split(stage, 3, [
      [4, 1],
      [5, 1],
    ]),
  )
  expect(lines(answer(stage, again!, 'MESSAGE_TOO_LARGE'))).toContain('to client: delivered #4 MESSAGE_TOO_LARGE')
})

test('a batch that is being split is answered by its parts alone; when its time is over they are not sent', () => {
  const stage = ready({ splitsBatches: true })
  const [one] = ids(submitSome(stage, 1, 3))
  answer(stage, one!, 'MESSAGE_TOO_LARGE')
  expect(sent(tick(stage, 5000), 'delivered')).toEqual([])
  expect(lines(splitInTwo(stage))).toEqual([2, 3].map((token) => `to client: delivered #${token} REQUEST_TIMED_OUT`))
  expect(numbers(submit(stage, 4))).toEqual(['1/0'])
})

test('nobody says of parts that they are not in the log when the batch has gone on as a whole', () => {
  const stage = ready({ splitsBatches: true })
  const [one] = ids(submitSome(stage, 1, 3))
  stage.uptime += 10
  submit(stage, 4)
  answer(stage, one!, 'MESSAGE_TOO_LARGE')
  const again = [...tick(stage, 4990), ...stage.deliver(topicsAnswer({ t: [0] }))]
  expect(numbers(again)).toEqual(['0/0', '0/3'])
  // The topic takes as much again.
  expect(sent([...again, ...answer(stage, ids(again)[0]!, 0)], 'delivered')).toEqual([])
  expect(lines(splitInTwo(stage))).toEqual([2, 3].map((token) => `to client: delivered #${token} REQUEST_TIMED_OUT`))
})

test("the memory of a batch that is to be split is its client's again, whatever becomes of it", () => {
  const stage = ready({ splitsBatches: true })
  const records = batchAt(0, 3)
  const [one] = ids(stage.deliver({ kind: 'submit', token: 1, topic: 't', partition: 0, records }))
  stage.uptime += 10
  submit(stage, 4)
  answer(stage, one!, 'MESSAGE_TOO_LARGE')
  // As the public client does, which reads it once more from its beginning.
  stampProducer(records, 0, -1, -1, -1)
  expect(numbers([...tick(stage, 4990), ...stage.deliver(topicsAnswer({ t: [0] }))])).toEqual(['0/0', '0/3'])
})

test('the parts of a batch whose topic is gone are answered, and it is not', () => {
  const stage = ready({ splitsBatches: true })
  answer(stage, ids(submitSome(stage, 1, 3))[0]!, 'MESSAGE_TOO_LARGE')
  submit(stage, 4)
  const gone = [1, 2].flatMap(() => [...stage.deliver({ ...topicsAnswer({ t: [] }), correlationId: 1000 }), ...tick(stage, 300)])
  expect(sent(gone, 'delivered').map(({ token }) => token)).toEqual([4])
  expect(sent(splitInTwo(stage), 'delivered').map(({ token }) => token)).toEqual([2, 3])
})

function splitInTwo(stage: Stage<ProducerState>): Effect[] {
  return split(stage, 1, [
    [2, 1],
    [3, 2],
  ])
}
