/**
 * One member of a quorum in small: the pure rules with a disk that is only a list of batches and a vote, and a process that dies. What is written is
 * in the page cache; what is synced outlives a power loss; operations of the disk take time and are done in order.
 */
import { endEpoch } from '../../coordinator/quorum-hand-over.ts'
import { appendToLog, emptySnapshot, endOf, epochBefore, newQuorumLog, votersAt, votersOf } from '../../coordinator/quorum-log.ts'
import { addObserver, changeVoters } from '../../coordinator/quorum-membership.ts'
import { encodeSnapshot, metadataValues, snapshotValues } from '../../coordinator/quorum-records.ts'
import type { QuorumBatch, QuorumSnapshot } from '../../coordinator/quorum-records.ts'
import { onSnapshotSaved } from '../../coordinator/quorum-replication.ts'
import { newQuorumState } from '../../coordinator/quorum-state.ts'
import type { QuorumOutput, QuorumState, QuorumStep } from '../../coordinator/quorum-state.ts'
import {
  isActive,
  nextDeadline,
  onLogSynced,
  onQuorumMessage,
  onQuorumTick,
  onVotePersisted,
  propose,
  startQuorum,
} from '../../coordinator/quorum.ts'
import { onNodeDown } from '../../coordinator/quorum-election.ts'
import { unreachable } from '../../protocol/assert.ts'
import type { QuorumMessage } from '../../protocol/messages/quorum.ts'
import { Random } from '../random.ts'
import { hashText } from '../trace-hash.ts'
import { checkActing, checkCommitted, checkElected, checkImage, checkRecovered, checkSent, forgetSpoken } from './truth.ts'
import type { IsDurable, QuorumTruth } from './truth.ts'

/** What a member needs of its surroundings. */
export interface MemberParts {
  readonly truth: QuorumTruth
  readonly bootstrap: readonly number[]
  readonly carry: (to: number, from: number, message: QuorumMessage) => void
  readonly isDurable: IsDurable
  /** Told when a member begins to lead, and when a leader has committed something. */
  readonly onMoment: (member: Member) => void
  /** Slow disks: a sync takes up to so long, in microseconds. */
  readonly syncMicrosMax: number
  readonly appendBytesMax: number
  /** Batches since the last snapshot that make the next. */
  readonly snapshotBatches: number
}

/** A vote on a disk. */
interface Vote {
  readonly epoch: number
  readonly votedFor: number
}

/** A member. It starts out dead. */
export class Member {
  readonly node: number
  readonly #parts: MemberParts
  readonly #random: Random
  state: QuorumState | null = null
  #life = 0
  #busyUntil = 0
  #timer = 0
  // The disk.
  #vote: Vote = { epoch: 0, votedFor: -1 }
  #safeVote: Vote = { epoch: 0, votedFor: -1 }
  #snapshot: QuorumSnapshot
  #batches: QuorumBatch[] = []
  #durableEnd = 0
  #isDoubtful = false
  #cuts = 0
  // The image, as a number, and how far it goes.
  #image = 0
  #appliedEnd = 0
  #isSaving = false

  constructor(node: number, parts: MemberParts) {
    this.node = node
    this.#parts = parts
    this.#random = new Random(parts.truth.world.seed, `member/${node}`)
    this.#snapshot = emptySnapshot(parts.bootstrap)
  }

  get isUp(): boolean {
    return this.state !== null
  }

  /** It leads and may act. */
  get isActive(): boolean {
    return this.state !== null && isActive(this.state)
  }

