/**
 * Groups are coordinated where their partition of `__consumer_offsets` is led, and only in that leader epoch: where it is led again, they begin anew from the log. A
 * coordinator whose reign is over resigns before another one takes its place, so that nobody waits for answers that will never come.
 */
import { groupsActor } from '../protocol/address.ts'
import { OFFSETS_TOPIC } from '../coordinator/metadata.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Outbox } from './actor.ts'
import { graceOf, noteFormerLeaders, noteOwnReign } from './broker-former.ts'
import { coordinatorNodesOf } from './broker-state.ts'
import type { BrokerState } from './broker-state.ts'
import { actor as groups } from './groups.ts'
import type { GroupsConfig } from './groups-state.ts'

/** Starts coordinators of groups and has them resign, as the metadata says who leads. */
export function followOffsetsTopic(state: BrokerState, topic: TopicImage, outbox: Outbox): void {
  noteFormerLeaders(state, state.formerLeaders, topic)
  keepGroups(state, topic, outbox)
}

/** A coordinator of groups has nothing to say any more, or is not there: another one may take its place. Says whether it was asked. */
export function onResigned(state: BrokerState, correlationId: number, outbox: Outbox): boolean {
  for (const [partition, asked] of state.resigning) {
    if (asked.correlationId !== correlationId) continue
    state.resigning.delete(partition)
    outbox.push({ kind: 'stop', actor: groupsActor(partition) })
    const topic = state.image.topics.get(OFFSETS_TOPIC)
    if (topic !== undefined) keepGroups(state, topic, outbox)
    return true
  }
  return false
}

/** Whoever has not answered is asked again. */
export function askAllToResign(state: BrokerState, outbox: Outbox): void {
  for (const partition of state.resigning.keys()) askToResign(state, partition, outbox)
}

function askToResign({ self, resigning }: BrokerState, partition: number, outbox: Outbox): void {
  const asked = resigning.get(partition)
  if (asked === undefined) return
  outbox.push({ kind: 'send', to: { node: self.node, actor: groupsActor(partition) }, message: { kind: 'resign', ...asked } })
}

function keepGroups(state: BrokerState, topic: TopicImage, outbox: Outbox): void {
  const { formerLeaders } = state
  topic.partitions.forEach(({ leader, leaderEpoch }, partition) => {
    const known = state.groups.get(partition)
    const leads = leader === state.self.node && state.brokerEpoch >= 0
    if (known !== undefined && (!leads || known !== leaderEpoch)) {
      noteOwnReign(state, formerLeaders, partition, known)
      state.groups.delete(partition)
      state.resigning.set(partition, { correlationId: state.nextToken++, leaderEpoch: known })
      askToResign(state, partition, outbox)
    }
    if (!leads || state.groups.has(partition) || state.resigning.has(partition)) return
    state.groups.set(partition, leaderEpoch)
    const config = configOf(state, topic, partition, leaderEpoch)
    outbox.push({ kind: 'spawn', actor: groupsActor(partition), url: groups.url, config })
  })
}

function configOf(state: BrokerState, { topicId }: TopicImage, partition: number, leaderEpoch: number): GroupsConfig {
  const { config, leaseUntil, formerLeaders } = state
  const { groupGraceMillis, offsetsRetentionMillis } = config
  const graceMillis = graceOf(state, formerLeaders, partition, leaderEpoch)
  // Where nobody has led before, no client that was there before is alive.
  const expectMillis = formerLeaders.has(partition) ? groupGraceMillis : graceMillis
  const where = { partition, topicId, leaderEpoch, coordinatorNodes: coordinatorNodesOf(state) }
  return { ...where, graceMillis, expectMillis, offsetsRetentionMillis, leaseUntil }
}
