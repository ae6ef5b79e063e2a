/**
 * One run of a scenario from one seed: a simulated cluster, the scenario and its processes under virtual time, and faults for a while. The world does a step only
 * when the code has done all that it can without it, so the same seed gives the same run.
 */
import { syncBuiltinESMExports } from 'node:module'
import { unleash } from '../simulation/chaos.ts'
import { Clock } from '../simulation/clock.ts'
import { Cluster as Nodes } from '../simulation/cluster.ts'
import { drawFaults, Faults, mapKinds, noFaults } from '../simulation/faults.ts'
import type { FaultKind, FaultOptions, Repetition, TimedStrikes } from '../simulation/faults.ts'
import { drawPlan } from '../simulation/plan.ts'
import type { Plan } from '../simulation/plan.ts'
import { Random } from '../simulation/random.ts'
import { writeTranscript } from '../simulation/transcript.ts'
import { newTruth } from '../simulation/truth.ts'
import { World } from '../simulation/world.ts'
import type { Violation } from '../simulation/world.ts'
import { DeleterWorkload } from '../simulation/workloads/deleter.ts'
import { AdminWorkload } from '../simulation/workloads/topics.ts'
import type { Cluster } from '../edge/client/api.ts'
import { KafkaError } from '../protocol/errors.ts'
import { installAmbient, realTurn } from './ambient.ts'
import type { VirtualWorld } from './ambient.ts'
import { watchLeaks } from './leaks.ts'
import { closeWaysOut } from './outside.ts'
import { messageOf, Processes } from './processes.ts'
import type { Recording } from './recording.ts'
import { Replacements } from './replacing.ts'
import { catchUncaught } from './uncaught.ts'
import type { Program, SimulatedProcess } from './processes.ts'

/** What a scenario gets. */
export interface ScenarioContext {
  /** The cluster, for the scenario itself: nothing kills that process. */
  readonly cluster: Cluster
  readonly seed: number
  /** Starts a process: ordinary code that may be killed at any await, and is then begun anew. */
  readonly spawn: (name: string, program: Program) => SimulatedProcess
  readonly faults: ScenarioFaults
  readonly clock: ScenarioClock
  /** Writes a line into the story of the run. */
  readonly note: (text: string) => void
}

/** Faults by hand, beside those that the seed chooses. */
export interface ScenarioFaults {
  /** Kills a node: its page cache survives. It comes back after a while. */
  kill(node: number): void
  /** A node loses power, and what it had not synced. It comes back after a while. */
  powerLoss(node: number): void
  /** From now on nothing goes wrong any more. */
  heal(): void
}

/** Virtual time. */
export interface ScenarioClock {
  /** Milliseconds since the run began. */
  readonly uptime: number
  sleep(millis: number): Promise<void>
}

/** A scenario: it rejects, or throws, when something is not as it shall be. */
export type Scenario = (context: ScenarioContext) => Promise<void>

/** What a run came to. */
export interface ScenarioResult {
  readonly seed: number
  readonly hash: string
  readonly violation: Violation | null
  /** What the scenario, or a process, threw. */
  readonly error: unknown
  readonly virtualSeconds: number
  readonly faults: Readonly<Record<FaultKind, number>>
  readonly timed: TimedStrikes
}

/** The kinds of faults that strike the nodes, the network, the disks and the processes of a scenario. */
export const SCENARIO_KINDS: readonly ScenarioFaultKind[] = [
  ...([
    'latencyTail',
    'loss',
    'duplicate',
    'lateReplay',
    'reorder',
    'partition',
    'isolate',
    'symmetricCut',
    'bridge',
    'swizzleClog',
  ] as const),
  ...(['lossByKind', 'replyLost', 'kill', 'killPending', 'powerLoss', 'tornWrite', 'renameLost', 'cleanRestart', 'restartStorm'] as const),
  ...([
    'rollingRestart',
    'closeAll',
    'slowDisk',
    'syncError',
    'stickySyncError',
    'appendError',
    'readError',
    'pause',
    'clockStep',
    'clientCrash',
  ] as const),
  ...(['lateTimer', 'clockDrift', 'queueOverflow', 'rebalanceStorm'] as const),
]