  /** Begins a life. */
  boot(): void {
    if (this.state !== null) return
    const log = newQuorumLog(this.#snapshot)
    for (const batch of this.#batches) appendToLog(log, batch)
    const lastEpoch = this.#batches.at(-1)?.epoch ?? this.#snapshot.epoch
    const epoch = Math.max(this.#vote.epoch, lastEpoch)
    const votedFor = epoch === this.#vote.epoch ? this.#vote.votedFor : -1
    checkRecovered(this.#parts.truth, this.node, epoch)
    const { appendBytesMax } = this.#parts
    const config = { node: this.node, electionTimeoutMillis: 150, heartbeatMillis: 40, appendBytesMax }
    this.state = newQuorumState(config, { epoch, votedFor, log, syncedEndOffset: this.#snapshot.endOffset, isDoubtful: this.#isDoubtful })
    this.#isSaving = false
    this.#loadImage(this.#snapshot)
    this.#sync()
    this.#step(startQuorum)
  }

  /** Dies; a power loss takes what is not synced, or leaves some of it. */
  crash(isPowerLoss: boolean): void {
    if (this.state === null) return
    this.state = null
    this.#life++
    this.#busyUntil = 0
    if (!isPowerLoss) return
    this.#vote = this.#random.below(2) === 0 ? this.#safeVote : this.#vote
    this.#safeVote = this.#vote
    const kept = this.#random.below(2) === 0 ? 0 : this.#random.below(4)
    const safe = this.#batches.filter(({ endOffset }) => endOffset <= this.#durableEnd).length
    this.#batches = this.#batches.slice(0, safe + kept)
    this.#durableEnd = Math.max(this.#snapshot.endOffset, this.#batches.at(-1)?.endOffset ?? 0)
  }

  /** While it is down, its disk loses some of the log, or everything; what is found when it begins again says so. */
  harm(random: Random): void {
    if (this.state !== null) return
    this.#isDoubtful = true
    const isWiped = random.below(2) === 0
    this.#batches = this.#batches.slice(0, isWiped ? 0 : random.below(this.#batches.length + 1))
    if (isWiped) {
      this.#snapshot = emptySnapshot(this.#parts.bootstrap)
      this.#vote = { epoch: 0, votedFor: -1 }
      this.#safeVote = this.#vote
      forgetSpoken(this.#parts.truth, this.node)
    }
    this.#durableEnd = this.#batches.at(-1)?.endOffset ?? this.#snapshot.endOffset
  }

  /** It may have less than it acknowledged. */
  get isDoubtful(): boolean {
    return this.#isDoubtful
  }

  /** A message has come. */
  receive(from: number, message: QuorumMessage): void {
    this.#step((step) => onQuorumMessage(step, from, message))
  }

  /** News of a death. */
  hearOfDeath(node: number): void {
    this.#step((step) => onNodeDown(step, node))
  }

  /** Writes something, if it may. */
  write(value: number): void {
    if (this.state === null || !isActive(this.state)) return
    checkActing(this.#parts.truth, this.node, this.state.epoch, this.#appliedEnd)
    this.#step((step) => void propose(step, [new TextEncoder().encode(String(value))]))
  }

  /** Goes, if it leads: others shall. */
  leave(): void {
    this.#step(endEpoch)
  }

  /** Makes a node ready to vote, if it leads. */
  observe(node: number): void {
    this.#step((step) => addObserver(step, node))
  }

  /** Adds or removes a voter, if it may. */
  change(node: number, voterCountMin: number): void {
    const { state } = this
    if (state === null) return
    const voters = votersOf(state.log)
    const next = voters.includes(node) ? voters.filter((one) => one !== node) : [...voters, node].toSorted((a, b) => a - b)
    if (next.length >= voterCountMin) this.#step((step) => void changeVoters(step, next))
  }

  /** Whether a power loss now would leave the batch that ends there. */
  has(endOffset: number, epoch: number): boolean {
    if (endOffset <= this.#snapshot.endOffset) return true
    return endOffset <= this.#durableEnd && this.#batches.some((batch) => batch.endOffset === endOffset && batch.epoch === epoch)
  }

  #step(input: (step: QuorumStep) => void): void {
    const { state } = this
    const { world } = this.#parts.truth
    if (state === null || world.violation !== null) return
    const outputs: QuorumOutput[] = []
    const uptime = world.nowMicros / 1000
    const before = state.highWatermark
    try {
      input({ state, uptime, now: Math.floor(uptime), random: this.#random.next(), outputs })
    } catch (error) {
      return world.fail('ASSERT', `node ${this.node}: ${error instanceof Error ? error.message : String(error)}`)
    }
    const life = this.#life
    for (const output of outputs) {
      this.#perform(state, output, before)
      if (life !== this.#life) return
    }
    this.#arm(state)
  }

  #arm(state: QuorumState): void {
    const { world } = this.#parts.truth
    const at = nextDeadline(state)
    if (at === Infinity) return
    const timer = ++this.#timer
    world.at(Math.max(world.nowMicros + 1, Math.ceil(at * 1000)), () => {
      if (timer === this.#timer) this.#step(onQuorumTick)
    })
  }

  #perform(state: QuorumState, output: QuorumOutput, before: number): void {
    const { truth, carry, isDurable, onMoment } = this.#parts
    switch (output.kind) {
      case 'send':
        checkSent(truth, this.node, output.to, output.message, Math.max(this.#durableEnd, this.#snapshot.endOffset))
        return carry(output.to, this.node, output.message)
      case 'persistVote':
        return this.#persist(output.sequence, { epoch: output.epoch, votedFor: output.votedFor })
      case 'append':
        this.#batches.push(output.batch)
        return this.#sync()
      case 'truncate':
        this.#batches = this.#batches.filter(({ endOffset }) => endOffset <= output.endOffset)
        this.#durableEnd = Math.min(this.#durableEnd, output.endOffset)
        this.#cuts++
        return this.#sync()
      case 'saveSnapshot':
        return this.#save(output.snapshot)
      case 'dropLog':
        this.#batches = output.how === 'kept' ? this.#batches.filter(({ endOffset }) => endOffset > output.endOffset) : []
        this.#durableEnd = output.how === 'kept' ? Math.max(this.#durableEnd, output.endOffset) : output.endOffset
        this.#cuts++
        return this.#sync()
      case 'committed':
        checkCommitted(truth, this.node, state, before, isDurable)
        if (state.role === 'leader') onMoment(this)
        return this.#apply(state)
      case 'caughtUp':
        this.#isDoubtful = false
        return
      case 'elected':
        checkElected(truth, this.node, state)
        return onMoment(this)
      case 'resigned':
        return
      default:
        return unreachable(output)
    }
  }

  /** Does something when the disk has come to it. */
  #later(micros: number, done: () => void): void {
    const { world } = this.#parts.truth
    this.#busyUntil = Math.max(this.#busyUntil, world.nowMicros) + micros
    const life = this.#life
    world.at(this.#busyUntil, () => {
      if (life === this.#life && this.state !== null) done()
    })
  }

  #syncMicros(): number {
    return this.#random.below(10) === 0 ? this.#random.between(1, this.#parts.syncMicrosMax) : this.#random.between(100, 1000)
  }

  #persist(sequence: number, vote: Vote): void {
    this.#vote = vote
    this.#later(this.#syncMicros(), () => {
      this.#safeVote = vote
      this.#step((step) => onVotePersisted(step, sequence))
    })
  }

  #sync(): void {
    const end = this.#batches.at(-1)?.endOffset ?? this.#snapshot.endOffset
    const cuts = this.#cuts
    this.#later(this.#syncMicros(), () => {
      if (cuts !== this.#cuts) return
      this.#durableEnd = Math.max(this.#durableEnd, end)
      this.#step((step) => onLogSynced(step, end))
    })
  }

  #save(snapshot: QuorumSnapshot): void {
    this.#isSaving = true
    this.#later(this.#syncMicros(), () => {
      this.#isSaving = false
      this.#step((step) => {
        if (snapshot.endOffset > this.#snapshot.endOffset) this.#snapshot = snapshot
        onSnapshotSaved(step, snapshot)
      })
    })
  }

  #apply(state: QuorumState): void {
    const { truth, snapshotBatches } = this.#parts
    if (this.#appliedEnd < state.log.snapshot.endOffset) this.#loadImage(state.log.snapshot)
    for (const batch of state.log.batches) {
      if (batch.endOffset <= this.#appliedEnd) continue
      if (batch.endOffset > state.highWatermark) break
      for (const value of metadataValues(batch)) this.#image = hashText(`${this.#image} ${new TextDecoder().decode(value)}`)
      this.#appliedEnd = batch.endOffset
      checkImage(truth, this.node, this.#appliedEnd, this.#image)
    }
    const applied = state.log.batches.filter(({ endOffset }) => endOffset <= this.#appliedEnd)
    if (applied.length < snapshotBatches || this.#isSaving) return
    const voters = votersAt(state.log, this.#appliedEnd)
    const epoch = epochBefore(state.log, this.#appliedEnd) ?? 0
    this.#save(encodeSnapshot({ endOffset: this.#appliedEnd, epoch, voters }, [new TextEncoder().encode(String(this.#image))], 0))
  }

  #loadImage(snapshot: QuorumSnapshot): void {
    const [value] = snapshotValues(snapshot)
    this.#image = value === undefined ? 0 : Number(new TextDecoder().decode(value))
    this.#appliedEnd = snapshot.endOffset
    if (value !== undefined) checkImage(this.#parts.truth, this.node, snapshot.endOffset, this.#image)
  }

  /** How far it has come, for the last look. */
  describe(): string {
    if (this.state === null) return `${this.node} is down`
    const { role, epoch, leader, highWatermark, log } = this.state
    return `${this.node} ${role} of epoch ${epoch}, leader ${leader}, end ${endOf(log)}, committed ${highWatermark}, voters ${votersOf(log).join(' ')}`
  }
}
