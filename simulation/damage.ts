/**
 * Harm to what is synced: a bit flips, a sector was never written, or has what belongs elsewhere, a file is lost, a directory is wiped. The atlas keeps the promise decidable: nothing is harmed unless somebody else who is in
 * sync has a whole copy of the partition. So a file is lost, or all of them, only while the node is down and fenced: it must present itself before it counts
 * again. Bits and sectors are harmed in what a checkpoint vouches for, where the CRC of one batch covers it, and no longer fits: above, they cannot be told from
 * a torn tail, and another batch of the same size with its own CRC would be as good as any.
 */
import { BROKER_LOG } from '../actors/broker-registration.ts'
import { decodeCheckpoint, newestCheckpoint } from '../partitions/checkpoint.ts'
import { baseOffsetOfFile } from '../partitions/log.ts'
import { logNameOf } from '../partitions/replica-state.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import { baseOffset, checkBatch, FIELD, lastOffset, lastOffsetDelta, walkBatches } from '../protocol/record-batch.ts'
import { isLive } from '../coordinator/metadata.ts'
import { minInsyncOf } from '../coordinator/partition-image.ts'
import type { TopicImage } from '../coordinator/metadata.ts'
import type { Cluster } from './cluster.ts'
import { mendBytes, rotBytes, SECTOR_BYTES } from './disk-file.ts'
import type { SimulatedFile } from './disk-file.ts'
import type { TimedStrike } from './faults.ts'
import { brokerEpochOf, isAwaySince } from './node-epochs.ts'
import type { Struck } from './onlooker.ts'
import { METADATA_LOG } from './metadata-log.ts'
import { Random } from './random.ts'

/** A node that is to lose files is looked at so often, in microseconds, until it is fenced, or up again. */
const LOOK_MICROS = 20_000

/** So long is one down at least that is to lose a log, and stopped with all others: somebody looks meanwhile. */
const LOG_LOSS_MICROS = 100_000

/**
 * Whoever else has a log of which one copy is taken away: one of them may leave the ISR before that is noticed. The last whole one is eligible when it leaves, if the ISR is too small then; where it is not, with one
 * in sync, nobody knows of it, so no copy is taken away. While nobody has noticed, others are harmed only if as many are whole beside them: who is harmed is not eligible, and the one that has nothing would lead.
 */
const OTHERS_MIN = 2

