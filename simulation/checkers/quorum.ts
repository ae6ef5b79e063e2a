/**
 * Looks into every coordinator after every message: what simulation/quorum/truth.ts says of a quorum in small must hold for the real one, whose disk
 * is files. 2LDR, EPO, LOST, DIV, META, ACK.
 */
import { METADATA_TOPIC, imageRecords } from '../../coordinator/metadata.ts'
import { decodeSnapshot, parseBatches } from '../../coordinator/quorum-records.ts'
import type { QuorumState } from '../../coordinator/quorum-state.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { Effect } from '../../actors/effect.ts'
import { baseOffsetOfFile } from '../../partitions/log.ts'
import { logNameOf } from '../../partitions/replica-state.ts'
import { checkBatch } from '../../protocol/record-batch.ts'
import type { Disk } from '../disk.ts'
import { checkActing, checkCommitted, checkElected, checkImage, checkRecovered, checkSent } from '../quorum/truth.ts'
import type { QuorumTruth } from '../quorum/truth.ts'
import { hashText } from '../trace-hash.ts'

/** What all coordinators of a run are compared with, and their disks by node. */
export interface ClusterQuorum {
  readonly truth: QuorumTruth
  readonly disks: Map<number, Disk>
}

/** One coordinator as its watcher knows it. */
export interface WatchedCoordinator {
  quorum: QuorumState | null
  electedEpoch: number
  highWatermark: number
  imageEnd: number
  wasActive: boolean
}

const METADATA_LOG = logNameOf(METADATA_TOPIC, 0, 0)

/** A coordinator begins a life. */
export function watchCoordinator(): WatchedCoordinator {
  return { quorum: null, electedEpoch: -1, highWatermark: -1, imageEnd: -1, wasActive: false }
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

/** Whether a power loss now would leave the batch that ends there. */
function isDurable(disk: Disk | undefined, endOffset: number, epoch: number): boolean {
  const { snapshotEnd, ends } = durableLog(disk)
  return endOffset <= snapshotEnd || ends.get(endOffset) === epoch
}

function durableEnd(disk: Disk | undefined): number {
  const { snapshotEnd, ends } = durableLog(disk)
  return Math.max(snapshotEnd, ...ends.keys())
}

/** What the disk keeps for certain: a snapshot, and the ends of batches with their epochs. */
function durableLog(disk: Disk | undefined): { readonly snapshotEnd: number; readonly ends: Map<number, number> } {
  const ends = new Map<number, number>()
  let snapshotEnd = 0
  for (const [name, file] of disk?.files(METADATA_LOG) ?? []) {
    if (!file.isEntryDurable) continue
    const bytes = file.bytes.subarray(0, file.durableBytes)
    if (name.endsWith('.checkpoint') && file.before === undefined)
      snapshotEnd = Math.max(snapshotEnd, decodeSnapshot(bytes)?.endOffset ?? 0)
    if (baseOffsetOfFile(name) !== null) for (const { endOffset, epoch } of parseBatches(soundPart(bytes)) ?? []) ends.set(endOffset, epoch)
  }
  return { snapshotEnd, ends }
}

function soundPart(bytes: Uint8Array): Uint8Array {
  let at = 0
  for (let check = checkBatch(bytes, 0, bytes.length); check.ok; check = checkBatch(bytes, at, bytes.length - at)) at += check.sizeBytes
  return bytes.subarray(0, at)
}

function isQuorumMessage(message: { readonly kind: string }): message is Parameters<typeof checkSent>[3] {
  return message.kind.startsWith('quorum')
}
