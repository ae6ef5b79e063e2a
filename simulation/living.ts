/** What nodes really are and have, for those who look at who is counted on. */
import type { BrokerState } from '../actors/broker-state.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import { BROKER_ACTOR, replicaActor } from '../protocol/address.ts'
import { newCountedOn } from './checkers/counted-on.ts'
import type { Copies, CountedOn } from './checkers/counted-on.ts'
import type { SimulatedNode } from './cluster.ts'
import type { Truth } from './truth.ts'

/** Who is counted on among the nodes of a run; `powerlessEpochs`: the broker epoch in which each was registered last when it lost power, and something that was not synced; `noteAlone` hears of nodes that are the last in sync somewhere. */
export function countedAmong(
  truth: Truth,
  nodes: readonly SimulatedNode[],
  powerlessEpochs: ReadonlyMap<number, number>,
  noteAlone: Copies['noteAlone'],
): CountedOn {
  const stateOf = (node: number, actor: string): unknown => nodes[node]?.host.stateOf(actor)
  return newCountedOn(truth, {
    epochOf: (node) => (stateOf(node, BROKER_ACTOR) as BrokerState | undefined)?.brokerEpoch ?? -1,
    lostPowerIn: (node) => powerlessEpochs.get(node),
    replicaOf: (node, topic, partition) => stateOf(node, replicaActor(topic, partition)) as ReplicaState | undefined,
    noteAlone,
  })
}
