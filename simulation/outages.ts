/**
 * What goes wrong with many wires at once, or with one kind of message: the cluster falls in two, or in two with a bridge between them; some nodes are clogged
 * one after the other and come free in another order; one kind of message is lost for a while; answers are lost when what was asked for is done.
 */
import type { FaultKind, Faults } from './faults.ts'
import type { Struck } from './onlooker.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** What outages do to the network. Hosts are nodes, and clients below 0. */
export interface Wires {
  hosts(): number[]
  /** Nothing that is sent from one to the other until then arrives. */
  cut(from: number, to: number, untilMicros: number): void
  /** What is sent from one to the other until then arrives then. */
  clog(from: number, to: number, untilMicros: number): void
}

/** A cluster stays in parts for so long on average; sessions are 1.5 s. */
const CUT_MICROS = 1_500_000

/** Between two nodes that are clogged, or come free, on average. */
const SWIZZLE_MICROS = 400_000

/** A kind of message is lost for so long on average. */
const KIND_MICROS = 1_500_000

/** The kinds that get lost: whatever nodes say to each other, and what clients and nodes do. */
const KINDS = [
  ...['fetch', 'fetchResponse', 'produce', 'produceResponse', 'listOffsets', 'listOffsetsResponse', 'metadata', 'metadataResponse'],
  ...['alterPartition', 'alterPartitionResponse', 'registerBroker', 'brokerRegistered', 'brokerHeartbeat', 'brokerHeartbeatResponse'],
  ...['metadataUpdate', 'quorumVote', 'quorumVoteResponse', 'quorumEndEpoch', 'quorumAppend', 'quorumAppendResponse', 'quorumSnapshot'],
  ...['consumerGroupHeartbeat', 'consumerGroupHeartbeatResponse', 'offsetCommit', 'offsetCommitResponse', 'offsetFetchResponse'],
] as const

/** All outages of a run. */
export class Outages {
  readonly #world: World
  readonly #faults: Faults
  readonly #wires: Wires
  readonly #losesReplies: boolean
  #lostKind = ''
  #lostUntil = 0

  constructor(world: World, faults: Faults, wires: Wires) {
    this.#world = world
    this.#faults = faults
    this.#wires = wires
    this.#losesReplies = faults.options.replyLost > 0
    this.#plan('symmetricCut', (random) => this.#cutInTwo(random, false))
    this.#plan('bridge', (random) => this.#cutInTwo(random, true))
    this.#plan('swizzleClog', (random) => this.#swizzle(random))
    this.#plan('lossByKind', (random) => this.#loseKind(random))
  }

  /** Whether a message of that kind is lost, although its wire is whole. */
  loses(kind: string): boolean {
    if (kind === this.#lostKind && this.#world.nowMicros < this.#lostUntil) return true
    return this.#losesReplies && kind.endsWith('Response') && this.#faults.strikes('replyLost')
  }

  #plan(kind: FaultKind, strike: (random: Random) => Struck): void {
    this.#faults.repeat(this.#world, kind, (random) => {
      const struck = strike(random)
      this.#world.log?.(`${kind} ${struck.text ?? ''}`)
      return struck
    })
  }

  /** Hosts of one side do not reach those of the other; with a bridge, one node reaches both. */
  #cutInTwo(random: Random, isBridged: boolean): Struck {
    const hosts = this.#wires.hosts()
    const bridge = isBridged ? random.pick(hosts.filter((host) => host >= 0)) : null
    const left = hosts.filter((host) => host !== bridge && random.below(2) === 0)
    const right = hosts.filter((host) => host !== bridge && !left.includes(host))
    const until = this.#world.nowMicros + random.exponential(CUT_MICROS)
    for (const one of left) {
      for (const other of right) {
        this.#wires.cut(one, other, until)
        this.#wires.cut(other, one, until)
      }
    }
    return { untilMicros: until, hosts: [...left, ...right], text: `${left.join(' ')} from ${right.join(' ')}` }
  }

  #swizzle(random: Random): Struck {
    const hosts = this.#wires.hosts()
    const nodes = shuffled(
      hosts.filter((host) => host >= 0),
      random,
    )
    const chosen = nodes.slice(0, random.between(1, nodes.length))
    let at = 0
    const { nowMicros } = this.#world
    const begins = chosen.map(() => (at += random.exponential(SWIZZLE_MICROS)))
    for (const node of shuffled(chosen, random)) {
      const until = nowMicros + (at += random.exponential(SWIZZLE_MICROS))
      this.#world.after(begins[chosen.indexOf(node)]!, () => this.#clog(node, until))
    }
    return { untilMicros: nowMicros + at, hosts: chosen, text: chosen.join(' ') }
  }

  #clog(node: number, until: number): void {
    for (const other of this.#wires.hosts()) {
      this.#wires.clog(node, other, until)
      this.#wires.clog(other, node, until)
    }
  }

  #loseKind(random: Random): Struck {
    this.#lostKind = random.pick(KINDS)
    this.#lostUntil = this.#world.nowMicros + random.exponential(KIND_MICROS)
    return { untilMicros: this.#lostUntil, text: this.#lostKind }
  }
}

function shuffled(items: readonly number[], random: Random): number[] {
  const shuffling = [...items]
  for (let i = shuffling.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[shuffling[i], shuffling[j]] = [shuffling[j]!, shuffling[i]!]
  }
  return shuffling
}
