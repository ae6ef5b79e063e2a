/**
 * The disk of one node: log directories with files, and a queue of operations per directory, done one after the other in the order of their
 * effects. An operation takes effect when its time has come, and is answered then. A kill keeps what took effect and perhaps some of the
 * queue; a power loss keeps what is durable and, of the rest, what chance leaves.
 */
import type { CompactEffect, StorageEffect } from '../actors/effect.ts'
import type { Compacted, StorageAnswer, StorageError } from '../protocol/messages/storage.ts'
import { cleanSimulated, leaveUnfinished } from './disk-cleaning.ts'
import {
  afterPowerLoss,
  appendBytes,
  beforeReplace,
  failSync,
  newFile,
  readFile,
  renameFile,
  replaceContent,
  rewriteBytes,
  syncFile,
  truncateFile,
  writtenBytes,
} from './disk-file.ts'
import type { SimulatedFile } from './disk-file.ts'
import type { DiskTrouble } from './disk-trouble.ts'
import type { FaultKind, Faults } from './faults.ts'
import { METADATA_LOG } from './metadata-log.ts'
import { Random } from './random.ts'
import type { World } from './world.ts'

/** Where in an operation a crash may strike: before it takes effect, before its answer is heard, or after what the answer led to. */
export type DiskStage = 'before' | 'between' | 'after'

/** Where the disk of a node is. */
export interface DiskStep {
  readonly node: number
  readonly stage: DiskStage
  readonly effect: StorageEffect
}

/** What the disk needs of its node. */
export interface DiskOwner {
  readonly node: number
  /** Asks whether the node crashes at this point of an operation; true if it did. */
  crashesAt(stage: DiskStage, isWrite: boolean, effect: StorageEffect): boolean
}

interface Operation {
  readonly effect: StorageEffect
  readonly answer: (message: StorageAnswer) => void
}

interface LogDirectory {
  readonly files: Map<string, SimulatedFile>
  readonly queue: Operation[]
  busyUntil: number
  /** It was taken away behind the node's back, and nothing is in it since. */
  isLost: boolean
}

/** How long the quick operations take at most, in microseconds. */
const QUICK_MICROS = 30

/** A sync, least and most. */
const SYNC_MICROS = [150, 1200] as const

/** A cleaning, least and most: long enough for the log to change meanwhile. */
const CLEANING_MICROS = [500, 400_000] as const

/** What a slow operation takes at most. */
const SLOW_MICROS = 2_000_000

/** Where there is too much to do, an operation takes so much longer at most, and one in so many longer than that. */
const STRAINED_MICROS = 10_000
const STUCK_SHARE = 4
const STUCK_MICROS = 300_000

/** Of a disk that is not well, one in so many operations with checkpoints fails, and one in so many others. */
const AILING_SHARE = 2
const SELDOM_SHARE = 16

/** The queue of operations that concern no log directory. */
const NODE_QUEUE = ''

/** A file system in memory. */
export class Disk {
  readonly #world: World
  readonly #owner: DiskOwner
  readonly #faults: Faults
  readonly #random: Random
  /** Of cleanings, which are done beside everything else. */
  readonly #cleaningRandom: Random
  readonly #cleanings: Set<CompactEffect> = new Set()
  readonly #logs: Map<string, LogDirectory> = new Map()
  /** Counts crashes: completions of a former life do nothing. */
  #life = 0
  /** Everything takes longer until then, by draws of its own. */
  strainedUntil = 0
  readonly #strain: Random
  /** Nothing is done until then, but what concerns the metadata log, which has a disk of its own. */
  hangsUntil = 0
  /** Appends fail until then. */
  fullUntil = 0
  /** Some of what concerns checkpoints fails until then, and a little of everything else; by draws of its own. */
  ailingUntil = 0
  readonly #ailments: Random
  /** Cleanings take so many times as long. */
  cleaningFactor = 1
  /** What else may befall it. */
  trouble: DiskTrouble | null = null
  /** Syncs fail until the node is started again. */
  failsToSync = false

  constructor(world: World, owner: DiskOwner, faults: Faults) {
    this.#world = world
    this.#owner = owner
    this.#faults = faults
    this.#random = new Random(world.seed, `disk/${owner.node}`)
    this.#cleaningRandom = new Random(world.seed, `cleaning/${owner.node}`)
    this.#strain = new Random(world.seed, `ordeals/strain/disk/${owner.node}`)
    this.#ailments = new Random(world.seed, `ordeals/ailing/disk/${owner.node}`)
  }

