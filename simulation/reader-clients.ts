/**
 * All clients of a run that have to do with read modes: the writer of their topic, and the members that process it. None, if the seed has none.
 */
import { topicPartitionName } from '../protocol/ids.ts'
import { speaksClassic } from './classic-plan.ts'
import { committedOf, newGroupTruth } from './checkers/groups.ts'
import type { GroupTruth } from './checkers/groups.ts'
import { checkReaders, newReadersTruth, noReaderEvents, noteForgotten } from './checkers/readers.ts'
import type { ReaderEvent, ReadersTruth } from './checkers/readers.ts'
import { SESSION_MILLIS } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import { READER_GROUP, READER_TOPIC } from './reader-plan.ts'
import type { ReaderPlan } from './reader-plan.ts'
import { livesOf } from './truth.ts'
import { LetterWriter } from './workloads/letters.ts'
import { ReaderMember } from './workloads/reader.ts'

/** Of so many times that somebody leaves where nobody rests, it may be the first of them once. */
const STAYING = 8

/** What there is, where there are readers. */
interface Parts {
  readonly plan: ReaderPlan
  readonly group: GroupTruth
  readonly readers: ReadersTruth
  readonly writer: LetterWriter
  readonly members: readonly ReaderMember[]
}

/** The clients, through all their lives. */
export class ReaderClients {
  readonly #cluster: Cluster
  readonly #crashes: Random
  readonly #parts: Parts | null

  constructor(cluster: Cluster) {
    const { readers: plan } = cluster.plan
    this.#cluster = cluster
    this.#crashes = new Random(cluster.world.seed, 'readers/crashes')
    this.#parts = plan === null ? null : partsOf(cluster, plan)
  }

  /** What they did so far. */
  get counts(): Readonly<Record<ReaderEvent, number>> {
    return this.#parts?.readers.counts ?? noReaderEvents()
  }

  /** Begins to write and to read; members die, as long as faults strike. */
  start(): void {
    if (this.#parts === null) return
    const { writer, members, plan } = this.#parts
    writer.start()
    for (const member of members) member.start()
    this.#misfortune(members, plan)
  }

  #misfortune(members: readonly ReaderMember[], plan: ReaderPlan): void {
    const random = this.#crashes
    this.#cluster.world.after(random.exponential(plan.crashMillis * 1000), () => {
      if (!this.#cluster.faults.active) return
      // Where others come and go all the time, one of them sees partitions go and come back.
      const others = plan.rushMicros !== null && random.below(STAYING) > 0 ? members.slice(1) : members
      random.pick(others).crash()
      this.#misfortune(members, plan)
    })
  }

  /** Nothing more is written. */
  stop(): void {
    this.#parts?.writer.stop()
  }

  /** Everything that was written is answered. */
  get isIdle(): boolean {
    return this.#parts?.writer.isIdle ?? true
  }

  /** One more batch for each partition, which must succeed. */
  lastRound(): void {
    this.#parts?.writer.lastRound()
  }

  /** How many of those did not. */
  get failedLately(): number {
    return this.#parts?.writer.failedLately ?? 0
  }

  /** The topics that there are beside those of the plan, and how many partitions they have. */
  get topics(): ReadonlyMap<string, number> {
    return new Map(this.#parts === null ? [] : [[READER_TOPIC, this.#parts.plan.partitions]])
  }

  /** Who has not come to the end of which partition; null if all have. */
  laggard(endOf: (topic: string, partition: number) => number): string | null {
    if (this.#parts === null) return null
    const { plan, members, group } = this.#parts
    for (let partition = 0; partition < plan.partitions; partition++) {
      const name = topicPartitionName(READER_TOPIC, partition)
      const end = endOf(READER_TOPIC, partition)
      const positions = members.map((member) => member.positionOf(name)).filter((position) => position >= 0)
      if (positions.length !== 1) return `: ${positions.length} readers have ${name} and nothing to do`
      if (positions[0] !== end) return `: the reader in mode ${plan.mode} is at ${positions[0]} of ${end} in ${name}`
      // At most once goes on behind what a commit has failed for.
      if (plan.mode !== 'at-most-once' && committedOf(group, name) < end)
        return `: readers have committed ${committedOf(group, name)} of ${end} in ${name}`
    }
    return null
  }

  /** The last look at what they have done. */
  check(): void {
    if (this.#parts === null) return
    const { plan, readers } = this.#parts
    const names = Array.from({ length: plan.partitions }, (_, partition) => topicPartitionName(READER_TOPIC, partition))
    checkReaders(
      readers,
      names.flatMap((name) => livesOf(this.#cluster.truth, name)),
    )
  }
}

function partsOf(cluster: Cluster, plan: ReaderPlan): Parts {
  const { truth } = cluster
  const group = newGroupTruth(truth, READER_GROUP, SESSION_MILLIS, cluster.plan.offsetsRetentionMillis)
  group.countsWhen = 'heard'
  group.isClassic = speaksClassic(cluster.plan.classic)
  cluster.groups.inside.push(group)
  const takenEnd = truth.committedEnds.get(READER_GROUP) ?? (() => -1)
  const readers = newReadersTruth({ truth, mode: plan.mode, rememberedKeys: plan.rememberedKeys, takenEnd })
  group.onExpired.push((partition) => noteForgotten(readers, partition))
  const members = Array.from({ length: plan.size }, (_, index) => new ReaderMember(cluster, index, { plan, group, readers }))
  return { plan, group, readers, writer: new LetterWriter(cluster, plan), members }
}
