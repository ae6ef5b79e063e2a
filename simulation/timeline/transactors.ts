/**
 * What transactors decide, seen in their states.
 */
import type { TransactorState } from '../../actors/transactor-state.ts'
import type { Address } from '../../protocol/address.ts'
import type { Decision } from './model.ts'

/** What a transactor that is in charge knows of each transactional id; nothing, if the actor is not one. */
export function decisionsOf(at: number, { node, actor }: Address, state: unknown): Decision[] {
  if (!actor.startsWith('transactor/')) return []
  const { phase, ids } = state as TransactorState
  if (phase !== 'active') return []
  return [...ids.values()].flatMap(({ id, transaction }) =>
    transaction === null ? [] : [{ at, transactionalId: id, node, state: transaction.state, producerEpoch: transaction.producerEpoch }],
  )
}
