/**
 * Commands that any model run can have: nodes die, and time goes by. They change nothing of a model, for nothing of what is promised depends on them.
 */
import type * as FastCheck from 'fast-check'
import type { FastCheckApi } from '../arbitraries.ts'
import type { ScenarioContext } from '../scenario.ts'
import { command } from './command.ts'

/** What befalls a cluster between the other commands. */
export interface MishapOptions {
  /** Nodes of the cluster. Default 3; 0: none of them dies. */
  readonly nodes?: number
  /** How long time goes by at once, at most. Default 4,000 virtual milliseconds. */
  readonly waitMillis?: number
}

const NODES = 3
const WAIT_MILLIS = 4000

/** A node is killed, a node loses power, time goes by. */
export function mishapCommands<Model extends object, Real extends { readonly context: ScenarioContext }>(
  fc: FastCheckApi,
  { nodes = NODES, waitMillis = WAIT_MILLIS }: MishapOptions,
): FastCheck.Arbitrary<FastCheck.AsyncCommand<Model, Real>>[] {
  const kill = (node: number): FastCheck.AsyncCommand<Model, Real> =>
    command(`kill(node ${node})`, async (_, { context }) => context.faults.kill(node))
  const powerLoss = (node: number): FastCheck.AsyncCommand<Model, Real> =>
    command(`powerLoss(node ${node})`, async (_, { context }) => context.faults.powerLoss(node))
  const wait = (millis: number): FastCheck.AsyncCommand<Model, Real> =>
    command(`wait(${millis} ms)`, (_, { context }) => context.clock.sleep(millis))
  const deaths = nodes === 0 ? [] : [fc.nat(nodes - 1).map(kill), fc.nat(nodes - 1).map(powerLoss)]
  return [...deaths, fc.integer({ min: 1, max: waitMillis }).map(wait)]
}
