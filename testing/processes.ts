/**
 * The processes of a scenario: ordinary async functions, each with a host of its own. One that is killed never hears of anything again (its timers do not fire,
 * its promises do not settle), and is begun anew after a while, as a supervisor would do it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'
import type { Cluster } from '../edge/client/api.ts'
import type { Cluster as Nodes } from '../simulation/cluster.ts'
import type { Host } from '../simulation/host.ts'
import { Random } from '../simulation/random.ts'
import type { Recording } from './recording.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import type { ClusterListener } from './simulated-cluster.ts'

/** What a process gets. */
export interface ProcessContext {
  readonly cluster: Cluster
  /** 1 at first; one more after each crash. */
  readonly life: number
}

/** The code of a process. */
export type Program = (context: ProcessContext) => Promise<void>

/** A process, through all its lives. */
export interface SimulatedProcess {
  readonly name: string
  /** The program has come to its end in one of its lives; rejects with what it threw. */
  readonly done: Promise<void>
  /** Kills it now; it begins anew after a while. */
  kill(): void
}

/** Hears of what happens to the code of processes. */
export interface ProcessesListener {
  /** Something has come for it: it may go on. */
  heard(): void
  /** It has thrown something; `by` says who, for whoever reads. */
  failed(error: unknown, by: string): void
}

/** One life. */
interface Life {
  readonly owner: Processes
  readonly name: string
  readonly host: Host
}

/** A killed process comes back after so long on average, in microseconds. */
const RESTART_MICROS = 300_000

/** Whose code runs now; of whatever run, for one that is over may have left something behind. */
const current: AsyncLocalStorage<Life> = new AsyncLocalStorage()

/** Whether the code of a process runs now, of whatever run. */
export function isUnderSimulation(): boolean {
  return current.getStore() !== undefined
}

/** All processes of a run. */
export class Processes {
  readonly #nodes: Nodes
  readonly #listener: ProcessesListener
  readonly #recording: Recording | null
  readonly #random: Random
  readonly #running: Map<RunningProcess, Life> = new Map()

  constructor(nodes: Nodes, listener: ProcessesListener, recording: Recording | null) {
    this.#nodes = nodes
    this.#listener = listener
    this.#recording = recording
    this.#random = new Random(nodes.world.seed, 'processes')
  }

  /** Runs the scenario itself, which nothing kills. */
  async main<Result>(run: (cluster: SimulatedCluster) => Promise<Result>): Promise<Result> {
    const life: Life = { owner: this, name: 'scenario', host: this.#nodes.newClient('scenario') }
    return await current.run(life, () => run(this.#clusterOf(life)))
  }

  /** Starts a process. */
  spawn(name: string, program: Program): SimulatedProcess {
    this.note('begins a process', name)
    const process: RunningProcess = { name, program, lives: 0, settle: () => undefined, fail: () => undefined }
    const done = new Promise<void>((resolve, reject) => {
      process.settle = resolve
      process.fail = reject
    })
    // Whoever does not wait for it hears of a failure all the same: the run fails.
    done.catch((error: unknown) => this.#listener.failed(error, `process ${name}: `))
    this.#live(process)
    return { name, done, kill: () => this.#killByHand(process) }
  }

  /** Kills one of those that run; false if none does. */
  readonly killSome = (random: Random): boolean => {
    const running = [...this.#running.keys()]
    return running.length > 0 && this.#kill(random.pick(running))
  }

  /** Whether code of this simulation runs now. */
  get isInside(): boolean {
    return current.getStore()?.owner === this
  }

  /** Whether what runs now is the code of a process that is dead, or of a run that is over. */
  get isGone(): boolean {
    const life = current.getStore()
    return life !== undefined && (life.owner !== this || !life.host.isUp)
  }

  /** Notes what the code that runs now does, where that is recorded. */
  note(what: string, content: unknown): void {
    const life = current.getStore()
    if (life?.owner === this) this.#recording?.note(this.#nodes.world.nowMicros, life.name, what, content)
  }

  /** Runs something later, unless the process that asks is dead by then. */
  after(micros: number, run: () => void): void {
    const life = current.getStore()
    const begin = (): void => {
      run()
      this.#listener.heard()
    }
    this.note('a timer', `${micros / 1000} ms`)
    if (life === undefined) this.#nodes.world.after(micros, begin)
    else life.host.after(micros, begin)
  }

  /** Milliseconds by the wall clock of the process that asks. */
  now(): number {
    return current.getStore()?.host.clock.now() ?? 0
  }

  #live(process: RunningProcess): void {
    const host = this.#nodes.newClient(process.name)
    const life: Life = { owner: this, name: process.name, host }
    process.lives++
    this.#running.set(process, life)
    this.#nodes.world.log?.(`process ${process.name} begins its life ${process.lives} on ${host.node}`)
    current.run(life, () => {
      const isOver = (): boolean => this.#running.get(process) !== life
      const end = (settle: () => void): void => {
        if (isOver()) return
        this.#running.delete(process)
        settle()
      }
      const context = { cluster: this.#clusterOf(life), life: process.lives }
      const run = async (): Promise<void> => await process.program(context)
      run().then(
        () => end(process.settle),
        (error: unknown) => end(() => process.fail(error)),
      )
    })
    this.#listener.heard()
  }

  #killByHand(process: RunningProcess): void {
    this.note('kills a process', process.name)
    this.#kill(process)
  }

  #kill(process: RunningProcess): boolean {
    const life = this.#running.get(process)
    if (life === undefined) return false
    this.#running.delete(process)
    this.#nodes.world.log?.(`process ${process.name} is killed`)
    this.#nodes.killClient(life.host)
    this.#nodes.world.after(this.#random.exponential(RESTART_MICROS), () => this.#live(process))
    return true
  }

  #clusterOf({ name, host }: Life): SimulatedCluster {
    const { world, voters, plan } = this.#nodes
    const listener: ClusterListener = {
      heard: () => this.#listener.heard(),
      said: (what, content) => this.#recording?.note(world.nowMicros, name, what, content),
    }
    return new SimulatedCluster(host, voters, plan.nodeCount, listener)
  }
}

interface RunningProcess {
  readonly name: string
  readonly program: Program
  lives: number
  settle: () => void
  fail: (error: unknown) => void
}

/** What an error says, in one line. */
export function messageOf(error: unknown): string {
  const text =
    error instanceof Error ? `${error.name}: ${error.message}` : `what was thrown is no error: ${inspect(error, { breakLength: Infinity })}`
  return text.split('\n')[0] ?? ''
}
