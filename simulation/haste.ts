/**
 * Operators in haste: a node is told to stop when it has hardly begun, before it knows what the cluster looks like; or again, because the answer takes too long, also when it has come. The process ends then, and the next life
 * loses power before it has written down who it is, perhaps.
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import { BROKER_LOG } from '../actors/broker-registration.ts'
import type { Cluster } from './cluster.ts'
import type { DiskStage, DiskStep } from './disk.ts'
import { deathAt, PATIENCE_MICROS } from './last-steps.ts'
import type { LastSteps } from './last-steps.ts'
import { again } from './again.ts'
import { Random } from './random.ts'

/** Between two strikes, on average, in microseconds. */
const PAUSE_MICROS = 1_500_000

/** A node is told again so often at most, so long after the time before, and ends so long after it has stopped, in microseconds. */
const REMINDERS_MAX = 3
const REMINDER_MICROS = [300, 3000, 100_000] as const
const LINGER_MICROS = 30_000

/** A node that has hardly begun has taken so many steps with its registrations at most. */
const BEGUN_STEPS_MAX = 24

/** The power goes at one of so many steps of the next life. */
const STEPS_MAX = 8

/** What becomes of nodes. */
interface Hurry {
  readonly cluster: Cluster
  readonly random: Random
  /** Those that are to be told to stop: after so many steps. */
  readonly beginners: Map<number, number>
  /** Those whose next life loses power soon. */
  readonly doomed: Set<number>
  readonly last: LastSteps
}

/** Begins the ordeal in a run that has it. */
export function hurry(cluster: Cluster): void {
  if (cluster.plan.ordeals?.kinds.includes('haste') !== true) return
  const { world, faults, nodes } = cluster
  const random = new Random(world.seed, 'ordeals/haste')
  const state: Hurry = { cluster, random, beginners: new Map(), doomed: new Set(), last: new Map() }
  const steps = new Random(world.seed, 'ordeals/haste/steps')
  const { onDiskStep } = cluster
  cluster.onDiskStep = (step) => {
    if (onDiskStep?.(step) === true) return true
    if (!faults.active) return false
    if (step.effect.kind !== 'listLogs' && step.effect.log === BROKER_LOG) onStep(state, step)
    const death = deathAt(state.last, step, world.nowMicros, steps)
    if (death !== null) cluster.crash(step.node, death === 'powerLoss')
    return death !== null
  }
  again(cluster, PAUSE_MICROS, random, () => {
    const { node } = random.pick(nodes).host
    if (random.below(2) === 0) return stop(state, node)
    state.beginners.set(node, random.below(BEGUN_STEPS_MAX))
    cluster.crash(node, false)
  })
}

/** A node does something with its registrations. */
function onStep(state: Hurry, { node, stage, effect }: DiskStep): void {
  const { cluster, random, beginners, doomed, last } = state
  if (effect.kind === 'list' && stage === 'before' && doomed.delete(node)) {
    const isAny = random.below(2) === 0
    last.set(node, {
      log: BROKER_LOG,
      kind: isAny ? null : random.pick(['replace', 'sync']),
      like: null,
      stage: random.pick<DiskStage>(['before', 'between', 'after']),
      steps: isAny ? random.below(STEPS_MAX) : 0,
      until: cluster.world.nowMicros + PATIENCE_MICROS,
      isPowerLoss: true,
      isRepeated: false,
    })
  }
  const left = beginners.get(node)
  if (left === undefined) return
  beginners.set(node, left - 1)
  if (left > 0) return
  beginners.delete(node)
  stop(state, node)
}

/** A node is to stop, and told so again, perhaps. */
function stop({ cluster, random, doomed }: Hurry, node: number): void {
  const { host } = cluster.nodes[node]!
  if (!host.isUp) return
  const handOver = random.below(2) === 0
  const reminders = random.below(REMINDERS_MAX + 1)
  cluster.world.log?.(`ordeal: node ${node} is to stop, and is told so ${reminders} times more`)
  cluster.stopCleanly(node, handOver, 0, reminders === 0 ? 0 : random.below(LINGER_MICROS))
  let after = 0
  for (let i = 0; i < reminders; i++) {
    after += random.below(random.pick(REMINDER_MICROS))
    const to = { node, actor: BROKER_ACTOR }
    host.after(after, () => host.send({ node, actor: 'operator' }, to, { kind: 'stopNode', handOver }))
  }
  if (random.below(3) > 0) doomed.add(node)
}
