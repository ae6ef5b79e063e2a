/**
 * Where the active coordinator is, as far as somebody knows who needs it: the one that answered last, the one that another one names, or the next of
 * the voters when nobody answers.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { Address } from '../protocol/address.ts'
import type { MetadataResponse } from '../protocol/messages/metadata.ts'

/** What is known of the coordinator's place. */
export interface CoordinatorFinder {
  /** The nodes that have a coordinator, as far as is known. */
  nodes: readonly number[]
  /** The one to ask. */
  current: number
  /** One that has just died is passed over once: a node that starts again takes what it is asked, and answers when it has read its disk. -1: none. */
  gone: number
  /** Where it began, or who votes by the last news: asked again when all that are known are silent, for they may all have been replaced (KIP-899). */
  bootstrap: readonly number[]
  /** So many were asked in vain since one said where they are. */
  silentCount: number
}

/** Who is led so often in a row to a node that is not there asks the next one: whoever names it is of the past, a voter that was taken away and has not heard of it. */
const MISLED_MAX = 2

/** Begins with the first. */
export function newCoordinatorFinder(nodes: readonly number[]): CoordinatorFinder {
  return { nodes, current: nodes[0] ?? 0, gone: -1, bootstrap: nodes, silentCount: 0 }
}

/** Whom to ask. */
export function coordinatorOf({ current }: CoordinatorFinder): Address {
  return { node: current, actor: COORDINATOR_ACTOR }
}

/** One that does not lead has answered, and names the one that does (-1 if it does not know). */
export function followController(finder: CoordinatorFinder, from: number, controller: number): void {
  // A late answer says nothing of the one that is asked now.
  if (from !== finder.current) return
  const isMisled = controller === finder.gone && finder.silentCount >= MISLED_MAX
  if (controller >= 0 && !isMisled) finder.current = controller
  else nextCoordinator(finder)
}

/** A coordinator has answered. One that leads knows where they are by now; after one that does not, which says no more than it knows, the next is asked. */
export function learnFrom(finder: CoordinatorFinder, { controller, voters }: Pick<MetadataResponse, 'controller' | 'voters'>): void {
  if (controller >= 0) learnCoordinators(finder, voters)
  else nextCoordinator(finder)
}

function learnCoordinators(finder: CoordinatorFinder, nodes: readonly number[]): void {
  if (nodes.length === 0) return
  finder.nodes = nodes
  finder.silentCount = 0
}

/** Other nodes vote: that is certain, whoever said what before. */
export function replaceCoordinators(finder: CoordinatorFinder, nodes: readonly number[]): void {
  if (nodes.length === 0) return
  finder.bootstrap = nodes
  learnCoordinators(finder, nodes)
  if (!nodes.includes(finder.current)) finder.current = nodes[0] ?? finder.current
}

/** The one that was asked is silent: the next. */
export function nextCoordinator(finder: CoordinatorFinder): void {
  if (++finder.silentCount > finder.nodes.length) Object.assign(finder, { nodes: finder.bootstrap, silentCount: 0 })
  const { nodes, current, gone } = finder
  const behind = (node: number): number => nodes[(nodes.indexOf(node) + 1) % nodes.length] ?? node
  finder.current = behind(current)
  if (finder.current !== gone) return
  finder.current = behind(gone)
  finder.gone = -1
}

/** A node is dead, or has no such actor. Says whether it was the one to ask. */
export function avoidCoordinator(finder: CoordinatorFinder, node: number): boolean {
  if (finder.nodes.includes(node)) finder.gone = node
  if (node !== finder.current) return false
  nextCoordinator(finder)
  finder.gone = node
  return true
}
