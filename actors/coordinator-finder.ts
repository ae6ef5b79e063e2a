/**
 * Where the active coordinator is, as far as somebody knows who needs it: the one that answered last, the one that another one names, or the next of
 * the voters when nobody answers.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'

/** What is known of the coordinator's place. */
export interface CoordinatorFinder {
  /** The nodes that have a coordinator. */
  readonly nodes: readonly number[]
  /** The one to ask. */
  current: number
}

/** Begins with the first. */
export function newCoordinatorFinder(nodes: readonly number[]): CoordinatorFinder {
  return { nodes, current: nodes[0] ?? 0 }
}

/** Whom to ask. */
export function coordinatorOf({ current }: CoordinatorFinder): Address {
  return { node: current, actor: COORDINATOR_ACTOR }
}

/** One that does not lead has answered, and names the one that does (-1 if it does not know). */
export function followController(finder: CoordinatorFinder, from: number, controller: number): void {
  // A late answer says nothing of the one that is asked now.
  if (from !== finder.current) return
  if (controller >= 0) finder.current = controller
  else nextCoordinator(finder)
}

/** The one that was asked is silent: the next. */
export function nextCoordinator(finder: CoordinatorFinder): void {
  const { nodes, current } = finder
  finder.current = nodes[(nodes.indexOf(current) + 1) % nodes.length] ?? current
}

/** A node is dead, or has no such actor. Says whether it was the one to ask. */
export function avoidCoordinator(finder: CoordinatorFinder, node: number): boolean {
  if (node !== finder.current) return false
  nextCoordinator(finder)
  return true
}
