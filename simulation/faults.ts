/**
 * What can go wrong in a run, how often, and how often it did. Each seed switches about half of the kinds off (of the rare ones seven of eight) and draws the
 * intensity of the others (swarm testing): faults that mask each other get to act alone.
 *
 * The promise stays decidable: a power loss takes only unsynced bytes, a disk that answered "synced" has told the truth, and what is synced is
 * harmed only where another copy of it is in sync and whole (damage.ts).
 */
import type { Struck } from './onlooker.ts'
import { Random } from './random.ts'
import type { RandomState } from './random.ts'
import type { World } from './world.ts'

/** How often each kind of fault strikes; 0 is never. Means are virtual milliseconds between two strikes; shares are per million. */
export interface FaultOptions {
  /** Share of messages that take up to 400 ms. */
  readonly latencyTail: number
  /** Share of messages that are lost. */
  readonly loss: number
  /** Share of messages that arrive twice. */
  readonly duplicate: number
  /** Share of messages that arrive again seconds later. */
  readonly lateReplay: number
  /** Share of messages that others may overtake. */
  readonly reorder: number
  /** Mean time between one-way cuts of a link. */
  readonly partition: number
  /** Mean time between kills of a node: the page cache survives. */
  readonly kill: number
  /** Share of the disk's steps (before, between and after write, sync and answer) at which the node is killed. */
  readonly killPending: number
  /** Mean time between power losses of a node: unsynced bytes are lost, by sector. */
  readonly powerLoss: number
  /** Share of crashes that tear the write that was under way. */
  readonly tornWrite: number
  /** Share of disk operations that take up to 2 s. */
  readonly slowDisk: number
  /** Share of syncs that fail; what they should have written may be gone although later syncs succeed. */
  readonly syncError: number
  /** Mean time between spells of a full disk. */
  readonly appendError: number
  /** Share of reads that fail. */
  readonly readError: number
  /** Mean time between pauses of a host, some longer than a session. */
  readonly pause: number
  /** Mean time between steps of a wall clock. */
  readonly clockStep: number
  /** Share of chunks that a consumer takes seconds to process. */
  readonly slowConsumer: number
  /** Mean time between crashes of a client. */
  readonly clientCrash: number
  /** Mean time between clean stops of a node: drained first. */
  readonly cleanRestart: number
  /** Mean time between deletions of a topic, which is created again at once. */
  readonly recreateTopic: number
  /** Mean time between additions of a partition. */
  readonly addPartitions: number
  /** Mean time between isolations of a node: nothing comes to it or from it for a while. */
  readonly isolate: number
  /** Mean time between changes of the metadata quorum: a voter is removed, and comes back. */
  readonly voterChange: number
  /** Mean time between rebalancings of all partitions, or drainings of a node. */
  readonly rebalance: number
  /** Mean time between cuts of the cluster in two, in both directions. */
  readonly symmetricCut: number
  /** Mean time between cuts in two halves with one node that both of them reach. */
  readonly bridge: number
  /** Mean time between spells in which some nodes are clogged one after the other, and come free in another order. */
  readonly swizzleClog: number
  /** Mean time between spells in which one kind of message is lost. */
  readonly lossByKind: number
  /** Share of answers that are lost: what was asked for is done. */
  readonly replyLost: number
  /** Mean time between series of kills of a node in quick succession. */
  readonly restartStorm: number
  /** Mean time between clean stops of all nodes, one after the other. */
  readonly rollingRestart: number
  /** Mean time between failures of a disk whose syncs go on failing until the node is started again. */
  readonly stickySyncError: number
  /** Share of power losses that bring back files as they were before they were replaced, where that is not synced. */
  readonly renameLost: number
  /** Mean time between moves of a partition to another node. */
  readonly reassign: number
  /** Mean time between changes of the leader that a partition prefers. */
  readonly transferLeader: number
  /** Mean time between changes of a topic's settings: in-sync replicas, retention. */
  readonly configChange: number
  /** Not 0: there is a topic that may elect a leader which has fallen behind; there, and only there, records may be lost. */
  readonly uncleanElection: number
  /** Mean time between flips of one synced bit of a replica. */
  readonly bitRot: number
  /** Mean time between losses of everything that a node has on its disk, but for the metadata log. */
  readonly wipe: number
  /** Mean time between losses of one file while its node is down. */
  readonly lostFile: number
  /** Mean time between deletions of the oldest records of a partition. */
  readonly deleteRecords: number
  /** Share of timers that fire late. */
  readonly lateTimer: number
  /** Mean time between changes of the pace of a wall clock. */
  readonly clockDrift: number
  /** Mean time between spells in which a link takes nothing: what is sent waits. */
  readonly queueOverflow: number
  /** Mean time between series of crashes of clients in quick succession. */
  readonly rebalanceStorm: number
  /** Mean time between losses of a synced sector of a replica, whose write the disk forgot. */
  readonly droppedWrite: number
  /** Mean time between losses of a synced sector of a replica, where the disk put what belongs elsewhere. */
  readonly misdirectedWrite: number
  /** Mean time between clean stops of all nodes together, as when the cluster is closed. */
  readonly closeAll: number
  /** Mean time between losses of the whole log of a replica that others count on, while its node is down. */
  readonly lostLog: number
}

