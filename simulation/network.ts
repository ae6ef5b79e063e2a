/**
 * The wires between hosts. Messages travel as the bytes of the real codec, each in its own time, in order on each link unless a fault lets
 * others overtake; they may be late, lost, or arrive twice, and a link may be cut in one direction for a while.
 */
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'
import { Codec } from '../runtime/codec.ts'
import type { Envelope } from '../runtime/codec.ts'
import type { Faults } from './faults.ts'
import { Ghosts } from './ghosts.ts'
import type { Struck } from './onlooker.ts'
import { Outages } from './outages.ts'
import { Random } from './random.ts'
import type { World } from './world.ts'

/** Where messages arrive. */
export interface Station {
  readonly node: number
  /** False while the host is dead: what arrives is lost. */
  readonly isUp: boolean
  arrive(envelope: Envelope, frame: Frame): void
}

/** An encoded message: bytes from `start` up to `end`. */
export interface Frame {
  readonly bytes: Uint8Array
  /** Of all of `bytes`. */
  readonly view: DataView
  readonly start: number
  readonly end: number
}

interface Link {
  /** When the last message arrives that nobody overtakes. */
  lastArrival: number
  /** When the last one arrives, overtaken or not. */
  clearAt: number
  cutUntil: number
  /** What is sent until then arrives then. */
  cloggedUntil: number
}

/** A message on its way, least and most, in microseconds. */
const DELAY_MICROS = [20, 300] as const

/** A late message, at most. */
const LATE_MICROS = 400_000

/** A message that arrives again does so after so long on average. */
const REPLAY_MICROS = 2_000_000

/** A cut lasts so long on average. */
const CUT_MICROS = 700_000

/** What is heard again of a host is heard so much later at most, and how much of it, of two. */
const ECHO_MICROS = 4_000_000

/** A queue is full for so long on average. */
const FULL_MICROS = 300_000

/** Frames lie in blocks of so many bytes: an array of its own for each would take longer than everything else about it. */
const BLOCK_BYTES = 2 ** 16

/** For all runs: what it has seen makes it faster, and changes nothing else. */
const codec = new Codec()

/** All links of a run. */
export class Network {
  readonly #world: World
  readonly #faults: Faults
  readonly #random: Random
  readonly #stations: Map<number, Station> = new Map()
  readonly #links: Map<number, Link> = new Map()
  /** What these nodes have sent up to then, in microseconds, does not arrive any more. */
  readonly #silencedAt: Map<number, number> = new Map()
  /** By node: what it says until then is heard again, half of it. */
  readonly #echoedUntil: Map<number, number> = new Map()
  readonly #echoes: Random
  readonly #ghosts: Ghosts
  #block: Uint8Array = new Uint8Array(BLOCK_BYTES)
  #view: DataView = new DataView(this.#block.buffer)
  #blockEnd = 0
  readonly #outages: Outages

