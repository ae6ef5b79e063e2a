// Transactions in a partition with followers: they know what the leader knows, and what is cut from a log is taken back.

import { expect, test } from 'vitest'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { ReplicatedPartition } from './replication-support.ts'
import { known, markerRequest, transactional } from './transactions-support.ts'
import type { Sent } from './transactions-support.ts'

/** A partition whose transactor is outside, and says yes to everything, or nothing. */
class Transactional {
  readonly partition: ReplicatedPartition
  isSilent = false
  readonly markerAnswers: number[] = []
  #correlationId = 1000
  /** What the transactor says when a batch has been heard. */
  readonly #answers: (() => void)[] = []

  constructor(count: number, minInsync = 1) {
    this.partition = new ReplicatedPartition(count, {}, minInsync)
    this.partition.onMessage = (from, to, message) => {
      if (to.node < 0 && message.kind === 'writeTransactionMarkerResponse') this.markerAnswers.push(message.errorCode)
      if (to.node >= 0 || message.kind !== 'addPartitionToTransaction' || this.isSilent) return
      const { correlationId } = message
      this.#answers.push(() =>
        this.partition.deliver(from.node, {
          kind: 'addPartitionToTransactionResponse',
          correlationId,
          errorCode: NONE,
          errorMessage: null,
        }),
      )
    }
  }

  /** A batch of a transaction; the correlation id. */
  send(leader: number, options: Sent = {}): number {
    const correlationId = ++this.#correlationId
    const { leaderEpoch } = this.partition.state(leader).role
    const request = transactional(correlationId, options)
    this.partition.deliver(leader, { ...request, leaderEpoch, transaction: { ...request.transaction!, transactorNode: -1 } })
    for (const then of this.#answers.splice(0)) then()
    return correlationId
  }

  mark(leader: number, changes: Parameters<typeof markerRequest>[1] = {}): void {
    this.partition.deliver(leader, markerRequest(++this.#correlationId, changes))
  }
}

test('followers know what the leader knows', () => {
  const one = new Transactional(3)
  const { partition } = one
  one.send(0)
  one.mark(0, { committed: false })
  one.send(0, { producerEpoch: 1 })
  one.send(0, { producerId: 8, baseSequence: -1 })
  partition.pass(1000)
  const [leader, ...followers] = [0, 1, 2].map((node) => known(partition.state(node)))
  expect(partition.state(0).transactions).toEqual({
    open: new Map([
      [7, expect.objectContaining({ offset: 2 })],
      [8, expect.objectContaining({ offset: 3 })],
    ]),
    aborted: [{ producerId: 7, firstOffset: 0, lastOffset: 1 }],
  })
  for (const follower of followers) expect(follower).toEqual(leader)
})

test('a new leader goes on with what is open, and answers a marker that is there already', () => {
  const one = new Transactional(2)
  const { partition } = one
  one.send(0)
  one.send(0, { producerId: 8 })
  one.mark(0)
  partition.pass(1000)
  partition.elect(1)
  one.mark(1)
  one.mark(1, { producerId: 8, committed: false })
  expect(one.markerAnswers).toEqual([NONE, NONE, NONE])
  const sent = one.send(1, { producerEpoch: 1 })
  expect(partition.outcome(sent)).toEqual({ errorCode: NONE, baseOffset: 4 })
  expect(partition.state(1).transactions.aborted).toEqual([{ producerId: 8, firstOffset: 1, lastOffset: 3 }])
})

test('a marker that a deposed leader has written alone is taken back with its log, and what it ended is open again', () => {
  const one = new Transactional(3)
  const { partition } = one
  one.send(0)
  partition.pass(1000)
  partition.isolate(0)
  one.mark(0, { committed: false })
  expect(partition.state(0).appended.get(7)).toMatchObject({ producerEpoch: 1, firstOffset: -1 })
  partition.elect(1, [1, 2], [0])
  one.send(1, { baseSequence: 1 })
  partition.isolate(0, false)
  partition.decide({})
  partition.pass(2000)
  expect(partition.state(0).appended.get(7)).toMatchObject({ producerEpoch: 0, firstOffset: 0 })
  expect(known(partition.state(0))).toEqual(known(partition.state(1)))
})

test('a marker waits for the quorum, and is refused where there is none', () => {
  const one = new Transactional(2, 2)
  const { partition } = one
  one.send(0)
  partition.isolate(1)
  one.mark(0)
  expect(one.markerAnswers).toEqual([])
  partition.decide({ isr: [0] })
  expect(one.markerAnswers).toEqual([codeOf('NOT_ENOUGH_REPLICAS_AFTER_APPEND')])
  one.mark(0)
  expect(one.markerAnswers.at(-1)).toBe(codeOf('NOT_ENOUGH_REPLICAS'))
  partition.isolate(1, false)
  partition.pass(2000)
  partition.decide({ isr: [0, 1] })
  one.mark(0)
  expect(one.markerAnswers.at(-1)).toBe(NONE)
})

test('what waits for the transactor is not appended by one who led, and leads again', () => {
  const one = new Transactional(2)
  one.isSilent = true
  const sent = one.send(0)
  one.partition.elect(1)
  one.partition.elect(0)
  expect(one.partition.outcome(sent)).toMatchObject({ errorCode: codeOf('NOT_LEADER_OR_FOLLOWER') })
  expect(one.partition.log(0)).toEqual([])
})