/** A kind of fault that can strike a scenario: not those that need a topic of the simulator's own, or change a cluster's shape. */
export type ScenarioFaultKind = Exclude<FaultKind, OtherKind>

type OtherKind =
  | ('recreateTopic' | 'addPartitions' | 'voterChange' | 'rebalance' | 'reassign' | 'transferLeader' | 'configChange' | 'deleteRecords')
  | ('uncleanElection' | 'slowConsumer' | 'bitRot' | 'droppedWrite' | 'misdirectedWrite' | 'wipe' | 'lostFile' | 'lostLog')

/** What goes wrong: kinds that the seed chooses, nothing, or these with their intensities. */
export type ScenarioFaultChoice = 'swarm' | 'none' | Readonly<Partial<Record<ScenarioFaultKind, number>>>

/** A scenario must come to its end so long after everything is healed, in virtual seconds. */
const END_SECONDS = 300

/** How often it is looked whether all nodes are there. */
const JOIN_LOOK_MILLIS = 10

/** The plan of a run: nodes without workloads. */
export function planScenario(seed: number, nodes: number, seconds: number, choice: ScenarioFaultChoice): Plan {
  const plan = drawPlan(seed, { seconds, quiet: true })
  return {
    ...plan,
    nodeCount: nodes,
    topics: [],
    producerCount: 0,
    groupSize: 0,
    sharerCount: 0,
    offsetsRetentionMillis: -1,
    quota: null,
    transactions: null,
    readers: null,
    faults: chosenFaults(seed, choice),
  }
}

function chosenFaults(seed: number, choice: ScenarioFaultChoice): FaultOptions {
  if (choice === 'none') return noFaults()
  const from: Partial<Record<FaultKind, number>> = choice === 'swarm' ? drawFaults(seed) : choice
  const kinds: readonly FaultKind[] = SCENARIO_KINDS
  return mapKinds((kind) => (kinds.includes(kind) ? (from[kind] ?? 0) : 0))
}

/** What else a run does. */
export interface RunOptions {
  /** A run again, with some of its strikes. */
  readonly repetition?: Repetition
  /** Takes the lines of the transcript. */
  readonly log?: (line: string) => void
  /** Takes what the code does. */
  readonly recording?: Recording | null
}

/** Runs a scenario to its end. One at a time: time and chance are replaced for the whole thread. */
export async function runScenario(
  scenario: Scenario,
  plan: Plan,
  { repetition, log, recording = null }: RunOptions = {},
): Promise<ScenarioResult> {
  const world = new World(plan.seed)
  if (log !== undefined) writeTranscript(world, log)
  const faults = new Faults(plan.seed, plan.faults, repetition ?? null)
  if (repetition !== undefined) faults.log = world.log
  const nodes = new Nodes(world, plan, faults, newTruth(world, plan.acks))
  const run = new ScenarioRun(world, nodes, recording)
  const error = await run.result(scenario)
  return {
    seed: plan.seed,
    hash: world.trace.toString(),
    violation: world.violation,
    error,
    virtualSeconds: world.nowMicros / 1_000_000,
    faults: faults.counts,
    timed: faults.timed,
  }
}

class ScenarioRun {
  readonly #world: World
  readonly #nodes: Nodes
  readonly #processes: Processes
  /** Something has come for the code: it may go on. */
  #isHeard = false
  #isEnded = false
  /** What was thrown first. */
  #failure: { readonly error: unknown } | null = null

