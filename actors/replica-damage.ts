/**
 * Bytes on the disk that are not what was written (bit rot): their CRC says so when they are read, and they are never served. One of several replicas asks not to be
 * counted on, and mends the log (replica-mend.ts) or copies it anew when others lead; until then, and where nobody else is in sync, it serves what is left, for nobody has more.
 *
 * Where nobody else has a batch whose leader epoch has rotted, which no CRC covers, it is served all the same: of which epoch it is, the log knows.
 *
 * What it does not do: look for damage where nobody reads. A reader of its files that finds some asks it for the bytes, so that it reads there (consumer-fetch.ts).
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import type { ErrorName } from '../protocol/errors.ts'
import * as batch from '../protocol/record-batch.ts'
import { capEpochs, epochAt, isOfEpoch, lastEpoch } from '../partitions/epochs.ts'
import type { ReplicaState } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'

/** A resignation that comes to nothing is repeated after so long. */
export const RESIGN_MILLIS: number = 500

/**
 * The whole, sound batches from `begin` on; none if the first one is not what was written, or does not hold `offset`. The base offset is outside the CRC: each
 * batch must begin where the one before it ended. So is the leader epoch: below the high watermark, where nothing changes any more, it must be that of the log.
 */
export function soundBatches(state: ReplicaState, records: Uint8Array, begin: number, offset: number): Uint8Array {
  let end = begin
  let expected = batch.baseOffset(records, begin)
  if (expected > offset) return records.subarray(begin, end)
  for (let sizeBytes = batch.wholeBatchSize(records, end); sizeBytes > 0; sizeBytes = batch.wholeBatchSize(records, end)) {
    if (!batch.checkBatch(records, end, sizeBytes, 'sparse').ok) break
    if (batch.baseOffset(records, end) !== expected) break
    if (!hasItsEpoch(state, records, end)) break
    expected = batch.lastOffset(records, end) + 1
    if (expected <= offset) break
    end += sizeBytes
  }
  return records.subarray(begin, end)
}

/** Whether a batch has the leader epoch that it was written with; where nobody else has the batch, it is given that. */
function hasItsEpoch({ epochs, highWatermark, role, self }: ReplicaState, records: Uint8Array, at: number): boolean {
  const offset = batch.baseOffset(records, at)
  if (offset >= highWatermark.offset || isOfEpoch(epochs, offset, batch.leaderEpoch(records, at))) return true
  if (role.isr.some((node) => node !== self.node)) return false
  batch.stampLeaderEpoch(records, at, epochAt(epochs, Math.max(offset, epochs[0]?.startOffset ?? 0)))
  return true
}

/** Who begins to lead has read back no epoch that is later than its own: one that is has rotted. True if there was one: a checkpoint is to say what counts instead. */
export function distrustEpochs(state: ReplicaState, outbox: Outbox): boolean {
  const { epochs, role } = state
  if (lastEpoch(epochs) <= role.leaderEpoch) return false
  capEpochs(epochs, role.leaderEpoch)
  onDamage(state, outbox)
  return true
}

/** A batch is damaged: what whoever wants to read it is told. Where others can lead, or mend it, that is worth another try. */
export function onDamage(state: ReplicaState, outbox: Outbox): ErrorName {
  const { role, self } = state
  if (role.replicas.length === 1) return 'CORRUPT_MESSAGE'
  if (state.damage === 'none') {
    state.damage = 'partial'
    resignIfBroken(state, outbox)
  }
  return role.isr.some((node) => node !== self.node) ? 'NOT_LEADER_OR_FOLLOWER' : 'KAFKA_STORAGE_ERROR'
}

/** Whether a log may be cut although there may have been more of it: nobody counts on this one, or on nobody but this one, who has all that is left then. */
export function mayCutDoubtful({ damage, role, self, isDraining }: ReplicaState): boolean {
  if (damage !== 'doubtful' || isDraining || role.replicas.length === 0) return false
  const counted = [...role.isr, ...role.elr]
  return !counted.includes(self.node) || counted.every((node) => node === self.node)
}

/** Whether a damaged log is to be copied anew: others lead, and nobody counts on this one any more, neither as in sync nor as eligible. */
export function mustRebuild({ damage, role, self, phase, isDraining }: ReplicaState): boolean {
  const { leader, replicas, isr, elr } = role
  if (damage === 'none' || damage === 'doubtful' || isDraining || phase === 'rollingBack') return false
  const isLed = leader >= 0 && leader !== self.node && replicas.includes(self.node)
  return isLed && !isr.includes(self.node) && !elr.includes(self.node)
}

/**
 * Asks the coordinator for another leader, again and again until it has decided: what this one reads back may be less than others have seen of it, so it must not lead
 * in this epoch again. One whose log is damaged asks not to be counted on at all.
 */
export function resignIfBroken({ role, self, topicId, brokenEpoch, damage, recovery }: ReplicaState, outbox: Outbox): void {
  const { leader, leaderEpoch, replicas, isr, elr } = role
  const isDamaged = damage !== 'none' && replicas.length > 1
  const isCounted = isDamaged && leader >= 0 && (isr.includes(self.node) || elr.includes(self.node))
  if (!isCounted && (leader !== self.node || leaderEpoch > brokenEpoch)) return
  // One whose files are gone has nothing to lead with.
  const isGone = recovery !== null && recovery.files.size === 0
  const how = isDamaged && damage !== 'partial' && !isGone ? { damage } : {}
  const message = { kind: 'replicaFailed', topicId, leaderEpoch, isDamaged, ...how } as const
  outbox.push({ kind: 'send', to: { node: self.node, actor: BROKER_ACTOR }, message })
  outbox.push({ kind: 'startTimer', timer: 'resign', afterMillis: RESIGN_MILLIS })
}

/** One that must give up what it has, to copy it anew, asks not to be counted on first: who is in sync, or eligible, may lead at any moment. Says whether it is counted on. */
export function asksNotToBeCounted({ role, self, topicId }: ReplicaState, outbox: Outbox): boolean {
  const { leaderEpoch, isr, elr } = role
  if (!isr.includes(self.node) && !elr.includes(self.node)) return false
  const message = { kind: 'replicaFailed', topicId, leaderEpoch, isDamaged: true } as const
  outbox.push({ kind: 'send', to: { node: self.node, actor: BROKER_ACTOR }, message })
  return true
}
