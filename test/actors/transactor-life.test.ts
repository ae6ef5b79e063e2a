// A transactional id through reigns of several transactors, over one log: writes are refused, in doubt, kept or lost, requests come late and to those who were
// succeeded. Whatever happens, an epoch has one end, and nobody is told anything else than what the log says.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import { appendRequest, openStateLog } from '../../coordinator/state-log.ts'
import type { StateRecord } from '../../coordinator/state-log.ts'
import { decodeTransactionRecord } from '../../coordinator/transactions/transaction-record.ts'
import type { Transaction } from '../../coordinator/transactions/transaction-state.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { fetched } from '../coordinator/support.ts'
import { topicsAnswer } from './metadata.ts'
import type { Stage } from './stage.ts'
import { transactorStage } from './transactor-support.ts'

type Life = Pick<Transaction, 'producerId' | 'producerEpoch'>

/** One transactor, and what it waits for. */
interface Reign {
  readonly stage: Stage<TransactorState>
  readonly writes: MessageOf<'produce'>[]
  readonly markers: MessageOf<'writeTransactionMarker'>[]
}

/** The log and all who have written it, the newest reign last. */
class World {
  readonly committed: StateRecord[] = []
  /** Appended, and not committed yet. */
  tail: StateRecord[] = []
  readonly reigns: Reign[] = []
  readonly lives: Life[] = []
  readonly decisions = new Map<string, boolean>()
  readonly asked = new Map<number, MessageOf<'endTransaction' | 'addPartitionToTransaction' | 'initTransactions'>>()
  present: Transaction | null = null
  answers = 0
  #uptime = 0
  #nextId = 1000
  #nextProducerId = 50

  /** Another node leads: what was in doubt is committed, or gone for good. */
  elect(isTailKept: boolean): void {
    if (isTailKept) this.#commit([])
    else this.tail = []
    const stage = transactorStage({ leaderEpoch: this.reigns.length })
    stage.uptime = this.#uptime
    stage.random = this.reigns.length * 1_000_000
    this.reigns.push({ stage, writes: [], markers: [] })
    this.deliver(this.reigns.length - 1, { kind: 'started' })
  }

  deliver(index: number, message: Message): void {
    const reign = this.reigns[index]
    if (reign !== undefined)
      for (const effect of reign.stage.deliver(message, { node: 0, actor: 'coordinator' })) this.#onEffect(index, reign, effect)
  }

  ask(
    back: number,
    message: (correlationId: number) => MessageOf<'endTransaction' | 'addPartitionToTransaction' | 'initTransactions'>,
  ): void {
    const request = message(this.#nextId++)
    this.asked.set(request.correlationId, request)
    this.deliver(Math.max(0, this.reigns.length - 1 - back), request)
  }

  /** The oldest write of a reign gets its answer; that of a reign that is over is refused. */
  answerWrite(back: number, outcome: 'commit' | 'refuse' | 'doubt'): void {
    const index = Math.max(0, this.reigns.length - 1 - back)
    const write = this.reigns[index]?.writes.shift()
    if (write === undefined) return
    const isOver = index < this.reigns.length - 1
    if (!isOver && outcome === 'commit') this.#commit(recordsOf(write))
    if (!isOver && outcome === 'doubt') this.tail.push(...recordsOf(write))
    const error: ErrorName | null = isOver
      ? 'NOT_LEADER_OR_FOLLOWER'
      : outcome === 'commit'
        ? null
        : outcome === 'doubt'
          ? 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'
          : 'NOT_ENOUGH_REPLICAS'
    const errorCode = error === null ? 0 : codeOf(error)
    const about = { errorMessage: null, baseOffset: 0, logAppendTime: -1, logStartOffset: 0 }
    this.deliver(index, { kind: 'produceResponse', correlationId: write.correlationId, errorCode, ...about })
  }

  answerMarker(back: number): void {
    const index = Math.max(0, this.reigns.length - 1 - back)
    const marker = this.reigns[index]?.markers.shift()
    if (marker !== undefined)
      this.deliver(index, { kind: 'writeTransactionMarkerResponse', correlationId: marker.correlationId, errorCode: 0 })
  }

  pass(millis: number): void {
    this.#uptime += millis
    this.reigns.forEach(({ stage }, index) => {
      stage.uptime = this.#uptime
      for (const timer of ['load', 'retry', 'tick']) this.deliver(index, { kind: 'timerFired', timer })
    })
  }

  /** What comes before in the log is committed with it. */
  #commit(records: readonly StateRecord[]): void {
    for (const record of [...this.tail, ...records]) {
      this.committed.push(record)
      const next = decodeTransactionRecord(record.key, record.value)
      if (next === null || next.transactionalId === '' || next.transaction === 'unreadable' || next.transaction === null) continue
      const { transaction } = next
      if (transaction.state === 'prepareCommit' || transaction.state === 'prepareAbort') {
        const life = nameOf({ ...transaction, producerEpoch: transaction.producerEpoch - 1 })
        expect(this.decisions.has(life), `${life} has one end`).toBe(false)
        this.decisions.set(life, transaction.state === 'prepareCommit')
      }
      if (this.present?.producerId === transaction.producerId)
        expect(transaction.producerEpoch).toBeGreaterThanOrEqual(this.present.producerEpoch)
      if (this.present?.state === 'ongoing' && transaction.state !== 'ongoing')
        expect(transaction).toMatchObject({ state: expect.stringMatching('prepare') as string, partitions: this.present.partitions })
      this.present = transaction
    }
    this.tail = []
  }

