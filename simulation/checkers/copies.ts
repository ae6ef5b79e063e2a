/**
 * A producer that asks for a number of copies (acks n) is told that it has them when so many of the replicas do, each as durable as the topic promises (ACK). Who had one once had it: a
 * node may lose it before the answer comes.
 */
import type { Effect } from '../../actors/effect.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Address } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { walkBatches } from '../../protocol/record-batch.ts'
import * as header from '../../protocol/record-batch.ts'
import type { Truth } from '../truth.ts'
import type { WatchedReplica } from './replicas.ts'

/** What a leader was asked for, by who asked and how it calls that. */
export type AskedCopies = Map<string, { readonly acks: number; readonly count: number }>

/** A replica of a partition has handled a message. */
export function checkCopies(truth: Truth, watched: WatchedReplica, { state, message, from, effects }: CopyStep): void {
  const { truth: partition, askedCopies: asked } = watched
  if (!truth.countsCopies || partition.isOver || state.phase === 'recovering') return
  const { node } = state.self
  const { leaderEpoch } = state.role
  const copy = copyName(node, leaderEpoch)
  const end = Math.min(state.log.logEndOffset, state.durableEndOffset)
  partition.copiedEnds.set(copy, Math.max(partition.copiedEnds.get(copy) ?? 0, end))
  if (message.kind === 'produce' && typeof message.acks === 'number')
    asked.set(nameOf(from, message.correlationId), { acks: message.acks, count: countOf(message.records) })
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.message.kind !== 'produceResponse' || effect.message.errorCode !== NONE) continue
    const { correlationId, baseOffset } = effect.message
    const wanted = asked.get(nameOf(effect.to, correlationId))
    if (wanted === undefined) continue
    const endOffset = baseOffset + wanted.count
    const holders = state.role.replicas.filter((replica) => (partition.copiedEnds.get(copyName(replica, leaderEpoch)) ?? 0) >= endOffset)
    if (holders.length < wanted.acks)
      truth.world.fail(
        'ACK',
        `${partition.name} acknowledges ${baseOffset} to ${endOffset - 1} with acks ${wanted.acks}, but ${holders.length} of its replicas have them`,
      )
  }
}

/** What a replica was told by whom, and what it is and does since. */
export interface CopyStep {
  readonly state: ReplicaState
  readonly message: Message
  readonly from: Address
  readonly effects: readonly Effect[]
}

function copyName(node: number, leaderEpoch: number): string {
  return `${node}/${leaderEpoch}`
}

function nameOf({ node, actor }: Address, correlationId: number): string {
  return `${node}/${actor}/${correlationId}`
}

function countOf(records: Uint8Array): number {
  return walkBatches(records).reduce((count, { at }) => count + header.lastOffsetDelta(records, at) + 1, 0)
}
