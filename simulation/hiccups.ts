/**
 * Disks that hang at the moment of a proof: when a checkpoint or a registration is synced, or what was found when a log was opened. What waits meanwhile is answered late, and some of it says that it has failed: once, as
 * on Linux, where the next sync succeeds although the pages are lost. While a disk hangs another node may lead; when it has failed, the power goes at one of the next steps, or a bit flips, or it hangs once more when the log is
 * opened again. What a power loss takes, and where a bit may flip, is what disk-file.ts and damage.ts have it.
 */
import { BROKER_LOG } from '../actors/broker-registration.ts'
import type { StorageEffect } from '../actors/effect.ts'
import { logNameOf } from '../partitions/replica-state.ts'
import type { PartitionImage } from '../coordinator/partition-image.ts'
import type { Cluster } from './cluster.ts'
import { Damage } from './damage.ts'
import type { DiskStage } from './disk.ts'
import type { DiskTrouble } from './disk-trouble.ts'
import { deathAt, likeness, PATIENCE_MICROS } from './last-steps.ts'
import type { LastSteps } from './last-steps.ts'
import { again, soon } from './again.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two strikes, on average, in microseconds; the moment is waited for so long. */
const PAUSE_MICROS = 1_200_000
const WAIT_MICROS = 3_000_000

/** When a disk hangs: when something with a checkpoint is written or synced, a registration is synced, a log is synced that has just been opened, or any log is synced. */
type Moment = 'checkpoint' | 'registration' | 'opened' | 'log'

const MOMENTS: readonly Moment[] = ['checkpoint', 'checkpoint', 'registration', 'opened', 'log', 'log']

/** It hangs for so long at most, in microseconds, mostly shortly; a long one is as long as others need to elect a leader. */
const HANGS_MICROS: readonly number[] = [0, 5000, 50_000, 300_000, 1_200_000]
const LONG_MICROS = 100_000

/** So many operations succeed all the same before the first one fails, and so many fail, at most; none of those that are asked so much later. */
const SPARED_MAX = 2
const FAILURES_MAX = 6
const AFTERMATH_MICROS = 20_000

/** The node is to lead so long after that, at most, in microseconds: what it takes for proved counts then. */
const LEAD_MICROS = 2_500_000

/** A bit flips so long after that, at most, in microseconds: a log is opened again after a second. */
const ROT_MICROS = 1_000_000

/** A disk that is to hang. */
interface Hiccup {
  readonly moment: Moment
  /** Null: of any. */
  readonly log: string | null
  readonly until: number
}

/** A disk that hangs, or has hung. */
interface Spell {
  readonly moment: Moment
  readonly log: string
  readonly file: string
  readonly until: number
  spared: number
  failures: number
  hasFailed: boolean
}

/** Begins the ordeal in a run that has it. */
export function unleashHiccups(cluster: Cluster, admin: AdminWorkload): void {
  if (cluster.plan.ordeals?.kinds.includes('hiccup') !== true) return
  const last: LastSteps = new Map()
  const steps = new Random(cluster.world.seed, 'ordeals/hiccup/steps')
  const disks = cluster.nodes.map(({ host, disk }) => {
    const one = new Hiccups(cluster, admin, { node: host.node, last })
    disk.trouble = one
    return one
  })
  const { onDiskStep } = cluster
  cluster.onDiskStep = (step) => {
    if (onDiskStep?.(step) === true) return true
    const death = cluster.faults.active ? deathAt(last, step, cluster.world.nowMicros, steps) : null
    if (death !== null) cluster.crash(step.node, death === 'powerLoss')
    return death !== null
  }
  again(cluster, PAUSE_MICROS, new Random(cluster.world.seed, 'ordeals/hiccup'), (random) => random.pick(disks).arm(random))
}

/** The hiccups of one disk. */
class Hiccups implements DiskTrouble {
  readonly #cluster: Cluster
  readonly #admin: AdminWorkload
  readonly #node: number
  readonly #last: LastSteps
  readonly #random: Random
  /** Logs that were listed, and not synced since. */
  readonly #opened: Set<string> = new Set()
  #hiccup: Hiccup | null = null
  #spell: Spell | null = null

  constructor(cluster: Cluster, admin: AdminWorkload, { node, last }: { readonly node: number; readonly last: LastSteps }) {
    this.#cluster = cluster
    this.#admin = admin
    this.#node = node
    this.#last = last
    this.#random = new Random(cluster.world.seed, `ordeals/hiccup/${node}`)
  }

  /** Waits for a moment; where something is to be opened for it, the process dies first, perhaps. */
  arm(random: Random): void {
    const moment = random.pick(MOMENTS)
    const logs = this.#cluster.nodes[this.#node]!.disk.logNames().filter((log) => this.#placedAs(log) !== null)
    // What is synced all the time would be the only one otherwise.
    const log = moment === 'log' && logs.length > 0 ? random.pick(logs) : null
    this.#hiccup = { moment, log, until: this.#cluster.world.nowMicros + WAIT_MICROS }
    const isOpening = moment === 'registration' || moment === 'opened' || (moment === 'checkpoint' && random.below(2) === 0)
    if (isOpening) this.#cluster.crash(this.#node, false)
  }