/** A kind of fault. */
export type FaultKind = keyof FaultOptions

/** The intensities between which a seed draws, weakest first: means in milliseconds, or shares per million. docs/faults.md has them, too. */
export const FAULT_RANGES: Readonly<Record<FaultKind, readonly [number, number]>> = {
  latencyTail: [1_000, 50_000],
  loss: [1_000, 60_000],
  duplicate: [1_000, 60_000],
  lateReplay: [500, 20_000],
  reorder: [5_000, 200_000],
  partition: [40_000, 8_000],
  kill: [40_000, 6_000],
  killPending: [1, 30],
  powerLoss: [40_000, 8_000],
  tornWrite: [300_000, 1_000_000],
  slowDisk: [500, 20_000],
  syncError: [500, 20_000],
  appendError: [40_000, 10_000],
  readError: [500, 20_000],
  pause: [30_000, 5_000],
  clockStep: [30_000, 5_000],
  slowConsumer: [2_000, 100_000],
  clientCrash: [40_000, 8_000],
  cleanRestart: [60_000, 15_000],
  recreateTopic: [40_000, 8_000],
  addPartitions: [40_000, 10_000],
  isolate: [40_000, 8_000],
  voterChange: [40_000, 5_000],
  rebalance: [40_000, 5_000],
  symmetricCut: [40_000, 8_000],
  bridge: [40_000, 8_000],
  swizzleClog: [40_000, 10_000],
  lossByKind: [40_000, 6_000],
  replyLost: [2_000, 60_000],
  restartStorm: [60_000, 12_000],
  rollingRestart: [60_000, 20_000],
  stickySyncError: [60_000, 12_000],
  renameLost: [300_000, 1_000_000],
  reassign: [40_000, 6_000],
  transferLeader: [40_000, 6_000],
  configChange: [40_000, 6_000],
  uncleanElection: [1, 1],
  bitRot: [30_000, 4_000],
  wipe: [40_000, 8_000],
  lostFile: [40_000, 8_000],
  deleteRecords: [40_000, 4_000],
  lateTimer: [1_000, 50_000],
  clockDrift: [30_000, 5_000],
  queueOverflow: [20_000, 2_000],
  rebalanceStorm: [40_000, 8_000],
  droppedWrite: [20_000, 2_000],
  misdirectedWrite: [20_000, 2_000],
  closeAll: [60_000, 15_000],
  lostLog: [30_000, 5_000],
}

/** Close relatives of other kinds, on in one seed of eight. */
const RARE_KINDS: ReadonlySet<FaultKind> = new Set([
  ...(['lateTimer', 'clockDrift', 'queueOverflow', 'rebalanceStorm', 'droppedWrite', 'misdirectedWrite', 'closeAll', 'lostLog'] as const),
])

/** All kinds, in a fixed order. */
export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FAULT_RANGES) as FaultKind[]

/** A strike of a kind that chooses its own times: when, and what it draws. Null: everything was over before. */
export interface TimedStrike {
  readonly atMicros: number
  state: RandomState | null
  /** That of a draw which comes later than the strike, when others of its kind may have drawn between. */
  lateState?: RandomState
}

/** One that finds nothing to strike says false, and does not count; others may say what they struck. */
export type Strike = (random: Random, timed: TimedStrike) => boolean | void | Struck

/** All strikes at times of their own, by kind and in order. */
export type TimedStrikes = Readonly<Record<FaultKind, TimedStrike[]>>

/** By kind: which strikes happen, counted from 0. What is not named does not happen. */
export type KeptStrikes = Readonly<Partial<Record<FaultKind, readonly number[] | 'all'>>>

/** A run again, with some of its strikes. */
export interface Repetition {
  readonly timed: TimedStrikes
  readonly kept: KeptStrikes
}