  constructor(world: World, nodes: Nodes, recording: Recording | null) {
    this.#world = world
    this.#nodes = nodes
    const heard = (): void => void (this.#isHeard = true)
    this.#processes = new Processes(nodes, { heard, failed: (error, by) => this.#fail(error, by) }, recording)
  }

  /** What the code threw; undefined if it did not. */
  async result(scenario: Scenario): Promise<unknown> {
    const world = this.#world
    const random = new Random(world.seed, 'ambient')
    const others = new Random(world.seed, 'ambient/gone')
    const clock = new Clock(world)
    const leaks = watchLeaks(
      () => this.#processes.isInside,
      (leak) => this.#fail(leak),
    )
    const replacements = new Replacements()
    const ambient: VirtualWorld = {
      now: () => this.#processes.now() || clock.now(),
      uptime: () => world.nowMicros / 1000,
      after: (millis, run) => this.#processes.after(Math.ceil(millis * 1000), run),
      random: () => (this.#processes.isGone ? others : random).next(),
      failed: (error) => this.#fail(error),
    }
    installAmbient(ambient, replacements)
    closeWaysOut(leaks, replacements)
    syncBuiltinESMExports()
    // What the dead leave behind hurts nobody.
    const stopCatching = catchUncaught((error) => this.#processes.isGone || this.#fail(error))
    try {
      this.#nodes.start()
      void this.#processes
        .main((cluster) => this.#perform(scenario, cluster))
        .then(
          () => (this.#isEnded = true),
          (error: unknown) => this.#fail(error),
        )
      await this.#drive()
    } catch (error) {
      this.#fail(error)
    } finally {
      stopCatching()
      replacements.undo()
      syncBuiltinESMExports()
      leaks.stop()
    }
    return this.#failure?.error
  }

  #fail(error: unknown, by = ''): void {
    if (this.#failure !== null) return
    this.#failure = { error }
    this.#world.fail('SCENARIO', `${by}${messageOf(error)}`)
  }

  /** Faults begin when all nodes have joined. */
  async #perform(scenario: Scenario, cluster: Cluster): Promise<void> {
    const { nodeCount } = this.#nodes.plan
    const context = this.#context(cluster)
    const hasAll = async (): Promise<boolean> =>
      (await cluster.admin.describeCluster()).nodes.filter(({ fenced }) => !fenced).length === nodeCount
    while (!(await hasAll())) await context.clock.sleep(JOIN_LOOK_MILLIS)
    this.#unleash()
    await scenario(context)
  }

  /** Lets the code do all that it can, then the world a step, until one of them is at its end. */
  async #drive(): Promise<void> {
    const world = this.#world
    const healMicros = this.#nodes.plan.seconds * 1_000_000
    const endMicros = healMicros + END_SECONDS * 1_000_000
    for (;;) {
      await realTurn()
      if (this.#isEnded || world.violation !== null) return
      this.#isHeard = false
      const until = this.#nodes.faults.active ? healMicros : endMicros
      world.runUntil(until, () => this.#isHeard)
      if (this.#isHeard || world.violation !== null) continue
      if (this.#nodes.faults.active) this.#heal()
      else world.fail('LIVE', `the scenario is not at its end ${END_SECONDS} virtual seconds after everything was healed`)
    }
  }

  #heal(): void {
    if (!this.#nodes.faults.active) return
    this.#world.log?.('everything is healed')
    this.#nodes.heal()
  }

  #crash(node: number, isWithoutPower: boolean): void {
    const { nodeCount } = this.#nodes.plan
    if (!Number.isInteger(node) || node < 0 || node >= nodeCount)
      throw new KafkaError('INVALID_REQUEST', `there is no node ${node}, only ${[...Array(nodeCount).keys()].join(' or ')}`)
    this.#processes.note(isWithoutPower ? 'takes the power from a node' : 'kills a node', String(node))
    this.#nodes.crash(node, isWithoutPower)
  }

  #unleash(): void {
    const { killSome } = this.#processes
    unleash(this.#nodes, killSome, new AdminWorkload(this.#nodes), new DeleterWorkload(this.#nodes))
  }

  #context(cluster: Cluster): ScenarioContext {
    const world = this.#world
    return {
      cluster,
      seed: world.seed,
      spawn: (name, program) => this.#processes.spawn(name, program),
      faults: {
        kill: (node) => this.#crash(node, false),
        powerLoss: (node) => this.#crash(node, true),
        heal: () => {
          this.#processes.note('heals everything', '')
          this.#heal()
        },
      },
      clock: {
        get uptime(): number {
          return world.nowMicros / 1000
        },
        sleep: (millis) => new Promise((resolve) => this.#processes.after(Math.ceil(millis * 1000), resolve)),
      },
      note: (text) => {
        this.#processes.note('a note', text)
        world.log?.(text)
      },
    }
  }
}
