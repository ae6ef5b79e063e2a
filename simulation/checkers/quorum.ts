/**
 * Looks into every coordinator after every message: what simulation/quorum/truth.ts says of a quorum in small must hold for the real one, whose disk
 * is files. 2LDR, EPO, LOST, DIV, META, ACK. And FENCE: one that leads, and has not heard a majority for long, leads no more.
 */
import { imageRecords } from '../../coordinator/metadata.ts'
import { decodeSnapshot } from '../../coordinator/quorum-records.ts'
import { votersOf } from '../../coordinator/quorum-log.ts'
import type { QuorumState } from '../../coordinator/quorum-state.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import { QUORUM_TIMER } from '../../actors/coordinator-quorum.ts'
import type { Effect } from '../../actors/effect.ts'
import { baseOffsetOfFile } from '../../partitions/log.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { checkBatch, lastOffset, leaderEpoch } from '../../protocol/record-batch.ts'
import type { Disk } from '../disk.ts'
import type { SimulatedFile } from '../disk-file.ts'
import { METADATA_LOG } from '../metadata-log.ts'
import { checkActing, checkCommitted, checkElected, checkImage, checkRecovered, checkSent } from '../quorum/truth.ts'
import type { QuorumTruth } from '../quorum/truth.ts'
import { hashText } from '../trace-hash.ts'
import type { World } from '../world.ts'

/** What all coordinators of a run are compared with, and their disks by node. */
export interface ClusterQuorum {
  readonly truth: QuorumTruth
  readonly disks: Map<number, Disk>
  /** What coordinators have reported of what is lost. */
  readonly lossesTold: Set<string>
}

/** One coordinator as its watcher knows it. */
export interface WatchedCoordinator {
  quorum: QuorumState | null
  electedEpoch: number
  highWatermark: number
  imageEnd: number
  wasActive: boolean
  /** When each of the others was heard, in this reign. */
  readonly heardAt: Map<number, number>
  activeSince: number
  /** How often it has looked at its clock since it should have noticed that nobody hears it. */
  looks: number
}

/** Who leads resigns when no majority was heard for 300 ms. */
const UNHEARD_MICROS_MAX = 2_000_000

/** One that sleeps, or whose timers come late, does not know what time it is: it has looked so often. */
const LOOKS_MAX = 5

/** A coordinator begins a life. */
export function watchCoordinator(): WatchedCoordinator {
  return { quorum: null, electedEpoch: -1, highWatermark: -1, imageEnd: -1, wasActive: false, heardAt: new Map(), activeSince: 0, looks: 0 }
}

/** A coordinator has handled a message; its effects are still to come. */
export function checkCoordinator(
  { truth, disks }: ClusterQuorum,
  watched: WatchedCoordinator,
  state: CoordinatorState,
  effects: readonly Effect[],
): void {
  const { node } = state.self
  const { quorum, image, isActive } = state.seat
  if (quorum !== watched.quorum) {
    Object.assign(watched, { ...watchCoordinator(), quorum })
    if (quorum !== null) checkRecovered(truth, node, quorum.epoch)
  }
  if (quorum === null) return
  if (quorum.role === 'leader' && quorum.persistedSequence === quorum.voteSequence && watched.electedEpoch !== quorum.epoch) {
    watched.electedEpoch = quorum.epoch
    checkElected(truth, node, quorum)
  }
  if (quorum.highWatermark !== watched.highWatermark) {
    checkCommitted(truth, node, quorum, watched.highWatermark, (voter, end, epoch) => isDurable(disks.get(voter), end, epoch))
    watched.highWatermark = quorum.highWatermark
  }
  if (image.endOffset !== watched.imageEnd) {
    watched.imageEnd = image.endOffset
    checkImage(truth, node, image.endOffset, hashText(JSON.stringify(imageRecords(image))))
  }
  if (isActive && !watched.wasActive) checkActing(truth, node, quorum.epoch, image.endOffset)
  watched.wasActive = isActive
  for (const effect of effects) {
    if (effect.kind !== 'send' || !isQuorumMessage(effect.message)) continue
    const { message } = effect
    const end = message.kind === 'quorumAppendResponse' && message.isMatch ? durableEnd(disks.get(node)) : Infinity
    checkSent(truth, node, effect.to.node, message, end)
  }
}