  holdMicros(effect: StorageEffect): number {
    if (effect.kind === 'list') this.#opened.add(effect.log)
    const hiccup = this.#hiccup
    const isNow = hiccup !== null && this.#isMoment(hiccup, effect)
    if (effect.kind === 'sync') this.#opened.delete(effect.log)
    if (hiccup === null || !isNow || (effect.kind !== 'sync' && effect.kind !== 'replace')) return 0
    const isLong = hiccup.moment === 'log' && this.#random.below(2) === 0
    const micros = this.#random.below((isLong ? HANGS_MICROS[HANGS_MICROS.length - 1]! : this.#random.pick(HANGS_MICROS)) + 1)
    this.#hiccup = null
    this.#spell = {
      moment: hiccup.moment,
      log: effect.log,
      file: effect.file,
      until: this.#cluster.world.nowMicros + micros + AFTERMATH_MICROS,
      spared: this.#random.below(2) === 0 ? 0 : this.#random.between(1, SPARED_MAX),
      failures: this.#random.between(1, FAILURES_MAX),
      hasFailed: false,
    }
    this.#cluster.world.log?.(
      `ordeal: the disk of node ${this.#node} hangs for ${micros} us at ${effect.kind} of ${effect.log}/${effect.file}`,
    )
    if (micros >= LONG_MICROS) this.#moveLeader(effect.log, micros)
    return micros
  }

  fails(effect: StorageEffect): boolean {
    const spell = this.#spell
    const isWrite = effect.kind === 'append' || effect.kind === 'replace' || effect.kind === 'sync'
    if (spell === null || !isWrite || effect.log !== spell.log) return false
    if (this.#cluster.world.nowMicros > spell.until || spell.failures === 0) this.#spell = null
    if (this.#spell === null || spell.spared-- > 0) return false
    spell.failures--
    this.#cluster.world.log?.(`ordeal: the disk of node ${this.#node} fails at ${effect.kind} of ${effect.log}/${effect.file}`)
    if (!spell.hasFailed) this.#follow(spell)
    spell.hasFailed = true
    return true
  }

  #isMoment({ moment, log, until }: Hiccup, effect: StorageEffect): boolean {
    if (this.#cluster.world.nowMicros > until || (effect.kind !== 'sync' && effect.kind !== 'replace')) return false
    if (log !== null && effect.log !== log) return false
    const { kind, file } = effect
    if (moment === 'checkpoint') return file.startsWith('checkpoint-')
    if (moment === 'registration') return effect.log === BROKER_LOG && kind === 'sync'
    if (moment === 'opened') return kind === 'sync' && this.#opened.has(effect.log)
    return kind === 'sync' && file.endsWith('.log')
  }

  /** What comes of it. */
  #follow({ log, file, moment }: Spell): void {
    const { world } = this.#cluster
    const random = this.#random
    const fate = moment === 'registration' ? 0 : random.below(4)
    const isSame = random.below(2) === 0
    if (fate <= 1)
      this.#last.set(this.#node, {
        log,
        kind: isSame ? random.pick(['replace', 'sync']) : null,
        like: likeness(file),
        stage: random.pick<DiskStage>(['before', 'between', 'after']),
        steps: random.below(isSame ? 2 : 8),
        until: world.nowMicros + PATIENCE_MICROS,
        isPowerLoss: random.below(4) > 0,
        isRepeated: random.below(3) === 0,
      })
    if (random.below(3) === 0) soon(this.#cluster, random.below(LEAD_MICROS), () => this.#lead(log))
    if (fate >= 2) this.#hiccup = { moment: 'opened', log, until: world.nowMicros + WAIT_MICROS }
    if (fate === 3 || moment === 'opened')
      soon(this.#cluster, random.below(ROT_MICROS), () => void new Damage(this.#cluster).rotSlyly(this.#node, random, log))
  }

  /** Another one is to lead, and has not all that the one has who leads now. */
  #moveLeader(log: string, micros: number): void {
    const found = this.#placedAs(log)
    const random = this.#random
    if (found === null) return
    const { topic, partition, image } = found
    const heirs = image.replicas.filter((node) => node !== image.leader && node !== this.#node)
    if (heirs.length === 0) return
    const heir = random.pick(heirs)
    const isKilled = random.below(2) === 0
    const at = random.below(micros >> 2)
    soon(this.#cluster, at, () => this.#cluster.cut(image.leader, heir, micros - at))
    soon(this.#cluster, (micros >> 2) + random.below(micros >> 1), () => {
      if (isKilled && image.leader !== this.#node) this.#cluster.crash(image.leader, false)
      else if (this.#admin.isIdle) this.#admin.place(topic, partition, [heir, ...image.replicas.filter((node) => node !== heir)])
    })
  }

  #lead(log: string): void {
    const found = this.#placedAs(log)
    if (found === null || !this.#admin.isIdle || !found.image.replicas.includes(this.#node)) return
    const { topic, partition, image } = found
    this.#admin.place(topic, partition, [this.#node, ...image.replicas.filter((node) => node !== this.#node)])
  }

  #placedAs(log: string): { readonly topic: string; readonly partition: number; readonly image: PartitionImage } | null {
    for (const { name, topicId, partitions } of this.#cluster.latestImage()?.topics.values() ?? []) {
      const partition = partitions.findIndex((_, index) => logNameOf(name, topicId, index) === log)
      const image = partitions[partition]
      if (image === undefined) continue
      const isSettled = image.adding.length === 0 && image.removing.length === 0 && image.leader >= 0
      return isSettled ? { topic: name, partition, image } : null
    }
    return null
  }
}