/** Harms disks. */
export class Damage {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A bit flips in a synced batch; false if there is none that may be harmed. */
  rot(node: number, random: Random): false | Struck {
    return this.#harm(node, 'bit rot', random, ({ file, position }) => {
      const flipped = (file.bytes[position] ?? 0) ^ (1 << random.below(8))
      return { from: position, bytes: Uint8Array.of(flipped) }
    })
  }

  /** A sector of a synced batch was never written; false if there is none that may be harmed. */
  dropWrite(node: number, random: Random): false | Struck {
    return this.#harm(node, 'a dropped write', random, (spot) => {
      const [from, to] = sectorOf(spot)
      return { from, bytes: new Uint8Array(to - from) }
    })
  }

  /** A sector of a synced batch has what belongs to another one; false if there is none that may be harmed. */
  misdirectWrite(node: number, random: Random): false | Struck {
    return this.#harm(node, 'a misdirected write', random, (spot, another) => {
      const [from, to] = sectorOf(spot)
      const other = another()
      const [source, end] = sectorOf(other)
      return { from, bytes: other.file.bytes.slice(source, Math.min(end, source + to - from)) }
    })
  }

  /**
   * A bit flips where it tells most: in how far a batch goes, half of the time, so that it seems to end where another one does, if it can; and also in what no checkpoint vouches for, if a whole batch behind it says that it was no torn tail (Alagappan et al.,
   * "Protocol-Aware Recovery", FAST 2018). In that log, if one is named. False if there is none that may be harmed.
   */
  rotSlyly(node: number, random: Random, log?: string): false | Struck {
    const change: Change = ({ file, begin, position }) => {
      const isSly = random.below(2) === 0
      if (!isSly) return { from: position, bytes: Uint8Array.of((file.bytes[position] ?? 0) ^ (1 << random.below(8))) }
      const from = begin + FIELD.lastOffsetDelta + 3
      const slyest = bitsToAnotherEnd(file.bytes, begin)
      const bit = slyest.length > 0 ? random.pick(slyest) : random.below(2)
      return { from, bytes: Uint8Array.of((file.bytes[from] ?? 0) ^ (1 << bit)) }
    }
    return this.#harm(node, 'sly rot', random, change, { ...FOLLOWED, log })
  }

  #harm(node: number, what: string, random: Random, change: Change, { placesOf, othersMin, log: only }: Reach = CLOSED): false | Struck {
    const { disk } = this.#cluster.nodes[node]!
    const harmless = disk.logNames().filter((log) => (only ?? log) === log && this.#mayRot(node, log, othersMin))
    const places = harmless.flatMap((log) => placesOf(disk.files(log)).map((place) => ({ ...place, log })))
    if (places.length === 0) return false
    const { log, name, ...place } = random.pick(places)
    const { from, bytes } = change(spotIn(place, random), () => spotIn(random.pick(places), random))
    if (!breaksCrc(place.file.bytes.subarray(place.begin, place.end), from - place.begin, bytes)) return false
    rotBytes(place.file, from, bytes)
    this.#cluster.world.log?.(`${what} on node ${node} in ${log}/${name} at ${from}`)
    return { hosts: [node], text: `${log}/${name} at ${from}` }
  }

  /** A node is killed, and its directory comes back empty; a metadata log has a disk of its own. Not counted here: it may come to nothing. */
  wipe(node: number): false {
    return this.#whileFenced(node, 'wipe', () => {
      const { disk } = this.#cluster.nodes[node]!
      const logs = disk.logNames().filter((log) => log !== METADATA_LOG)
      for (const log of logs) for (const file of [...disk.files(log).keys()]) disk.lose(log, file)
      this.#cluster.noteWipe(node)
      this.#noteUnknown(node)
      return `${logs.length} directories`
    })
  }

  /** A node is killed, and one of its files is gone. */
  loseFile(node: number, random: Random, timed: TimedStrike): false {
    return this.#whileFenced(node, 'lostFile', () => {
      const { disk } = this.#cluster.nodes[node]!
      const mayLose = (log: string): boolean => log !== METADATA_LOG && (this.#cluster.plan.isBeyond || !this.#mayLead(node, log))
      const logs = disk.logNames().filter(mayLose)
      if (logs.length === 0) return null
      const late = timed.lateState === undefined ? random : Random.from(timed.lateState)
      timed.lateState ??= late.state
      const log = late.pick(logs)
      const file = late.pick([...disk.files(log).keys()].toSorted())
      disk.lose(log, file)
      if (log === BROKER_LOG) this.#noteUnknown(node)
      this.#cluster.truth.lostLogs.add(`${node}/${log}`)
      return `${log}/${file}`
    })
  }

  /** All nodes are stopped together, so that they count as they are when they are back; of one, if they have, all files of a replica are gone by then. */
  loseLog(node: number, random: Random, timed: TimedStrike): false {
    const { nodes, world, faults } = this.#cluster
    const { host, disk } = nodes[node]!
    for (const one of nodes) this.#cluster.stopCleanly(one.host.node, false, one.host === host ? LOG_LOSS_MICROS : 0)
    const look = (): void => {
      if (!faults.active) return
      if (host.isUp) return world.after(LOOK_MICROS, look)
      // One that has died otherwise stands in the ISR until it is fenced, and so do others that are gone already.
      if (this.#cluster.latestImage()?.brokers.get(node)?.resting !== true) return
      const logs = disk.logNames().filter((log) => this.#isCountedOn(node, log) && this.#mayRot(node, log, OTHERS_MIN))
      if (logs.length === 0) return
      const late = timed.lateState === undefined ? random : Random.from(timed.lateState)
      timed.lateState ??= late.state
      const log = late.pick(logs)
      disk.loseLog(log)
      this.#cluster.truth.lostLogs.add(`${node}/${log}`)
      this.#struck('lostLog', node, log)
    }
    look()
    return false
  }

  #whileFenced(node: number, kind: 'wipe' | 'lostFile', strike: () => string | null): false {
    const { world, faults, nodes } = this.#cluster
    const { host } = nodes[node]!
    this.#cluster.crash(node, false)
    const look = (): void => {
      if (host.isUp || !faults.active) return
      const image = this.#cluster.latestImage()
      if (image === null || isLive(image, node) || !this.#isExpendable(node)) return world.after(LOOK_MICROS, look)
      const what = strike()
      if (what === null) return
      this.#cluster.noteHarm(node)
      this.#struck(kind, node, what)
    }
    look()
    return false
  }

  #struck(kind: 'wipe' | 'lostFile' | 'lostLog', node: number, text: string): void {
    const { world, faults } = this.#cluster
    faults.counts[kind]++
    world.log?.(`${kind} on node ${node}: ${text}`)
    world.onlooker?.struck(kind, { hosts: [node], text })
  }

  /** Whether everything that a node has is with others; what may be lost by an unclean election need not be. */
  #isExpendable(node: number): boolean {
    if (this.#cluster.plan.isBeyond) return true
    const { topics } = this.#cluster.latestImage()!
    if (!this.#isInformed()) return false
    return [...topics.values()].every((topic) =>
      topic.partitions.every(
        ({ replicas }, index) =>
          !replicas.includes(node) || topic.config.uncleanLeaderElection || this.#isWithOthers(node, topic, index, 1),
      ),
    )
  }

  /** Whether everything that was ever committed is known of the metadata. */
  #isInformed(): boolean {
    return (this.#cluster.latestImage()?.endOffset ?? -1) >= this.#cluster.truth.metadataOffset
  }

  /** A bit flips only where others cannot lose what they have, and are not about to be taken away by a reassignment. */
  #mayRot(node: number, log: string, othersMin = 1): boolean {
    const found = this.#partitionOf(log)
    if (found === null || !this.#isInformed()) return false
    if (this.#cluster.plan.isBeyond) return true
    const { topic, index } = found
    const { adding, removing } = topic.partitions[index]!
    if (adding.length > 0 || removing.length > 0) return false
    return topic.config.flush === 'commit' && !topic.config.uncleanLeaderElection && this.#isWithOthers(node, topic, index, othersMin)
  }

  /** Whether a node may lead a partition as soon as it is back, with whatever it has. */
  #isCountedOn(node: number, log: string): boolean {
    const found = this.#partitionOf(log)
    if (found === null) return false
    const { isr, elr } = found.topic.partitions[found.index]!
    return isr.includes(node) || elr.includes(node)
  }

  /** Whether a node may lead a partition some time, with whatever it has: where one who has fallen behind may, anybody may, and stays the last one that is in sync. */
  #mayLead(node: number, log: string): boolean {
    return this.#isCountedOn(node, log) || this.#partitionOf(log)?.topic.config.uncleanLeaderElection === true
  }

  #partitionOf(log: string): { readonly topic: TopicImage; readonly index: number } | null {
    for (const topic of this.#cluster.latestImage()?.topics.values() ?? []) {
      const index = topic.partitions.findIndex((_, partition) => logNameOf(topic.name, topic.topicId, partition) === log)
      if (index >= 0) return { topic, index }
    }
    return null
  }

  #noteUnknown(node: number): void {
    this.#cluster.truth.unknownEpochs.set(node, brokerEpochOf(this.#cluster.latestImage(), node))
  }

  /** Whether a node stands for nothing of what it had as soon as it is back; until then it may be in sync as before. */
  #isUnknown(node: number): boolean {
    return isAwaySince(this.#cluster.latestImage(), node, this.#cluster.truth.unknownEpochs.get(node))
  }

  /** Whether so many others have all of a partition, and more if one who is counted on has lost it, and does not know. */
  #isWithOthers(node: number, topic: TopicImage, index: number, othersMin: number): boolean {
    const log = logNameOf(topic.name, topic.topicId, index)
    const { isr, elr, replicas } = topic.partitions[index]!
    const hasGap = [...isr, ...elr].some((other) => other !== node && this.#cluster.nodes[other]!.disk.isLost(log))
    const min = hasGap ? OTHERS_MIN : othersMin
    const isLastEligible = minInsyncOf(topic.config.minInsyncReplicas, replicas.length) > 1
    return this.#countOthers(node, topic, index) >= min && (min < OTHERS_MIN || isLastEligible)
  }

  /** How many others are in sync whose copies are whole, and not only in a page cache that is gone. */
  #countOthers(node: number, { name, topicId, config, partitions }: TopicImage, index: number): number {
    const log = logNameOf(name, topicId, index)
    return partitions[index]!.isr.filter((other) => {
      if (other === node || this.#isUnknown(other) || (config.flush !== 'commit' && this.#cluster.isPowerless(other))) return false
      return harmedFiles(this.#cluster, other, log).length === 0 && !this.#cluster.nodes[other]!.disk.isLost(log)
    }).length
  }
}

