/**
 * The metadata quorum alone, in small: its rules, a network that loses, repeats, reorders and cuts, and members that die with and without their page cache.
 * A run takes a few virtual seconds and milliseconds of real time, so that thousands of seeds are cheap.
 */
import { votersOf } from '../../coordinator/quorum-log.ts'
import type { QuorumMessage } from '../../protocol/messages/quorum.ts'
import { withoutAmbientTime } from '../guard.ts'
import { Random } from '../random.ts'
import { hashText } from '../trace-hash.ts'
import { World } from '../world.ts'
import { noReaderEvents } from '../checkers/readers.ts'
import { mapKinds } from '../faults.ts'
import type { RunResult } from '../run.ts'
import { noTransactionEvents } from '../transactions-truth.ts'
import { noAnomalies } from '../truth.ts'
import { Member } from './member.ts'
import { newQuorumTruth } from './truth.ts'

/** Faults strike for so long. */
const UNREST_MICROS = 6_000_000

/** Then everything must settle within this time. */
const SETTLE_MICROS = 5_000_000

/** In one of so many seeds leaders leave, about so often if each of five members is asked in turn. */
const LEAVING_SEEDS = 4
const LEAVE_MICROS = 60_000

/** In one of so many seeds disks of voters lose what they had, about so often, as long as most of the voters have lost nothing. Such a voter stays away until its last words are heard. */
const HARM_SEEDS = 6
const HARM_MICROS = 300_000
const HARMED_MICROS = 150_000

/**
 * In one of so many seeds leaders die at the moments that matter to them: when they have just been elected, or have just committed something. One in so many does, so much later on average; all
 * that it says until then is lost, or half of it, or what it says to some; somebody would change the voters just then; and it is back soon, or late.
 */
const AMBUSH_SEEDS = 3
const AMBUSH_SHARES = [2, 4, 10] as const
const AMBUSH_MICROS = [200, 1000, 5000, 50_000] as const
const AWAY_MICROS = [5000, 100_000, 400_000] as const

/**
 * In one of so many seeds the cluster is in a haste: four voters, of whom two pairs may each think that they are most; whoever is elected, or has committed something, is asked at once for other
 * voters, and dies then, unheard by half of the others.
 */
const HASTY_SEEDS = 6
const HASTY_VOTERS = 4

/** A run has some thousands of events: with more than that somebody is busy with nothing. */
const EVENTS_MAX = 50_000

/** Runs a seed. `acknowledged` in the result is how far the log was committed. `log` takes the lines of the transcript. */
export function runQuorum(seed: number, _options: object = {}, log: ((line: string) => void) | null = null): RunResult {
  return withoutAmbientTime(() => new QuorumRun(seed, log).result())
}

class QuorumRun {
  readonly #world: World
  readonly #random: Random
  readonly #members: Member[]
  readonly #truth: ReturnType<typeof newQuorumTruth>
  readonly #voterCount: number
  readonly #lossPerMillion: number
  readonly #lateMicros: number
  readonly #crashMicros: number
  readonly #changesVoters: boolean
  readonly #isHasty: boolean
  #isCut: (from: number, to: number) => boolean = () => false
  /** Null: nobody lies in wait for leaders. */
  readonly #ambush: Random | null
  /** A leader that is about to die, how many of four of its words are lost, and who does not hear it at all. */
  #doomed: Member | null = null
  #lostOfFour = 0
  #deaf: ReadonlySet<number> = new Set()
  #isActive = true
  #written = 0

