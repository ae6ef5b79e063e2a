/**
 * Who is of the past changes nothing. FENCE: what is asked in another epoch than the present one, or by who is none any more, is refused: a fetch of another leader epoch (KIP-320), of a
 * replica that is not assigned, or of a former life of its node (KIP-903); what the coordinator of another reign writes; the marker of a former transactor; what a member of another generation or epoch
 * asks; an ISR with a former life of a node. And no two transactional ids have the same producer id, whatever comes twice.
 */
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { Effect } from '../../actors/effect.ts'
import type { Group, GroupsState } from '../../actors/groups-state.ts'
import { speaksClassic } from '../../actors/groups-state.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import { currentLife } from '../../coordinator/transactions/transaction-state.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { Truth } from '../truth.ts'
import type { World } from '../world.ts'

/** Whom an actor has heard of in one reign, so that those before them are of the past. */
export interface HeardEpochs {
  leaderEpoch: number
  /** By node: the newest life whose fetch has counted. */
  readonly brokers: Map<number, number>
  /** By producer id: the newest transactor whose marker has counted. */
  readonly transactors: Map<number, number>
  /** Proposals to the coordinator that must not be accepted, by node and correlation id. */
  readonly doomed: Set<string>
}

/** Nobody yet. */
export function newHeardEpochs(): HeardEpochs {
  return { leaderEpoch: -1, brokers: new Map(), transactors: new Map(), doomed: new Set() }
}

/** A replica has handled a message. */
export function checkReplicaEpochs(
  world: World,
  heard: HeardEpochs,
  state: ReplicaState,
  message: Message,
  effects: readonly Effect[],
): void {
  const { phase, role, topic } = state
  if (phase !== 'leading') return
  if (heard.leaderEpoch !== role.leaderEpoch) Object.assign(heard, newHeardEpochs(), { leaderEpoch: role.leaderEpoch })
  if (message.kind !== 'fetch' && message.kind !== 'produce' && message.kind !== 'writeTransactionMarker') return
  if (isRefused(message, effects)) return
  // One that is there already, whoever says so, is not written again.
  if (message.kind === 'writeTransactionMarker' && !effects.some(({ kind }) => kind === 'append')) return
  const objection = objectionTo(heard, state, message)
  if (objection !== null) world.fail('FENCE', `${topic}-${state.partition} takes ${message.kind} of ${objection}`)
}

function objectionTo(
  { brokers, transactors }: HeardEpochs,
  { role, topic }: ReplicaState,
  message: MessageOf<'fetch' | 'produce' | 'writeTransactionMarker'>,
): string | null {
  switch (message.kind) {
    case 'fetch': {
      const { leaderEpoch, replicaId, brokerEpoch } = message
      if (leaderEpoch >= 0 && leaderEpoch !== role.leaderEpoch) return `leader epoch ${leaderEpoch}, and it is ${role.leaderEpoch}`
      if (replicaId < 0) return null
      if (!role.replicas.includes(replicaId)) return `node ${replicaId}, which has no replica`
      return isOfThePast(brokers, replicaId, brokerEpoch) ? `a former life of node ${replicaId}` : null
    }
    case 'produce':
      return topic.startsWith('__') && message.leaderEpoch !== role.leaderEpoch ? `a coordinator of reign ${message.leaderEpoch}` : null
    default: {
      // An administrator ends what no transactor knows.
      if (message.startOffset !== undefined) return null
      return isOfThePast(transactors, message.producerId, message.coordinatorEpoch) ? `a former transactor of ${message.producerId}` : null
    }
  }
}

/** Whether somebody newer was heard before; who is newest is remembered. */
function isOfThePast(newest: Map<number, number>, who: number, epoch: number): boolean {
  const known = newest.get(who) ?? -Infinity
  if (epoch > known) newest.set(who, epoch)
  return epoch < known
}