  /** Takes an operation; borrowed bytes are copied. */
  submit(effect: StorageEffect, answer: (message: StorageAnswer) => void): void {
    if (effect.kind === 'compact') return this.#compact(effect, answer)
    const name = effect.kind === 'listLogs' ? NODE_QUEUE : effect.log
    const log = this.#log(name)
    const owned =
      effect.kind === 'append' || effect.kind === 'rewrite' || effect.kind === 'replace'
        ? { ...effect, bytes: effect.bytes.slice() }
        : effect
    log.queue.push({ effect: owned, answer })
    log.busyUntil = Math.max(log.busyUntil + 1, this.#idleFrom(name)) + this.#duration(effect) + this.#strained() + this.#held(effect)
    const life = this.#life
    this.#world.at(log.busyUntil, () => {
      if (life === this.#life) this.#complete(log)
    })
  }

  /** Nothing of its log waits for a cleaning. It reads what is there when it is done: inputs do not change, but may be gone. */
  #compact(effect: CompactEffect, answer: (message: Compacted) => void): void {
    const life = this.#life
    this.#cleanings.add(effect)
    this.#world.after(this.#cleaningRandom.between(...CLEANING_MICROS) * this.cleaningFactor, () => {
      if (life !== this.#life || this.#owner.crashesAt('before', true, effect)) return
      this.#cleanings.delete(effect)
      const message = this.#cleaned(effect)
      if (!this.#owner.crashesAt('between', true, effect)) answer(message)
    })
  }

  #cleaned({ log, order, token }: CompactEffect): Compacted {
    if (this.#world.nowMicros < this.fullUntil) return { kind: 'compacted', token, cleaned: null, error: 'full' }
    const outcome = cleanSimulated(this.#log(log).files, order)
    return { kind: 'compacted', token, cleaned: outcome.ok ? outcome.cleaned : null, error: outcome.ok ? null : outcome.error }
  }

  /** The files of a log directory; what a checker looks at. */
  files(log: string): ReadonlyMap<string, SimulatedFile> {
    return this.#logs.get(log)?.files ?? new Map()
  }

  /** A file is gone, while the node is down. */
  lose(log: string, file: string): void {
    this.#logs.get(log)?.files.delete(file)
  }

  /** A log directory is taken away, while the node is down; the node remembers that there was one. */
  loseLog(name: string): void {
    const log = this.#log(name)
    log.files.clear()
    log.isLost = true
  }

  /** Whether a log directory is away. */
  isLost(log: string): boolean {
    return this.#logs.get(log)?.isLost === true
  }

  /** Every log directory that ever was, those without files included. */
  knownLogs(): string[] {
    return [...this.#logs.keys()].filter((name) => name !== NODE_QUEUE)
  }

  /** The log directories. */
  logNames(): string[] {
    return [...this.#logs.keys()].filter((name) => name !== NODE_QUEUE && this.files(name).size > 0).toSorted()
  }

  /** The node dies. Some of the queued operations may have taken effect, the one under way perhaps in part. */
  crash(isPowerLoss: boolean): void {
    this.#life++
    this.failsToSync = false
    for (const { log, order } of this.#cleanings) leaveUnfinished(this.#log(log).files, order, this.#cleaningRandom)
    this.#cleanings.clear()
    const isTearing = this.#faults.options.tornWrite > 0 && this.#faults.draws('tornWrite').perMillion(this.#faults.options.tornWrite)
    for (const [name, log] of this.#logs) {
      this.#finishSome(log, isTearing)
      log.busyUntil = 0
      if (!isPowerLoss) {
        // Nobody who starts again can know of syncs that failed before: what they have lost is beyond the atlas.
        for (const file of log.files.values()) Object.assign(file, { lostFrom: -1, isDoubted: false })
        continue
      }
      for (const [file, content] of log.files) {
        const isLost = content.before !== undefined && this.#strikes('renameLost')
        const left = isLost ? beforeReplace(content) : afterPowerLoss(content, this.#random, isTearing)
        if (left === null) log.files.delete(file)
        else log.files.set(file, left)
      }
      this.#world.log?.(
        `disk ${this.#owner.node} ${name} after power loss: ${[...log.files].map(([file, one]) => `${file}=${one.sizeBytes}`).join(' ')}`,
      )
    }
  }

  #finishSome(log: LogDirectory, isTearing: boolean): void {
    const { queue } = log
    const finished = queue.length === 0 ? 0 : this.#random.below(queue.length + 1)
    for (const { effect } of queue.slice(0, finished)) {
      if (effect.kind !== 'sync') this.#perform(log, effect)
    }
    const torn = queue[finished]?.effect
    if (torn?.kind === 'rename')
      this.#perform(log, { ...torn, renames: torn.renames.slice(0, this.#cleaningRandom.below(torn.renames.length + 1)) })
    if (isTearing && torn?.kind === 'append' && torn.bytes.length > 1) {
      this.#faults.counts.tornWrite++
      this.#world.onlooker?.struck('tornWrite', { hosts: [this.#owner.node] })
      this.#perform(log, { ...torn, bytes: torn.bytes.slice(0, 1 + this.#random.below(torn.bytes.length - 1)) })
    }
    queue.length = 0
  }

  #held(effect: StorageEffect): number {
    return this.#faults.active ? (this.trouble?.holdMicros(effect) ?? 0) : 0
  }

  #idleFrom(log: string): number {
    const { nowMicros } = this.#world
    return this.#faults.active && log !== METADATA_LOG ? Math.max(nowMicros, this.hangsUntil) : nowMicros
  }

  #strained(): number {
    if (!this.#faults.active || this.#world.nowMicros >= this.strainedUntil) return 0
    return this.#strain.below(this.#strain.below(STUCK_SHARE) === 0 ? STUCK_MICROS : STRAINED_MICROS)
  }

  #duration(effect: StorageEffect): number {
    if (this.#strikes('slowDisk')) return this.#faults.draws('slowDisk').exponential(SLOW_MICROS / 5)
    return effect.kind === 'sync' ? this.#random.between(...SYNC_MICROS) : this.#random.between(1, QUICK_MICROS)
  }

  #complete(log: LogDirectory): void {
    const isWrite = log.queue.some(isWriting)
    const operation = log.queue[0]!
    const { effect } = operation
    if (this.#owner.crashesAt('before', isWrite, effect)) return
    log.queue.shift()
    const error = this.#errorOf(effect)
    const message = error === null ? this.#perform(log, effect) : this.#failed(log, effect, error)
    if (this.#owner.crashesAt('between', isWrite, effect)) return
    operation.answer(message)
    this.#owner.crashesAt('after', isWrite, effect)
  }

  /** Whether a disk that is not well fails here. */
  #fails(effect: StorageEffect): boolean {
    if (this.#faults.active && this.trouble?.fails(effect) === true) return true
    if (!this.#faults.active || this.#world.nowMicros >= this.ailingUntil) return false
    const isFailing = effect.kind === 'append' || effect.kind === 'replace' || effect.kind === 'sync' || effect.kind === 'read'
    return isFailing && this.#ailments.below(isCheckpoint(effect.file) ? AILING_SHARE : SELDOM_SHARE) === 0
  }

  #errorOf(effect: StorageEffect): StorageError | null {
    if (this.#fails(effect)) return 'io'
    if ((effect.kind === 'append' || effect.kind === 'replace') && this.#world.nowMicros < this.fullUntil) return 'full'
    if (effect.kind === 'sync' && (this.failsToSync || this.#strikes('syncError'))) return 'io'
    return effect.kind === 'read' && this.#strikes('readError') ? 'io' : null
  }

  #strikes(kind: FaultKind): boolean {
    const isStruck = this.#faults.strikes(kind)
    if (isStruck) this.#world.onlooker?.struck(kind, { hosts: [this.#owner.node] })
    return isStruck
  }

  #failed(log: LogDirectory, effect: StorageEffect, error: StorageError): StorageAnswer {
    const { token } = effect
    if (effect.kind === 'append') {
      const file = fileOf(log, effect.file)
      if (!file.isTorn) appendBytes(file, effect.bytes.subarray(0, this.#random.below(effect.bytes.length)))
      file.isTorn = true
      return { kind: 'appended', token, error }
    }
    if (effect.kind === 'replace') {
      const isNew = !log.files.has(effect.file)
      replaceContent(fileOf(log, effect.file), effect.bytes.subarray(0, this.#random.below(effect.bytes.length)), isNew)
      return { kind: 'storageDone', token, error }
    }
    if (effect.kind !== 'sync') return { kind: 'readCompleted', token, records: null, error }
    const file = log.files.get(effect.file)
    if (file !== undefined) failSync(file)
    return { kind: 'synced', token, file: effect.file, sizeBytes: 0, error }
  }

  #perform(log: LogDirectory, effect: StorageEffect): StorageAnswer {
    const { token } = effect
    switch (effect.kind) {
      case 'append':
        return { kind: 'appended', token, error: this.#append(log, effect.file, effect.position, effect.bytes) }
      case 'rewrite':
        return { kind: 'storageDone', token, error: this.#rewrite(log.files.get(effect.file), effect.position, effect.bytes) }
      case 'read':
        return { kind: 'readCompleted', token, ...readFile(log.files.get(effect.file), effect.position, effect.sizeBytes) }
      case 'sync': {
        const file = log.files.get(effect.file)
        if (file === undefined) return { kind: 'synced', token, file: effect.file, sizeBytes: 0, error: 'io' }
        syncFile(file)
        return { kind: 'synced', token, file: effect.file, sizeBytes: file.sizeBytes, error: null }
      }
      case 'truncate': {
        const file = log.files.get(effect.file)
        if (file !== undefined) truncateFile(file, effect.sizeBytes)
        return { kind: 'storageDone', token, error: null }
      }
      case 'replace': {
        const isNew = !log.files.has(effect.file)
        replaceContent(fileOf(log, effect.file), effect.bytes, isNew)
        return { kind: 'storageDone', token, error: null }
      }
      case 'remove':
        for (const file of effect.files ?? [...log.files.keys()]) log.files.delete(file)
        if (effect.files === null) log.isLost = false
        return { kind: 'storageDone', token, error: null }
      case 'rename':
        for (const { from, to } of effect.renames) renameFile(log.files, from, to)
        return { kind: 'storageDone', token, error: null }
      case 'list': {
        const files = [...log.files].map(([name, { sizeBytes }]) => ({ name, sizeBytes })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
        const listed = { kind: 'listed', token, files, error: null } as const
        return log.isLost ? { ...listed, isGone: true } : listed
      }
      default:
        return { kind: 'logsListed', token, logs: this.logNames() }
    }
  }

  #append(log: LogDirectory, name: string, position: number, bytes: Uint8Array): StorageError | null {
    const file = fileOf(log, name)
    if (file.isTorn) return 'io'
    if (file.sizeBytes !== position) {
      this.#world.fail('ASSERT', `node ${this.#owner.node} appends to ${name} at ${position}, but it has ${file.sizeBytes} bytes`)
      return 'io'
    }
    appendBytes(file, bytes)
    return null
  }

  /** A rewrite repeats what is there, or was before it rotted; anything else would be a change behind the reader's back. */
  #rewrite(file: SimulatedFile | undefined, position: number, bytes: Uint8Array): StorageError | null {
    if (file === undefined) return 'io'
    const isSame = (content: Uint8Array): boolean => bytes.every((byte, i) => byte === content[position + i])
    if (!isSame(file.bytes) && !isSame(writtenBytes(file)))
      this.#world.fail('ASSERT', `node ${this.#owner.node} writes something else again at ${position}`)
    rewriteBytes(file, position, bytes)
    return null
  }

  #log(name: string): LogDirectory {
    const known = this.#logs.get(name)
    if (known !== undefined) return known
    const log: LogDirectory = { files: new Map(), queue: [], busyUntil: 0, isLost: false }
    this.#logs.set(name, log)
    return log
  }
}

function fileOf(log: LogDirectory, name: string): SimulatedFile {
  const known = log.files.get(name)
  if (known !== undefined) return known
  const file = newFile()
  log.files.set(name, file)
  log.isLost = false
  return file
}

function isCheckpoint(file: string): boolean {
  return file.startsWith('checkpoint-') || file.endsWith('.checkpoint')
}

function isWriting({ effect }: Operation): boolean {
  return effect.kind !== 'read'
}