/**
 * What an operator does when every copy that is left in sync turns out to be harmed, because those who had a whole one have left the ISR before anybody looked: a backup of its files is put back, and
 * the nodes are started again. Nobody else may lead, although others may have everything (decision 12).
 */
export function restoreLastCopies(cluster: Cluster): void {
  for (const { name, topicId, partitions } of cluster.latestImage()?.topics.values() ?? []) {
    partitions.forEach(({ isr }, index) => {
      const log = logNameOf(name, topicId, index)
      const copies = isr.map((node) => ({ node, harmed: harmedFiles(cluster, node, log) }))
      if (copies.some(({ harmed }) => harmed.length === 0)) return
      for (const { node, harmed } of copies) {
        cluster.world.log?.(`a last copy of ${topicPartitionName(name, index)} is put back on node ${node}`)
        for (const file of harmed) mendBytes(file)
        if (cluster.nodes[node]!.host.isUp) cluster.crash(node, false)
      }
    })
  }
}

/** Whether every copy of a partition that may lead is whole: none of its files is harmed, and none was lost. The others can be copied anew from them. */
export function isSound(cluster: Cluster, topic: string, partition: number): boolean {
  const image = cluster.latestImage()?.topics.get(topic)
  const placed = image?.partitions[partition]
  if (image === undefined || placed === undefined) return true
  const log = logNameOf(topic, image.topicId, partition)
  return [...placed.isr, ...placed.elr].every(
    (node) => !cluster.truth.lostLogs.has(`${node}/${log}`) && harmedFiles(cluster, node, log).length === 0,
  )
}

