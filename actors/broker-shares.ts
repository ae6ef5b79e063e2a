/**
 * Share groups are coordinated where their partition of `__share_group_state` is led, and only in that leader epoch: where it is led again, they begin anew from the
 * log.
 */
import { sharesActor } from '../protocol/address.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Outbox } from './actor.ts'
import { graceOf, noteFormerLeaders, noteOwnReign } from './broker-former.ts'
import { coordinatorNodesOf } from './broker-state.ts'
import type { BrokerState } from './broker-state.ts'
import { actor as shares } from './shares.ts'
import { TRUST_MILLIS } from './share-trust.ts'
import type { SharesConfig } from './shares-state.ts'

/** Starts and stops their coordinators, as the metadata says who leads. */
export function keepShares(state: BrokerState, topic: TopicImage, outbox: Outbox): void {
  const { topicId, partitions } = topic
  const { formerShareLeaders } = state
  noteFormerLeaders(state, formerShareLeaders, topic)
  partitions.forEach(({ leader, leaderEpoch }, partition) => {
    const known = state.shares.get(partition)
    const leads = leader === state.self.node && state.brokerEpoch >= 0
    if (known !== undefined && (!leads || known !== leaderEpoch)) {
      noteOwnReign(state, formerShareLeaders, partition, known)
      state.shares.delete(partition)
      outbox.push({ kind: 'stop', actor: sharesActor(partition) })
    }
    if (!leads || state.shares.has(partition)) return
    state.shares.set(partition, leaderEpoch)
    const { leaseUntil } = state
    const coordinatorNodes = coordinatorNodesOf(state)
    const trustMillis = Math.min(graceOf(state, formerShareLeaders, partition, leaderEpoch), TRUST_MILLIS)
    // Members outlive their coordinator; where nobody has led before there is none that was there before.
    const expectMillis = formerShareLeaders.has(partition) ? state.config.groupGraceMillis : 0
    const where = { partition, topicId, leaderEpoch, coordinatorNodes }
    const config: SharesConfig = { ...where, leaseUntil, trustMillis, expectMillis }
    outbox.push({ kind: 'spawn', actor: sharesActor(partition), url: shares.url, config })
  })
}
