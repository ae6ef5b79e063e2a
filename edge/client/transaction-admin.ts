/**
 * Administration of transactions: which transactional ids there are, and what is open. Each partition of `__transaction_state` is asked where it is led.
 */
import { transactorActor } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import type { TransactionDescription } from '../../protocol/messages/transaction.ts'
import type { Requests } from './requests.ts'

const TRANSACTIONS_TOPIC = '__transaction_state'

/** All transactional ids that transactors know, sorted; none before somebody has used one. */
export async function listTransactions(requests: Requests): Promise<TransactionDescription[]> {
  const { topics } = await requests.askCoordinator({ kind: 'metadata', topics: [TRANSACTIONS_TOPIC] }, 'metadataResponse')
  const topic = topics[0]
  if (topic === undefined || topic.errorCode !== NONE) return []
  const asked = { kind: 'listTransactions' } as const
  const lists = await Promise.all(
    topic.partitions.map(({ partition }) =>
      requests.askLeader(topic, partition, asked, 'listTransactionsResponse', transactorActor(partition)),
    ),
  )
  const all = lists.flatMap(({ transactions }) => transactions)
  return all.toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
}