/** Whether one of these nodes is in sync with a whole copy of a partition: no operator takes the last one away from those that are harmed. */
export function hasWholeCopy(cluster: Cluster, topic: string, partition: number, nodes: readonly number[]): boolean {
  const image = cluster.latestImage()?.topics.get(topic)
  if (image === undefined) return false
  const log = logNameOf(topic, image.topicId, partition)
  const isWhole = (node: number): boolean => !cluster.nodes[node]!.disk.isLost(log) && harmedFiles(cluster, node, log).length === 0
  return image.partitions[partition]?.isr.some((node) => nodes.includes(node) && isWhole(node)) === true
}

function harmedFiles(cluster: Cluster, node: number, log: string): SimulatedFile[] {
  return [...cluster.nodes[node]!.disk.files(log).values()].filter(({ rottenAt }) => rottenAt >= 0)
}

/**
 * Whether it shows in a sound batch that other bytes are there from `at` on, which is not before its CRC. It does not if nothing changes, nor with
 * the CRC of another batch and all that it covers: no CRC covers the base offset (as in Kafka), so that this is a sound batch.
 */
export function breaksCrc(batch: Uint8Array, at: number, bytes: Uint8Array): boolean {
  const changed = batch.slice()
  changed.set(bytes, at)
  const check = checkBatch(changed, 0, changed.length)
  return !check.ok && check.reason === 'crc'
}

