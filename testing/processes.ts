/**
 * The processes of a scenario: ordinary async functions, each with a host of its own. One that is killed never hears of anything again (its timers do not fire,
 * its promises do not settle), and is begun anew after a while, as a supervisor would do it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Cluster } from '../edge/client/api.ts'
import type { Cluster as Nodes } from '../simulation/cluster.ts'
import type { Host } from '../simulation/host.ts'
import { Random } from '../simulation/random.ts'
import { SimulatedCluster } from './simulated-cluster.ts'

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

/** One life. */
interface Life {
  readonly host: Host
}

/** A killed process comes back after so long on average, in microseconds. */
const RESTART_MICROS = 300_000

/** All processes of a run. */
export class Processes {
  readonly #nodes: Nodes
  readonly #onHeard: () => void
  readonly #random: Random
  readonly #current: AsyncLocalStorage<Life> = new AsyncLocalStorage()
  readonly #running: Map<RunningProcess, Life> = new Map()

  constructor(nodes: Nodes, onHeard: () => void) {
    this.#nodes = nodes
    this.#onHeard = onHeard
    this.#random = new Random(nodes.world.seed, 'processes')
  }

  /** Runs the scenario itself, which nothing kills. */
  async main<Result>(run: (cluster: SimulatedCluster) => Promise<Result>): Promise<Result> {
    const host = this.#nodes.newClient('scenario')
    return await this.#current.run({ host }, () => run(this.#clusterOn(host)))
  }

  /** Starts a process. */
  spawn(name: string, program: Program): SimulatedProcess {
    const { world } = this.#nodes
    const process: RunningProcess = { name, program, lives: 0, settle: () => undefined, fail: () => undefined }
    const done = new Promise<void>((resolve, reject) => {
      process.settle = resolve
      process.fail = reject
    })
    // Whoever does not wait for it hears of a failure all the same: the run fails.
    done.catch((error: unknown) => world.fail('SCENARIO', `process ${name}: ${messageOf(error)}`))
    this.#live(process)
    return { name, done, kill: () => void this.#kill(process) }
  }

  /** Kills one of those that run; false if none does. */
  readonly killSome = (random: Random): boolean => {
    const running = [...this.#running.keys()]
    return running.length > 0 && this.#kill(random.pick(running))
  }

  /** Whether code of this simulation runs now. */
  get isInside(): boolean {
    return this.#current.getStore() !== undefined
  }

  /** Runs something later, unless the process that asks is dead by then. */
  after(micros: number, run: () => void): void {
    const life = this.#current.getStore()
    const begin = (): void => {
      run()
      this.#onHeard()
    }
    if (life === undefined) this.#nodes.world.after(micros, begin)
    else life.host.after(micros, begin)
  }

  /** Milliseconds by the wall clock of the process that asks. */
  now(): number {
    return this.#current.getStore()?.host.clock.now() ?? 0
  }

  #live(process: RunningProcess): void {
    const host = this.#nodes.newClient(process.name)
    const life: Life = { host }
    process.lives++
    this.#running.set(process, life)
    this.#nodes.world.log?.(`process ${process.name} begins its life ${process.lives} on ${host.node}`)
    this.#current.run(life, () => {
      const isOver = (): boolean => this.#running.get(process) !== life
      const end = (settle: () => void): void => {
        if (isOver()) return
        this.#running.delete(process)
        settle()
      }
      process.program({ cluster: this.#clusterOn(host), life: process.lives }).then(
        () => end(process.settle),
        (error: unknown) => end(() => process.fail(error)),
      )
    })
    this.#onHeard()
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

  #clusterOn(host: Host): SimulatedCluster {
    return new SimulatedCluster(host, this.#nodes.voters, this.#nodes.plan.nodeCount, this.#onHeard)
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
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.split('\n')[0] ?? ''
}
