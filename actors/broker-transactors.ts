/**
 * Transactors live where their partition of `__transaction_state` is led, and only in that leader epoch: where it is led again, they begin anew from the log.
 */
import { transactorActor } from '../protocol/address.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Outbox } from './actor.ts'
import { coordinatorNodesOf } from './broker-state.ts'
import type { BrokerState } from './broker-state.ts'
import { actor as transactor } from './transactor.ts'
import type { TransactorConfig } from './transactor-state.ts'

/** Starts and stops them, as the metadata says who leads. */
export function keepTransactors(state: BrokerState, { topicId, partitions }: TopicImage, outbox: Outbox): void {
  partitions.forEach(({ leader, leaderEpoch }, partition) => {
    const known = state.transactors.get(partition)
    const leads = leader === state.self.node && state.brokerEpoch >= 0
    if (known !== undefined && (!leads || known !== leaderEpoch)) {
      state.transactors.delete(partition)
      outbox.push({ kind: 'stop', actor: transactorActor(partition) })
    }
    if (!leads || state.transactors.has(partition)) return
    state.transactors.set(partition, leaderEpoch)
    const { leaseUntil } = state
    const coordinatorNodes = coordinatorNodesOf(state)
    const config: TransactorConfig = { partition, topicId, leaderEpoch, coordinatorNodes, leaseUntil }
    outbox.push({ kind: 'spawn', actor: transactorActor(partition), url: transactor.url, config })
  })
}
