// Transactional ids as an administrator sees them, kept by transactors on real threads; and what is refused because a transactor cannot say what is open.

import { expect, onTestFinished, test } from 'vitest'
import { openRequests } from '../../../edge/client/requests.ts'
import type { Requests } from '../../../edge/client/requests.ts'
import { abortTransaction, findHangingTransactions } from '../../../edge/client/transaction-admin.ts'
import { COORDINATOR_ACTOR, replicaActor, transactorActor } from '../../../protocol/address.ts'
import { codeOf, NONE } from '../../../protocol/errors.ts'
import type { ErrorName } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import type { TransactionDescription } from '../../../protocol/messages/transaction.ts'
import { CallerLoop } from '../../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../../runtime/doorbell.ts'
import { ThreadRuntime } from '../../../runtime/thread-runtime.ts'
import { topicsAnswer } from '../../actors/metadata.ts'
import { openCluster } from './support.ts'

test('none are there before somebody has used one', async () => {
  const { admin } = await openCluster()
  expect(await admin.listTransactions()).toEqual([])
})

/** What two transactors say, and what the leader of `t-0`, where one transaction is open, has been asked. */
interface Scene {
  readonly requests: Requests
  readonly asked: Message[]
  transactions: Partial<TransactionDescription>[]
  refusal: ErrorName | null
  /** What becomes of the marker. */
  outcome: ErrorName | null
}

const OPEN = { topic: 't', partition: 0, startOffset: 4 }

function scene(timeoutMillis = 10_000): Scene {
  const nodes = [{ node: 0, directory: null, actors: [] }]
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes, preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const host = runtime.host(0)
  const requests = openRequests({ host, loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0], timeoutMillis)
  const all: Scene = { requests, asked: [], transactions: [], refusal: null, outcome: null }
  const answer = (actor: string, respond: (message: Message, correlationId: number) => Message): void => {
    const self = host.openPort(actor, (message) => {
      if ('correlationId' in message) host.post({ node: 0, actor: 'requests' }, self, respond(message, message.correlationId))
      runtime.bell.ring()
    })
  }
  const topics = { t: [0], __transaction_state: [0, 0] }
  answer(COORDINATOR_ACTOR, (message, correlationId) => {
    const wanted = message.kind === 'metadata' && message.topics !== null ? message.topics : Object.keys(topics)
    return { ...topicsAnswer(Object.fromEntries(wanted.map((name) => [name, topics[name as keyof typeof topics]]))), correlationId }
  })
  answer(transactorActor(0), (_, correlationId) => ({ kind: 'listTransactionsResponse', correlationId, errorCode: NONE, transactions: [] }))
  answer(transactorActor(1), (_, correlationId) => {
    const errorCode = all.refusal === null ? NONE : codeOf(all.refusal)
    const transactions = all.refusal === null ? all.transactions.map((one) => ({ ...TRANSACTION, ...one })) : []
    return { kind: 'listTransactionsResponse', correlationId, errorCode, transactions }
  })
  answer(replicaActor('t', 0), (message, correlationId) => {
    all.asked.push(message)
    const errorCode = all.outcome === null ? NONE : codeOf(all.outcome)
    if (message.kind === 'writeTransactionMarker') return { kind: 'writeTransactionMarkerResponse', correlationId, errorCode }
    return { kind: 'describeProducersResponse', correlationId, errorCode: NONE, producers: [PRODUCER] }
  })
  onTestFinished(async () => {
    requests.close()
    await loop.close()
    await runtime.close()
  })
  return all
}

const PRODUCER = {
  producerId: 7,
  producerEpoch: 2,
  lastSequence: 0,
  lastTimestamp: 5,
  coordinatorEpoch: 3,
  currentTransactionStartOffset: 4,
}

const TRANSACTION: TransactionDescription = {
  transactionalId: 'x',
  state: 'ongoing',
  producerId: 7,
  producerEpoch: 2,
  timeoutMillis: 1000,
  openMillis: 5,
  partitions: [],
}

function markers({ asked }: Scene): Message[] {
  return asked.filter(({ kind }) => kind === 'writeTransactionMarker')
}

test.each([
  ['it cannot be asked', 'COORDINATOR_LOAD_IN_PROGRESS', 'REQUEST_TIMED_OUT', 'no answer to listTransactions within 500 ms'],
  ['it does not understand what it has read', 'UNSUPPORTED_VERSION', 'UNSUPPORTED_VERSION', expect.any(String)],
] as const)('nothing is said to hang, and nothing is aborted, while one transactor may have it: %s', async (_, refusal, name, message) => {
  const all = scene(500)
  all.refusal = refusal
  await expect(findHangingTransactions(all.requests, 't')).rejects.toMatchObject({ name, message })
  await expect(abortTransaction(all.requests, OPEN)).rejects.toMatchObject({ name, message })
  expect(markers(all)).toEqual([])
})

test.each([[{ state: 'ongoing' }], [{ state: 'prepareCommit', producerEpoch: 3 }], [{ state: 'prepareAbort', producerEpoch: 3 }]] as const)(
  'nothing is aborted that a transactor has open, or is ending: %o',
  async (transaction) => {
    const all = scene()
    all.transactions = [transaction]
    expect(await findHangingTransactions(all.requests, 't')).toEqual([])
    await expect(abortTransaction(all.requests, OPEN)).rejects.toMatchObject({ name: 'CONCURRENT_TRANSACTIONS' })
    expect(markers(all)).toEqual([])
  },
)

test('what its transactor has ended, or another transaction of that producer, does not keep it open', async () => {
  const all = scene()
  all.transactions = [
    { transactionalId: 'ended', state: 'completeCommit', producerEpoch: 3 },
    { transactionalId: 'former', producerEpoch: 1 },
    { transactionalId: 'later', producerEpoch: 3 },
    { transactionalId: 'other', producerId: 8 },
  ]
  expect(await findHangingTransactions(all.requests, 't')).toEqual([{ ...OPEN, producerId: 7, producerEpoch: 2 }])
  await abortTransaction(all.requests, OPEN)
  expect(markers(all)).toMatchObject([{ producerId: 7, producerEpoch: 3, committed: false, coordinatorEpoch: 3, startOffset: 4 }])
})

test('one that has ended between the question and the marker is said to have', async () => {
  const all = scene()
  all.outcome = 'INVALID_TXN_STATE'
  const message = 'the transaction at 4 of t-0 has ended meanwhile'
  await expect(abortTransaction(all.requests, OPEN)).rejects.toMatchObject({ name: 'INVALID_TXN_STATE', message })
  all.outcome = 'NOT_ENOUGH_REPLICAS'
  await expect(abortTransaction(all.requests, OPEN)).rejects.toMatchObject({ name: 'NOT_ENOUGH_REPLICAS' })
})