/** A coordinator has handled a message, perhaps of another one: it does not lead when no majority has been heard for long. */
export function checkHeard(
  world: World,
  watched: WatchedCoordinator,
  { self, seat }: CoordinatorState,
  message: Message,
  from: Address,
): void {
  const { nowMicros } = world
  if (seat.quorum === null) return
  if (!watched.wasActive || !seat.isActive) {
    watched.heardAt.clear()
    Object.assign(watched, { activeSince: nowMicros, looks: 0 })
  }
  if (isQuorumMessage(message)) watched.heardAt.set(from.node, nowMicros)
  const voters = votersOf(seat.quorum.log)
  const isHeard = (node: number): boolean =>
    node === self.node || nowMicros - (watched.heardAt.get(node) ?? watched.activeSince) < UNHEARD_MICROS_MAX
  if (voters.filter(isHeard).length * 2 > voters.length) watched.looks = 0
  else if (message.kind === 'timerFired' && message.timer === QUORUM_TIMER && ++watched.looks > LOOKS_MAX)
    world.fail('FENCE', `node ${self.node} leads the quorum, and has heard no majority for ${UNHEARD_MICROS_MAX} us`)
}

/** Whether a power loss now would leave the batch that ends there. */
function isDurable(disk: Disk | undefined, endOffset: number, epoch: number): boolean {
  return endOffset === 0 || durableFiles(disk).some((file) => endOffset <= file.snapshotEnd || file.epochs.get(endOffset) === epoch)
}

function durableEnd(disk: Disk | undefined): number {
  return durableFiles(disk).reduce((end, file) => Math.max(end, file.snapshotEnd, file.lastEnd), 0)
}

/** What a file keeps for certain. */
interface DurableFile {
  readonly generation: number
  /** How much of the file has been read. */
  readBytes: number
  /** Where the snapshot ends that it is; 0 if it is none. */
  snapshotEnd: number
  /** The epochs of its batches, by their ends. */
  readonly epochs: Map<number, number>
  lastEnd: number
}

/** What was read of files before: they grow, and are asked for after every message. */
const known = new WeakMap<SimulatedFile, DurableFile>()

function durableFiles(disk: Disk | undefined): DurableFile[] {
  const found: DurableFile[] = []
  for (const [name, file] of disk?.files(METADATA_LOG) ?? []) {
    if (!file.isEntryDurable) continue
    const isSegment = baseOffsetOfFile(name) !== null
    if (isSegment || (name.endsWith('.checkpoint') && file.before === undefined)) found.push(readDurable(file, isSegment))
  }
  return found
}

function readDurable(file: SimulatedFile, isSegment: boolean): DurableFile {
  const before = known.get(file)
  const durable =
    before?.generation === file.generation
      ? before
      : { generation: file.generation, readBytes: 0, snapshotEnd: 0, epochs: new Map<number, number>(), lastEnd: 0 }
  known.set(file, durable)
  if (durable.readBytes === file.durableBytes) return durable
  if (isSegment) readBatches(file, durable)
  else {
    durable.snapshotEnd = decodeSnapshot(file.bytes.subarray(0, file.durableBytes))?.endOffset ?? 0
    durable.readBytes = file.durableBytes
  }
  return durable
}

/** Up to the first batch that is not whole. */
function readBatches({ bytes, durableBytes }: SimulatedFile, durable: DurableFile): void {
  for (;;) {
    const at = durable.readBytes
    const check = checkBatch(bytes, at, durableBytes - at)
    if (!check.ok) return
    durable.lastEnd = lastOffset(bytes, at) + 1
    durable.epochs.set(durable.lastEnd, Math.max(0, leaderEpoch(bytes, at)))
    durable.readBytes += check.sizeBytes
  }
}

function isQuorumMessage(message: { readonly kind: string }): message is Parameters<typeof checkSent>[3] {
  return message.kind.startsWith('quorum')
}