  constructor(world: World, faults: Faults) {
    this.#world = world
    this.#faults = faults
    this.#random = new Random(world.seed, 'network')
    this.#echoes = new Random(world.seed, 'ordeals/echoes')
    this.#ghosts = new Ghosts(world.seed)
    faults.repeat(world, 'partition', (random) => this.#cut(random))
    faults.repeat(world, 'isolate', (random) => this.#isolate(random))
    faults.repeat(world, 'queueOverflow', (random) => this.#overflow(random))
    this.#outages = new Outages(world, faults, {
      hosts: () => [...this.#stations.keys()],
      cut: (from, to, until) => void (this.#link(from, to).cutUntil = until),
      clog: (from, to, until) => void (this.#link(from, to).cloggedUntil = until),
    })
  }

  join(station: Station): void {
    this.#stations.set(station.node, station)
    this.#ghosts.born(station.node)
  }

  leave(station: Station): void {
    this.#stations.delete(station.node)
  }

  /** Nothing of what a node has sent so far arrives any more. */
  silence(node: number): void {
    this.#silencedAt.set(node, this.#world.nowMicros)
  }

  /** Nothing arrives from one node at another for so long, in microseconds. */
  cutLink(from: number, to: number, micros: number): void {
    const link = this.#link(from, to)
    link.cutUntil = Math.max(link.cutUntil, this.#world.nowMicros + micros)
  }

  /** What one node says to another arrives after so long, in microseconds, and not before. */
  clogLink(from: number, to: number, micros: number): void {
    const link = this.#link(from, to)
    link.cloggedUntil = Math.max(link.cloggedUntil, this.#world.nowMicros + micros)
  }

  /** What a node says for so long is heard again later, half of it, in microseconds. */
  echo(node: number, micros: number): void {
    this.#echoedUntil.set(node, this.#world.nowMicros + micros)
  }

  /** What a node says from now on is heard again among the first words of its next lives. */
  haunt(node: number): void {
    this.#ghosts.haunt(node)
  }

  /** When everything has arrived that is on its way: what a link held up holds up what comes after it, unless it may be overtaken; then it comes late all the same. */
  get clearAtMicros(): number {
    return Math.max(0, ...[...this.#links.values()].map(({ clearAt }) => clearAt))
  }

  /** Sends a message to another host; it arrives, or not. */
  send(to: Address, from: Address, message: Message): void {
    const link = this.#link(from.node, to.node)
    const isReplayed = this.#faults.strikes('lateReplay')
    const frame = this.#frame(to, from, message)
    const isCut = this.#faults.active && (this.#world.nowMicros < link.cutUntil || this.#outages.loses(message.kind))
    const isLost = this.#faults.strikes('loss') || isCut
    const isTwice = this.#faults.strikes('duplicate')
    if (isLost) this.#world.log?.(`lost ${message.kind} ${from.actor}@${from.node} -> ${to.actor}@${to.node}`)
    const { onlooker } = this.#world
    const flight = onlooker?.sent(from, to, message, 'sent') ?? -1
    this.#world.lookout?.sent(to, message, frame)
    if (isLost) onlooker?.missed(flight, 'lost')
    else this.#carry(to.node, link, frame, flight)
    if (isReplayed)
      this.#replay(
        to.node,
        copyOf(frame),
        this.#faults.draws('lateReplay').exponential(REPLAY_MICROS),
        onlooker?.sent(from, to, message, 'replay') ?? -1,
      )
    if (this.#isEchoed(from.node))
      this.#replay(to.node, copyOf(frame), this.#echoes.between(1, ECHO_MICROS), onlooker?.sent(from, to, message, 'replay') ?? -1)
    if (this.#ghosts.isHaunted(from.node)) this.#raise(from.node, to.node, copyOf(frame))
    if (isTwice) this.#carry(to.node, link, copyOf(frame), onlooker?.sent(from, to, message, 'twice') ?? -1)
  }

  #isEchoed(node: number): boolean {
    return this.#world.nowMicros < (this.#echoedUntil.get(node) ?? 0) && this.#echoes.below(2) === 0
  }

  #carry(to: number, link: Link, frame: Frame, flight: number): void {
    const faults = this.#faults
    let delay = this.#random.between(...DELAY_MICROS)
    const isLate = faults.strikes('latencyTail')
    if (isLate) delay += faults.draws('latencyTail').exponential(LATE_MICROS / 5)
    let arrival = this.#world.nowMicros + delay
    if (faults.active && arrival < link.cloggedUntil) arrival = link.cloggedUntil
    if (faults.strikes('reorder')) arrival += faults.draws('reorder').below(10 * DELAY_MICROS[1])
    else {
      arrival = Math.max(arrival, link.lastArrival + 1)
      link.lastArrival = arrival
    }
    link.clearAt = Math.max(link.clearAt, arrival)
    const sentAt = this.#world.nowMicros
    this.#world.at(arrival, () => this.#arrive(to, frame, sentAt, flight))
  }

  /** A copy of what was sent then arrives now. */
  hearAgain(frame: Frame, sentAt: number): void {
    const { to, from, message } = codec.decode(frame.bytes, frame.start, frame.end)
    const flight = this.#world.onlooker?.sent(from, to, message, 'replay') ?? -1
    this.#arrive(to.node, copyOf(frame), sentAt, flight)
  }

  /** A ghost of the one who speaks may speak, too. */
  #raise(from: number, to: number, frame: Frame): void {
    const ghost = this.#ghosts.said(from, { to, frame, sentAt: this.#world.nowMicros })
    if (ghost === null) return
    this.#world.after(ghost.afterMicros, () => {
      if (this.#faults.active) this.hearAgain(ghost.frame, ghost.sentAt)
    })
  }

  /** A copy that was stuck somewhere arrives long after. */
  #replay(to: number, frame: Frame, micros: number, flight: number): void {
    const sentAt = this.#world.nowMicros
    this.#world.after(micros, () => {
      if (this.#faults.active) this.#arrive(to, frame, sentAt, flight)
      else this.#world.onlooker?.missed(flight, 'unheard')
    })
  }

  #arrive(to: number, frame: Frame, sentAt: number, flight: number): void {
    const { onlooker } = this.#world
    const station = this.#stations.get(to)
    if (station?.isUp !== true) return onlooker?.missed(flight, 'unheard')
    const envelope = codec.decode(frame.bytes, frame.start, frame.end)
    if (sentAt <= (this.#silencedAt.get(envelope.from.node) ?? -1)) return onlooker?.missed(flight, 'unheard')
    onlooker?.arrived(flight)
    station.arrive(envelope, frame)
  }

  /** Whoever receives it owns its bytes: nothing else is ever written there. */
  #frame(to: Address, from: Address, message: Message): Frame {
    codec.encode(to, from, message)
    const { header, headerSize, payload } = codec
    const sizeBytes = headerSize + (payload?.length ?? 0)
    if (this.#blockEnd + sizeBytes > this.#block.length) {
      this.#block = new Uint8Array(Math.max(BLOCK_BYTES, sizeBytes))
      this.#view = new DataView(this.#block.buffer)
      this.#blockEnd = 0
    }
    const bytes = this.#block
    const start = this.#blockEnd
    for (let at = 0; at < headerSize; at++) bytes[start + at] = header[at]!
    if (payload !== null) bytes.set(payload, start + headerSize)
    this.#blockEnd = (start + sizeBytes + 7) & -8
    return { bytes, view: this.#view, start, end: start + sizeBytes }
  }

  #link(from: number, to: number): Link {
    const key = from * 0x10000 + to
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link: Link = { lastArrival: 0, clearAt: 0, cutUntil: 0, cloggedUntil: 0 }
    this.#links.set(key, link)
    return link
  }

  /** Cuts a node off from everybody for a while. */
  #isolate(random: Random): Struck {
    const nodes = [...this.#stations.keys()]
    const alone = random.pick(nodes.filter((node) => node >= 0))
    const until = this.#world.nowMicros + random.exponential(CUT_MICROS)
    for (const other of nodes) for (const link of [this.#link(alone, other), this.#link(other, alone)]) link.cutUntil = until
    this.#world.log?.(`isolate ${alone}`)
    return { untilMicros: until, hosts: [alone] }
  }

  /** A link takes nothing for a while: what is sent waits for it. */
  #overflow(random: Random): Struck {
    const nodes = [...this.#stations.keys()]
    const [from, to] = [random.pick(nodes), random.pick(nodes)]
    const until = this.#world.nowMicros + random.exponential(FULL_MICROS)
    this.#link(from, to).cloggedUntil = until
    this.#world.log?.(`full ${from} -> ${to}`)
    return { untilMicros: until, hosts: [from, to], text: `what ${from} sends to ${to} waits` }
  }

  /** Cuts one direction of a link for a while. */
  #cut(random: Random): Struck {
    const nodes = [...this.#stations.keys()]
    const from = random.pick(nodes)
    const to = random.pick(nodes)
    const until = this.#world.nowMicros + random.exponential(CUT_MICROS)
    this.#link(from, to).cutUntil = until
    this.#world.log?.(`cut ${from} -> ${to}`)
    return { untilMicros: until, hosts: [from, to], text: `nothing comes from ${from} to ${to}` }
  }
}

function copyOf({ bytes, start, end }: Frame): Frame {
  const copy = bytes.slice(start, end)
  return { bytes: copy, view: new DataView(copy.buffer), start: 0, end: copy.length }
}
