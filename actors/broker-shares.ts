/**
 * Share groups are coordinated where their partition of `__share_group_state` is led, and only in that leader epoch: where it is led again, they begin anew from the
 * log.
 */
import { sharesActor } from '../protocol/address.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Outbox } from './actor.ts'
import { coordinatorNodesOf } from './broker-state.ts'
import type { BrokerState } from './broker-state.ts'
import { actor as shares } from './shares.ts'
import type { SharesConfig } from './shares-state.ts'

/** Starts and stops their coordinators, as the metadata says who leads. */
export function keepShares(state: BrokerState, { topicId, partitions }: TopicImage, outbox: Outbox): void {
  partitions.forEach(({ leader, leaderEpoch }, partition) => {
    const known = state.shares.get(partition)
    const leads = leader === state.self.node && state.brokerEpoch >= 0
    if (known !== undefined && (!leads || known !== leaderEpoch)) {
      state.shares.delete(partition)
      outbox.push({ kind: 'stop', actor: sharesActor(partition) })
    }
    if (!leads || state.shares.has(partition)) return
    state.shares.set(partition, leaderEpoch)
    const { leaseUntil } = state
    const coordinatorNodes = coordinatorNodesOf(state)
    const config: SharesConfig = { partition, topicId, leaderEpoch, coordinatorNodes, leaseUntil }
    outbox.push({ kind: 'spawn', actor: sharesActor(partition), url: shares.url, config })
  })
}