  constructor(seed: number, log: ((line: string) => void) | null) {
    const world = new World(seed, EVENTS_MAX)
    const random = new Random(seed, 'quorum')
    this.#world = world
    if (log !== null) world.log = (line) => log(`${(world.nowMicros / 1000).toFixed(3).padStart(10)} ${line}`)
    this.#random = random
    this.#truth = newQuorumTruth(world)
    this.#isHasty = new Random(seed, 'hasty').below(HASTY_SEEDS) === 0
    const voterCount = random.pick([1, 3, 3, 3, 4, 5])
    this.#voterCount = this.#isHasty ? HASTY_VOTERS : voterCount
    const memberCount = this.#voterCount + random.below(2)
    this.#lossPerMillion = random.pick([0, 0, 10_000, 100_000])
    this.#lateMicros = random.pick([0, 2000, 100_000])
    this.#crashMicros = random.pick([100_000, 300_000, 1_000_000])
    this.#changesVoters = random.below(2) === 0 || this.#isHasty
    const ambush = new Random(seed, 'ambush')
    this.#ambush = ambush.below(AMBUSH_SEEDS) === 0 || this.#isHasty ? ambush : null
    const drawn = ambush.pick(AMBUSH_SHARES)
    const share = this.#isHasty ? 1 : drawn
    const parts = {
      truth: this.#truth,
      bootstrap: Array.from({ length: this.#voterCount }, (_, node) => node),
      carry: (to: number, from: number, message: QuorumMessage) => this.#carry(to, from, message),
      isDurable: (node: number, endOffset: number, epoch: number) =>
        this.#members[node]?.has(endOffset, epoch) === true || this.#members[node]?.isDoubtful === true,
      onMoment: (member: Member) => this.#ambush?.below(share) === 0 && this.#doom(member, this.#ambush),
      syncMicrosMax: random.pick([2000, 20_000, 400_000]),
      appendBytesMax: random.pick([100, 10_000]),
      snapshotBatches: random.pick([3, 10, 1_000_000]),
    }
    this.#members = Array.from({ length: memberCount }, (_, node) => new Member(node, parts))
  }

  result(): RunResult {
    const world = this.#world
    for (const member of this.#members) member.boot()
    this.#repeat(20_000, () => this.#anyMember().write(++this.#written))
    this.#repeat(this.#crashMicros, () => this.#strike())
    this.#repeat(400_000, () => this.#cut())
    if (this.#changesVoters) this.#repeat(150_000, () => this.#change())
    const leaving = new Random(world.seed, 'leave')
    if (leaving.below(LEAVING_SEEDS) === 0) this.#repeat(LEAVE_MICROS, () => leaving.pick(this.#members).leave(), leaving)
    const harming = new Random(world.seed, 'harm')
    if (harming.below(HARM_SEEDS) === 0 && !this.#changesVoters) this.#repeat(HARM_MICROS, () => this.#harm(harming), harming)
    world.runUntil(UNREST_MICROS)
    this.#isActive = false
    this.#isCut = () => false
    for (const member of this.#members) member.boot()
    this.#settle()
    return {
      seed: world.seed,
      hash: world.trace.toString(),
      violation: world.violation,
      virtualSeconds: world.nowMicros / 1_000_000,
      events: world.eventCount,
      acknowledged: this.#truth.committedEnd,
      faults: mapKinds(() => 0),
      timed: mapKinds(() => []),
      anomalies: noAnomalies(),
      transactions: noTransactionEvents(),
      readers: noReaderEvents(),
      pairs: world.pairs,
      forgiven: 0,
    }
  }

  /** One leader, and all voters with the same log, to its end. */
  #settle(): void {
    const world = this.#world
    world.runUntil(world.nowMicros + 1_000_000)
    for (const member of this.#members) member.write(++this.#written)
    const deadline = world.nowMicros + SETTLE_MICROS
    while (world.violation === null && !this.#isSettled()) {
      if (world.nowMicros > deadline) world.fail('LIVE', this.#members.map((member) => member.describe()).join('; '))
      world.runUntil(world.nowMicros + 50_000)
      for (const member of this.#members) member.write(++this.#written)
      world.runUntil(world.nowMicros + 150_000)
    }
  }

  #isSettled(): boolean {
    const leaders = this.#members.filter((member) => member.isActive)
    const leader = leaders[0]?.state
    if (leaders.length !== 1 || leader === null || leader === undefined) return false
    if (this.#written === 0 || leader.highWatermark !== this.#truth.committedEnd) return false
    return votersOf(leader.log).every((node) => this.#members[node]?.state?.highWatermark === leader.highWatermark)
  }

  #carry(to: number, from: number, message: QuorumMessage): void {
    const random = this.#random
    this.#world.trace.addTime(this.#world.nowMicros)
    this.#world.trace.add(hashText(`${from} ${to} ${message.kind} ${message.epoch}`))
    this.#world.log?.(
      `${from} -> ${to} ${JSON.stringify({ ...message, records: 'records' in message ? message.records?.length : undefined })}`,
    )
    const copies = this.#isActive && random.perMillion(this.#lossPerMillion) ? random.pick([0, 0, 2]) : 1
    if (this.#isActive && (this.#isCut(from, to) || this.#isUnheard(to, from))) return
    for (let i = 0; i < copies; i++) {
      const late = this.#isActive && this.#lateMicros > 0 && random.below(5) === 0 ? random.below(this.#lateMicros) : 0
      this.#world.after(random.between(20, 300) + late, () => this.#members[to]?.receive(from, message))
    }
  }

  #isUnheard(to: number, from: number): boolean {
    return this.#ambush !== null && this.#doomed?.node === from && (this.#deaf.has(to) || this.#ambush.below(4) < this.#lostOfFour)
  }

  /** A leader is to die soon. */
  #doom(member: Member, random: Random): void {
    if (!this.#isActive || (this.#isHasty && this.#doomed !== null)) return
    this.#doomed = member
    this.#lostOfFour = random.pick([0, 0, 2, 4])
    this.#deaf = new Set(this.#members.flatMap((one) => (random.below(this.#isHasty ? 2 : 3) === 0 ? one.node : [])))
    const { node } = random.pick(this.#members)
    if (this.#changesVoters && (this.#isHasty || random.below(2) === 0)) this.#world.after(1, () => member.change(node, 1))
    const isPowerLoss = random.below(2) === 0
    const micros = random.exponential(random.pick(AMBUSH_MICROS))
    const awayMicros = random.exponential(random.pick(AWAY_MICROS))
    this.#world.after(1 + micros, () => {
      this.#doomed = null
      if (!this.#isActive || !member.isUp) return
      this.#world.log?.(`ambush: ${member.describe()}`)
      member.crash(isPowerLoss)
      this.#world.after(awayMicros, () => member.boot())
    })
  }

  #strike(): void {
    this.#strikeOne(this.#anyMember())
  }

  #strikeOne(member: Member): void {
    if (!member.isUp) return
    const isPowerLoss = this.#random.below(2) === 0
    this.#world.log?.(`${isPowerLoss ? 'power loss' : 'kill'}: ${member.describe()}`)
    member.crash(isPowerLoss)
    this.#world.after(this.#random.exponential(this.#crashMicros / 3), () => member.boot())
    if (this.#random.below(2) === 0) return
    for (const other of this.#members) this.#world.after(this.#random.below(5000), () => other.hearOfDeath(member.node))
  }

  /** A voter dies, and loses some of what it had, or everything. */
  #harm(random: Random): void {
    const member = this.#members[random.below(this.#voterCount)]
    const doubtful = this.#members.filter((one) => one.isDoubtful && one !== member).length
    if (member === undefined || !member.isUp || (doubtful + 1) * 2 >= this.#voterCount) return
    if (this.#world.nowMicros + HARMED_MICROS > UNREST_MICROS) return
    this.#world.log?.(`harm: ${member.describe()}`)
    member.crash(false)
    member.harm(random)
    this.#world.after(HARMED_MICROS + random.exponential(this.#crashMicros / 3), () => member.boot())
  }

  /** Splits the members in two, or cuts one direction between two of them, for a while. */
  #cut(): void {
    const random = this.#random
    const side = new Set(this.#members.filter(() => random.below(2) === 0).map(({ node }) => node))
    const [a, b] = [this.#anyMember().node, this.#anyMember().node]
    const isSplit = random.below(2) === 0
    // A split often comes with the death of a side.
    if (isSplit && random.below(3) === 0) for (const member of this.#members) if (side.has(member.node)) this.#strikeOne(member)
    this.#world.log?.(isSplit ? `split off ${[...side].join(' ')}` : `cut ${a} -> ${b}`)
    this.#isCut = isSplit ? (from, to) => side.has(from) !== side.has(to) : (from, to) => from === a && to === b
    this.#world.after(random.exponential(300_000), () => (this.#isCut = () => false))
  }

  #change(): void {
    const { node } = this.#anyMember()
    for (const member of this.#members) {
      member.observe(node)
      this.#world.after(20_000, () => member.change(node, 1))
    }
  }

  #anyMember(): Member {
    return this.#random.pick(this.#members)
  }

  #repeat(meanMicros: number, run: () => void, random: Random = this.#random): void {
    this.#world.after(random.exponential(meanMicros), () => {
      if (!this.#isActive) return
      run()
      this.#repeat(meanMicros, run, random)
    })
  }
}
