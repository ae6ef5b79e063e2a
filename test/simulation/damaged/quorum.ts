// The metadata quorum: two leaders of an epoch, two votes in one, an epoch that goes back, and logs and images that differ.

import type { CoordinatorState } from '../../../actors/coordinator.ts'
import type { Effect } from '../../../actors/effect.ts'
import { encodeMetadataRecord } from '../../../coordinator/metadata.ts'
import type { MetadataRecord } from '../../../coordinator/metadata.ts'
import { appendToLog, emptySnapshot, newQuorumLog } from '../../../coordinator/quorum-log.ts'
import { dataBatch } from '../../../coordinator/quorum-records.ts'
import type { QuorumState } from '../../../coordinator/quorum-state.ts'
import type { QuorumMessage } from '../../../protocol/messages/quorum.ts'
import { checkLossesTold, noLosses } from '../../../simulation/checkers/losses-told.ts'
import {
  checkActing,
  checkCommitted,
  checkElected,
  checkImage,
  checkRecovered,
  checkSent,
  newQuorumTruth,
} from '../../../simulation/quorum/truth.ts'
import type { QuorumTruth } from '../../../simulation/quorum/truth.ts'
import { World } from '../../../simulation/world.ts'
import type { Damaged } from './damaged.ts'

function quorum(code: string, what: string, play: (truth: QuorumTruth, isDamaged: boolean) => void): Damaged {
  return {
    code,
    what,
    play: (isDamaged) => {
      const truth = newQuorumTruth(new World(1))
      play(truth, isDamaged)
      return truth.world.violation?.code ?? null
    },
  }
}

/** A leader of three voters whose log holds batches of one record with these epochs, all of them committed. */
function leader(epoch: number, epochs: readonly number[], crc = 0): QuorumState {
  const bytes = new Uint8Array(100).fill(crc)
  const batches = epochs.map((of, offset) => ({ baseOffset: offset, endOffset: offset + 1, epoch: of, bytes, endPosition: 0 }))
  const log = { snapshot: { endOffset: 0, epoch: 0 }, batches, sizeBytes: 0, voterSets: [{ endOffset: 0, voters: [0, 1, 2] }] }
  return { epoch, role: 'leader', highWatermark: epochs.length, log } as unknown as QuorumState
}

const ALL = (): boolean => true

function vote(epoch: number): QuorumMessage {
  return { kind: 'quorumVoteResponse', epoch, preVote: false, voteGranted: true }
}

/** A coordinator whose log goes on with what says that a partition's only copy is gone; it leads when that is committed, as it did before or not, and may say so. */
function loss({ world }: QuorumTruth, isSaid: boolean): void {
  const image = { replicas: [0], leader: 0, leaderEpoch: 2, isr: [0] }
  const record = { type: 'partitionChanged', topicId: 1, partition: 0, image, anew: true } as unknown as MetadataRecord
  const log = newQuorumLog(emptySnapshot([0]))
  const seat = { quorum: { log }, image: { endOffset: 0, names: new Map([[1, 'orders']]) }, isActive: false }
  const known = noLosses()
  const look = (effects: readonly Effect[]): void =>
    checkLossesTold(world, new Set(), known, { seat } as unknown as CoordinatorState, effects)
  look([])
  appendToLog(log, dataBatch({ baseOffset: 0, epoch: 1, now: 0 }, [encodeMetadataRecord(record)]))
  Object.assign(seat, { image: { ...seat.image, endOffset: 1 }, isActive: true })
  look(isSaid ? [{ kind: 'report', node: 0, reason: 'what orders-0 held is lost' }] : [])
}

/** Quorums. */
export const damagedQuorums: readonly Damaged[] = [
  quorum('LOSS', 'nobody says what is lost', (truth, isDamaged) => loss(truth, !isDamaged)),
  quorum('2LDR', 'an epoch has a second leader', (truth, isDamaged) => {
    checkElected(truth, 0, leader(2, []))
    checkElected(truth, isDamaged ? 1 : 0, leader(2, []))
  }),
  quorum('LOST', 'a later leader lacks a batch', (truth, isDamaged) => {
    checkCommitted(truth, 0, leader(1, [1, 1]), 0, ALL)
    checkElected(truth, 1, leader(2, isDamaged ? [1] : [1, 1]))
  }),
  quorum('LOST', 'what is committed is safe with one of three', (truth, isDamaged) =>
    checkCommitted(truth, 0, leader(1, [1]), 0, (node) => node === 0 || (node === 1 && !isDamaged)),
  ),
  quorum('EPO', 'a member is back in an older epoch', (truth, isDamaged) => {
    checkSent(truth, 0, 1, vote(3), Infinity)
    checkRecovered(truth, 0, isDamaged ? 2 : 3)
  }),
  quorum('EPO', 'a member votes twice in an epoch', (truth, isDamaged) => {
    checkSent(truth, 0, 1, vote(3), Infinity)
    checkSent(truth, 0, isDamaged ? 2 : 1, vote(3), Infinity)
  }),
  quorum('ACK', 'what is not durable is acknowledged', (truth, isDamaged) => {
    const message: QuorumMessage = { kind: 'quorumAppendResponse', epoch: 1, isMatch: true, endOffset: isDamaged ? 5 : 4 }
    checkSent(truth, 0, 1, message, 4)
  }),
  quorum('META', 'a leader acts without what was committed before its reign', (truth, isDamaged) => {
    checkCommitted(truth, 0, leader(1, [1, 1]), 0, ALL)
    checkActing(truth, 1, 2, isDamaged ? 1 : 2)
  }),
  quorum('META', 'two images of the same offset differ', (truth, isDamaged) => {
    checkImage(truth, 0, 5, 1)
    checkImage(truth, 1, 5, isDamaged ? 2 : 1)
  }),
  quorum('DIV', 'a batch has another epoch on another node', (truth, isDamaged) => {
    checkCommitted(truth, 0, leader(1, [1, 1]), 0, ALL)
    checkCommitted(truth, 1, leader(2, [1, isDamaged ? 2 : 1]), 0, ALL)
  }),
  quorum('DIV', 'a batch ends where others have none', (truth, isDamaged) => {
    checkCommitted(truth, 0, leader(1, [1, 1]), 0, ALL)
    const other = leader(2, [1])
    const [batch] = other.log.batches
    const longer = isDamaged ? { ...batch!, baseOffset: 1, endOffset: 3 } : { ...batch!, baseOffset: 2, endOffset: 3 }
    checkCommitted(truth, 1, { ...other, highWatermark: 3, log: { ...other.log, batches: [longer] } }, 2, ALL)
  }),
]
