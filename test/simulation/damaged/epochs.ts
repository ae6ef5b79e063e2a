// Those of the past, who are heard although they should not be.

import type { CoordinatorState } from '../../../actors/coordinator.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { GroupsState } from '../../../actors/groups-state.ts'
import type { TransactorState } from '../../../actors/transactor-state.ts'
import type { ReplicaState } from '../../../partitions/replica-state.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import {
  checkGroupEpochs,
  checkIsrEpochs,
  checkProducerIds,
  checkReplicaEpochs,
  newHeardEpochs,
} from '../../../simulation/checkers/epochs.ts'
import { checkHeard, watchCoordinator } from '../../../simulation/checkers/quorum.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

const CLIENT = { node: -1, actor: 'client' }

const fence = (what: string, play: (scene: Scene, isDamaged: boolean) => void): Damaged => inScene('FENCE', what, play)

function answers(kind: string, errorCode: number, node = -1): Effect[] {
  return [{ kind: 'send', to: { ...CLIENT, node }, message: { kind, correlationId: 1, errorCode } as unknown as Message }]
}

/** A leader in epoch 3, with replicas on nodes 0 and 1, is asked for something after something else. */
function leader(what: string, topic: string, messages: readonly object[], error: number): Damaged {
  return fence(what, ({ truth }, isDamaged) => {
    const heard = newHeardEpochs()
    const state = { phase: 'leading', topic, partition: 0, role: { leaderEpoch: 3, replicas: [0, 1] } } as unknown as ReplicaState
    messages.forEach((message, i) => {
      const errorCode = isDamaged || i < messages.length - 1 ? 0 : error
      const asked = { correlationId: 1, ...message } as Message
      const written: Effect[] = errorCode === 0 ? [{ kind: 'append' } as Effect] : answers(`${asked.kind}Response`, errorCode)
      checkReplicaEpochs(truth.world, heard, state, asked, written)
    })
  })
}

const fetch = (leaderEpoch: number, replicaId: number, brokerEpoch: number): object => ({
  kind: 'fetch',
  leaderEpoch,
  replicaId,
  brokerEpoch,
})
const marker = (coordinatorEpoch: number): object => ({ kind: 'writeTransactionMarker', producerId: 7, coordinatorEpoch })

/** A group with one member, in the generation, or epoch, 5. */
function group({ truth }: Scene, protocol: 'classic' | 'membership', message: object, effects: readonly Effect[]): void {
  const members = new Map([['m', { epoch: 5 }]])
  const one = { classic: null, membership: null, [protocol]: { members, generationId: 5 } }
  const state = { groups: new Map([['g', one]]) } as unknown as GroupsState
  checkGroupEpochs(truth.world, state, { correlationId: 1, group: 'g', memberId: 'm', ...message } as Message, effects)
}

/** The leader of a partition, in its life 20 by now, proposes an ISR with node 1, which is in its life 12. */
function proposal({ truth }: Scene, brokerEpoch: number): void {
  const brokers = new Map([
    [0, { brokerEpoch: 20 }],
    [1, { brokerEpoch: 12 }],
  ])
  const isr = [
    { node: 0, brokerEpoch: 10 },
    { node: 1, brokerEpoch },
  ]
  const state = { seat: { isActive: true, image: { brokers } } } as unknown as CoordinatorState
  const asked = { kind: 'alterPartition', correlationId: 1, node: 0, isr } as unknown as Message
  checkIsrEpochs(truth.world, newHeardEpochs(), state, asked, answers('alterPartitionResponse', 0, 0))
}

/** One of three voters leads for three seconds, and looks at its clock; node 1 says something, or nothing. */
function coordinator({ truth: { world } }: Scene, isSilent: boolean): void {
  const watched = watchCoordinator()
  const quorum = { log: { voterSets: [{ endOffset: 0, voters: [0, 1, 2] }] } }
  const state = { self: { node: 0 }, seat: { isActive: true, quorum } } as unknown as CoordinatorState
  for (let look = 0; look < 60; look++) {
    world.runUntil(look * 50_000)
    const timer = { kind: 'timerFired', timer: 'quorum' } as Message
    checkHeard(world, watched, state, timer, { ...CLIENT, node: 0 })
    if (!isSilent) checkHeard(world, watched, state, { kind: 'quorumAppendResponse' } as Message, { ...CLIENT, node: 1 })
    watched.wasActive = true
  }
}

/** Two transactional ids, and the producers that they have. */
function producers({ truth }: Scene, ...producerIds: readonly number[]): void {
  const ids = new Map(producerIds.map((producerId, i) => [`t${i}`, { id: `t${i}`, transaction: { producerId, nextProducerId: -1 } }]))
  checkProducerIds(truth, { ids } as unknown as TransactorState, { kind: 'produceResponse' } as Message)
}

/** What those of the past ask for. */
export const damagedEpochs: readonly Damaged[] = [
  leader('a follower of the leader epoch before is served', 'orders', [fetch(2, 1, 12)], 74),
  leader('a follower of the next leader epoch is served', 'orders', [fetch(4, 1, 12)], 76),
  leader('a node without a replica is served', 'orders', [fetch(3, 2, 12)], 9),
  leader('a former life of a node is served', 'orders', [fetch(3, 1, 12), fetch(3, 1, 11)], 6),
  leader('a coordinator of another reign writes', '__transaction_state', [{ kind: 'produce', leaderEpoch: -1 }], 74),
  leader('a former transactor ends a transaction', 'orders', [marker(2), marker(1)], 52),
  ...(['heartbeat', 'syncGroup'] as const).map((kind) =>
    fence(`${kind} of another generation is taken`, (scene, isDamaged) =>
      group(scene, 'classic', { kind, generationId: 4 }, answers(`${kind}Response`, isDamaged ? 0 : 22)),
    ),
  ),
  fence('a commit of another epoch is written', (scene, isDamaged) =>
    group(
      scene,
      'membership',
      { kind: 'offsetCommit', memberEpoch: 4 },
      isDamaged ? answers('produce', 0) : answers('offsetCommitResponse', 113),
    ),
  ),
  fence('offsets of another epoch are taken into a transaction', (scene, isDamaged) =>
    group(
      scene,
      'membership',
      { kind: 'transactionalOffsetCommit', member: { memberId: 'm', memberEpoch: isDamaged ? 4 : 5 } },
      answers('produce', 0),
    ),
  ),
  fence('an ISR is accepted with a former life of a node', (scene, isDamaged) => proposal(scene, isDamaged ? 11 : 12)),
  fence('a coordinator goes on to lead that hears no majority', (scene, isDamaged) => coordinator(scene, isDamaged)),
  fence('two transactional ids have one producer', (scene, isDamaged) => producers(scene, 7, isDamaged ? 7 : 8)),
]