/** The coordinator of groups has handled a message. */
export function checkGroupEpochs(world: World, { groups }: GroupsState, message: Message, effects: readonly Effect[]): void {
  const asking = askingOf(message)
  if (asking === null || !isTaken(message, effects)) return
  const group = groups.get(asking.group)
  const epoch = group === undefined ? -1 : epochOf(group, asking.memberId)
  if (epoch !== asking.epoch)
    world.fail('FENCE', `${asking.group} takes ${message.kind} of ${asking.memberId} in ${asking.epoch}, and its epoch is ${epoch}`)
}

interface AskingMember {
  readonly group: string
  readonly memberId: string
  readonly epoch: number
}

/** Who asks as a member that has joined; null: nobody. */
function askingOf(message: Message): AskingMember | null {
  switch (message.kind) {
    case 'heartbeat':
    case 'syncGroup':
      return { ...message, epoch: message.generationId }
    case 'offsetCommit':
      return message.memberEpoch < 0 ? null : { ...message, epoch: message.memberEpoch }
    case 'transactionalOffsetCommit': {
      const { group, member } = message
      return member === null ? null : { group, memberId: member.memberId, epoch: member.memberEpoch }
    }
    default:
      return null
  }
}

/** The epoch, or generation, of a member; -1: it is none. */
function epochOf(group: Group, memberId: string): number {
  if (group.classic !== null && speaksClassic(group)) return group.classic.members.has(memberId) ? group.classic.generationId : -1
  return group.membership?.members.get(memberId)?.epoch ?? -1
}

/** The coordinator of the cluster has handled a message. */
export function checkIsrEpochs(
  world: World,
  { doomed }: HeardEpochs,
  { seat: { isActive, image } }: CoordinatorState,
  message: Message,
  effects: readonly Effect[],
): void {
  if (message.kind === 'alterPartition' && isActive && hasFormerLife(image, message)) doomed.add(`${message.node}/${message.correlationId}`)
  if (doomed.size === 0) return
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'alterPartitionResponse') continue
    const isDoomed = doomed.delete(`${effect.to.node}/${effect.message.correlationId}`)
    if (isDoomed && effect.message.errorCode === NONE) world.fail('FENCE', 'an ISR is accepted in which a node is in a former life')
  }
}

/** Of who was in sync already the leader need not know the life (-1), nor of itself. */
function hasFormerLife({ brokers }: MetadataImage, { node: leader, isr }: MessageOf<'alterPartition'>): boolean {
  const isFormer = (node: number, brokerEpoch: number): boolean => brokerEpoch >= 0 && brokerEpoch < (brokers.get(node)?.brokerEpoch ?? -1)
  return isr?.some(({ node, brokerEpoch }) => node !== leader && isFormer(node, brokerEpoch)) ?? false
}

/** A transactor has handled a message. */
export function checkProducerIds({ world, transactions }: Truth, { ids }: TransactorState, message: Message): void {
  if (message.kind !== 'produceResponse') return
  for (const { id, transaction } of ids.values()) {
    if (transaction === null) continue
    const { producerId } = currentLife(transaction)
    const other = transactions.producers.get(producerId) ?? id
    if (other !== id) world.fail('FENCE', `${id} and ${other} are both producer ${producerId}`)
    transactions.producers.set(producerId, id)
  }
}

/** Whether what was asked is answered at once with an error, or without one; undefined: it is not answered. */
function errorTo(message: Message, effects: readonly Effect[]): number | undefined {
  for (const effect of effects) {
    if (effect.kind !== 'send' || !('errorCode' in effect.message) || !('correlationId' in effect.message)) continue
    if ('correlationId' in message && effect.message.correlationId === message.correlationId) return effect.message.errorCode
  }
  return undefined
}

/** What waits is taken, too. */
function isRefused(message: Message, effects: readonly Effect[]): boolean {
  return (errorTo(message, effects) ?? NONE) !== NONE
}

/** It is answered, or what follows is written. What comes twice is not answered, and nothing follows. */
function isTaken(message: Message, effects: readonly Effect[]): boolean {
  return errorTo(message, effects) === NONE || effects.some((effect) => effect.kind === 'send' && effect.message.kind === 'produce')
}