interface Place {
  readonly name: string
  readonly file: SimulatedFile
  readonly begin: number
  readonly end: number
}

/** A byte of such a batch that its CRC covers. */
interface Spot {
  readonly file: SimulatedFile
  readonly begin: number
  readonly end: number
  readonly position: number
}

/** What the disk has instead, of that spot; from another one, if it asks for one. */
type Change = (spot: Spot, another: () => Spot) => { readonly from: number; readonly bytes: Uint8Array }

function spotIn(place: Omit<Place, 'name'>, random: Random): Spot {
  return { ...place, position: random.between(place.begin + FIELD.crc, place.end - 1) }
}

/** Which bits of the last byte of how far a batch goes make it seem to end where a later one of its file does. */
function bitsToAnotherEnd(bytes: Uint8Array, begin: number): number[] {
  const later = walkBatches(bytes.subarray(begin)).slice(1)
  const ends = new Set(later.map(({ at }) => lastOffset(bytes, begin + at)))
  const changedEnd = (bit: number): number => baseOffset(bytes, begin) + (lastOffsetDelta(bytes, begin) ^ (1 << bit))
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ends.has(changedEnd(bit)))
}

/** What of the sector around a spot is of the same batch, and covered by its CRC. */
function sectorOf({ begin, end, position }: Spot): readonly [from: number, to: number] {
  const sector = position - (position % SECTOR_BYTES)
  return [Math.max(begin + FIELD.crc, sector), Math.min(end, sector + SECTOR_BYTES)]
}

/** Where a log may be harmed, and how many others must have it whole. */
interface Reach {
  readonly placesOf: (files: ReadonlyMap<string, SimulatedFile>) => Place[]
  readonly othersMin: number
  /** Undefined: any. */
  readonly log?: string | undefined
}

const CLOSED: Reach = { placesOf: vouchedPlaces, othersMin: 1 }
const FOLLOWED: Reach = { placesOf: (files) => [...vouchedPlaces(files), ...followedPlaces(files)], othersMin: OTHERS_MIN }

/** The batches of a log that are durable, and are followed by one in their file that is, too. */
function followedPlaces(files: ReadonlyMap<string, SimulatedFile>): Place[] {
  return [...files].flatMap(([name, file]) => {
    if (baseOffsetOfFile(name) === null || !file.isEntryDurable || file.rottenAt >= 0) return []
    const batches = walkBatches(file.bytes.subarray(0, file.durableBytes))
    return batches.slice(0, -1).map(({ at, sizeBytes }) => ({ name, file, begin: at, end: at + sizeBytes }))
  })
}

/** The batches of a log that are durable and below a recovery point that is durable, too. */
function vouchedPlaces(files: ReadonlyMap<string, SimulatedFile>): Place[] {
  const checkpoints = ['checkpoint-0', 'checkpoint-1'].map((name) => files.get(name))
  const durable = checkpoints.filter((file) => file !== undefined && file.before === undefined && file.isEntryDurable)
  const newest = newestCheckpoint(durable.map((file) => decodeCheckpoint(file!.bytes.subarray(0, file!.sizeBytes))))
  if (newest === null || newest === 'newer') return []
  return [...files].flatMap(([name, file]) => {
    if (baseOffsetOfFile(name) === null || !file.isEntryDurable || file.rottenAt >= 0) return []
    const bytes = file.bytes.subarray(0, file.durableBytes)
    return walkBatches(bytes)
      .filter(({ at }) => lastOffset(bytes, at) < newest.recoveryPoint)
      .map(({ at, sizeBytes }) => ({ name, file, begin: at, end: at + sizeBytes }))
  })
}