/** The faults of one run. */
export class Faults {
  readonly options: FaultOptions
  readonly counts: Record<FaultKind, number>
  readonly timed: TimedStrikes = mapKinds(() => [])
  /** False once the run heals: then nothing strikes any more. */
  active = true
  /** Hears of strikes that have nothing to say of themselves, in a run that is repeated; null: nobody listens. */
  log: ((line: string) => void) | null = null
  readonly #draws: Record<FaultKind, Random>
  /** How many strikes there were, those included that did not happen. */
  readonly #ordinals: Record<FaultKind, number> = mapKinds(() => 0)
  readonly #repetition: Repetition | null

  constructor(seed: number, options: FaultOptions, repetition: Repetition | null = null) {
    this.options = options
    this.#repetition = repetition
    this.counts = mapKinds(() => 0)
    this.#draws = mapKinds((kind) => new Random(seed, `fault/${kind}`))
  }

  /** Whether a fault of this kind strikes here and now; counts it if so. `factor` makes it likelier. */
  strikes(kind: FaultKind, factor = 1): boolean {
    const share = this.options[kind]
    if (share === 0 || !this.active || !this.#draws[kind].perMillion(share * factor)) return false
    if (!this.#happens(kind, this.#ordinals[kind]++)) return false
    this.counts[kind]++
    this.log?.(`fault ${kind}`)
    return true
  }

  /** Strikes again and again, at times of its own. */
  repeat(world: World, kind: FaultKind, strike: Strike): void {
    const mean = this.options[kind]
    const ordinal = this.timed[kind].length
    const before = this.#repetition?.timed[kind][ordinal]
    // In a repetition also times at which nothing strikes any more are kept: without them the others would move.
    if (this.#repetition === null ? mean === 0 : before === undefined) return
    const draws = this.#draws[kind]
    const one: TimedStrike =
      before !== undefined ? { ...before } : { atMicros: world.nowMicros + draws.exponential(mean * 1000), state: null }
    this.timed[kind].push(one)
    world.at(one.atMicros, () => {
      if (!this.active) return
      one.state ??= draws.state
      if (this.#happens(kind, ordinal)) {
        world.log?.(`fault ${kind}`)
        const struck = strike(before === undefined ? draws : Random.from(one.state), one)
        if (struck !== false) {
          this.counts[kind]++
          world.onlooker?.struck(kind, typeof struck === 'object' ? struck : {})
        }
      }
      this.repeat(world, kind, strike)
    })
  }

  #happens(kind: FaultKind, ordinal: number): boolean {
    if (this.#repetition === null) return true
    const kept = this.#repetition.kept[kind]
    return kept === 'all' || kept?.includes(ordinal) === true
  }

  /** The generator of a kind, for when and how. */
  draws(kind: FaultKind): Random {
    return this.#draws[kind]
  }
}

/** The faults that a seed chooses for itself. */
export function drawFaults(seed: number): FaultOptions {
  const random = new Random(seed, 'swarm')
  return mapKinds((kind) => drawIntensity(random, kind, RARE_KINDS.has(kind) ? 8 : 2))
}

/** The same in small: fewer kinds at a time, which strike more often. */
export function drawFaultsInSmall(seed: number, uncleanElection: number): FaultOptions {
  const random = new Random(seed, 'small/swarm')
  const drawn = mapKinds((kind) => {
    const [weak, strong] = FAULT_RANGES[kind]
    const intensity = drawIntensity(random, kind, SMALL_SHARE)
    return weak > strong ? Math.round(intensity / HASTE) : intensity
  })
  return { ...drawn, uncleanElection }
}

/** One in so many small seeds has a kind of fault, and those with times of their own strike so many times as often as elsewhere. */
const SMALL_SHARE = 5
const HASTE = 4

/** One in so many times a kind is on. */
function drawIntensity(random: Random, kind: FaultKind, share: number): number {
  const [weak, strong] = FAULT_RANGES[kind]
  const isOn = random.below(share) === 0
  const part = random.below(1001)
  return isOn ? Math.round(weak + ((strong - weak) * part) / 1000) : 0
}

/** No faults at all. */
export function noFaults(): FaultOptions {
  return mapKinds(() => 0)
}

/** One value for each kind. */
export function mapKinds<Value>(make: (kind: FaultKind) => Value): Record<FaultKind, Value> {
  return Object.fromEntries(FAULT_KINDS.map((kind) => [kind, make(kind)])) as Record<FaultKind, Value>
}