  #onEffect(index: number, reign: Reign, effect: Effect): void {
    if (effect.kind !== 'send') return
    const { message } = effect
    switch (message.kind) {
      case 'produce':
        return void reign.writes.push(message)
      case 'fetch':
        return this.deliver(index, fetched(bytesOf(this.committed), this.committed.length, { correlationId: message.correlationId }))
      case 'metadata':
        return this.deliver(index, topicsAnswer({ orders: [0, 0, 0] }))
      case 'initProducerId':
        return this.deliver(index, {
          kind: 'initProducerIdResponse',
          correlationId: message.correlationId,
          errorCode: 0,
          producerId: this.#nextProducerId++,
          producerEpoch: 0,
        })
      case 'writeTransactionMarker':
        expect(this.decisions.get(nameOf({ ...message, producerEpoch: message.producerEpoch - 1 }))).toBe(message.committed)
        return void reign.markers.push(message)
      default:
        if ('correlationId' in message) this.#onAnswer(message, index === this.reigns.length - 1)
    }
  }

  #onAnswer(answer: Message & { readonly correlationId: number }, isPresent: boolean): void {
    const request = this.asked.get(answer.correlationId)
    if (request === undefined || !('errorCode' in answer) || answer.errorCode !== 0) return
    this.answers++
    if (answer.kind === 'initTransactionsResponse' || answer.kind === 'endTransactionResponse') this.lives.unshift(answer)
    if (request.kind === 'endTransaction') expect(this.decisions.get(nameOf(request)) ?? request.committed).toBe(request.committed)
    // One that was succeeded may say that a partition is there although its transaction has been ended since; its leader knows better by then.
    if (request.kind === 'addPartitionToTransaction' && isPresent) {
      expect(this.decisions.has(nameOf(request))).toBe(false)
      expect(this.present?.partitions.map(({ partition }) => partition)).toContain(request.partition)
    }
  }
}

const back = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.nat({ max: 2 }))
const life = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat({ max: 3 }))
const steps = fc.oneof(
  { weight: 1, arbitrary: fc.record({ what: fc.constant('elect' as const), isTailKept: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('init' as const), back }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('add' as const), back, life, partition: fc.nat({ max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('end' as const), back, life, committed: fc.boolean() }) },
  { weight: 12, arbitrary: fc.record({ what: fc.constant('write' as const), back, outcome: fc.constant('commit' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('write' as const), back, outcome: fc.constantFrom('refuse' as const, 'doubt' as const) }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('mark' as const), back }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('pass' as const), millis: fc.constantFrom(10, 250, 1500) }) },
)

test('an epoch has one end, and nobody is told anything else than what the log says', () => {
  let answers = 0
  let decisions = 0
  fc.assert(
    fc.property(fc.array(steps, { minLength: 20, maxLength: 150, size: 'max' }), (plan) => {
      const world = new World()
      world.elect(true)
      for (const step of plan) take(world, step)
      answers += world.answers
      decisions += world.decisions.size
    }),
    { numRuns: 1000 },
  )
  // It has really happened.
  expect(answers).toBeGreaterThan(2000)
  expect(decisions).toBeGreaterThan(400)
})

function take(world: World, step: typeof steps extends fc.Arbitrary<infer Step> ? Step : never): void {
  const transactionalId = 't'
  switch (step.what) {
    case 'elect':
      return world.elect(step.isTailKept)
    case 'init':
      return world.ask(step.back, (correlationId) => ({
        kind: 'initTransactions',
        correlationId,
        transactionalId,
        transactionTimeoutMillis: 1000,
        initId: correlationId,
        formerInitId: world.present?.latestInitId ?? -1,
      }))
    case 'add': {
      const { producerId, producerEpoch } = world.lives[step.life] ?? { producerId: 1, producerEpoch: 0 }
      const of = { producerId, producerEpoch, topic: 'orders', topicId: 5, partition: step.partition }
      return world.ask(step.back, (correlationId) => ({ kind: 'addPartitionToTransaction', correlationId, transactionalId, ...of }))
    }
    case 'end': {
      const { producerId, producerEpoch } = world.lives[step.life] ?? { producerId: 1, producerEpoch: 0 }
      const { committed } = step
      return world.ask(step.back, (correlationId) => ({
        kind: 'endTransaction',
        correlationId,
        transactionalId,
        producerId,
        producerEpoch,
        committed,
      }))
    }
    case 'write':
      return world.answerWrite(step.back, step.outcome)
    case 'mark':
      return world.answerMarker(step.back)
    case 'pass':
      return world.pass(step.millis)
  }
}

function nameOf({ producerId, producerEpoch }: Life): string {
  return `${producerId}/${producerEpoch}`
}

function recordsOf({ records }: MessageOf<'produce'>): StateRecord[] {
  return [...readRecords(records, 0)].map(({ key, value }) => ({ key, value }))
}

function bytesOf(records: readonly StateRecord[]): Uint8Array | null {
  if (records.length === 0) return null
  return appendRequest(openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 }), 1, records, 0).records
}
