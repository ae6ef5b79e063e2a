// Who is counted on that must not be, in what is committed, and what is taken from a log that still needs it.

import type { CoordinatorState } from '../../../actors/coordinator.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { PartitionImage } from '../../../coordinator/partition-image.ts'
import { encodeCheckpoint } from '../../../partitions/checkpoint.ts'
import { NOT_CLEANED } from '../../../partitions/checkpoint-cleaning.ts'
import { logFileName } from '../../../partitions/log.ts'
import type { Mending } from '../../../partitions/mending.ts'
import type { ReplicaState } from '../../../partitions/replica-state.ts'
import { noTransactions } from '../../../partitions/transactions.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { defaultTopicConfig } from '../../../protocol/topic-config.ts'
import { checkCountedOn, checkExposed, checkSynced, newCountedOn } from '../../../simulation/checkers/counted-on.ts'
import type { Copies, CountedOn } from '../../../simulation/checkers/counted-on.ts'
import { checkDamage, watchDamage } from '../../../simulation/checkers/false-damage.ts'
import { checkRemovals } from '../../../simulation/checkers/removals.ts'
import type { Disk } from '../../../simulation/disk.ts'
import { appendBytes, newFile, replaceContent, rewriteBytes, rotBytes, syncFile } from '../../../simulation/disk-file.ts'
import type { SimulatedFile } from '../../../simulation/disk-file.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

/** Node 0 leads, and node 1 is in sync. */
const BOTH: PartitionImage = {
  ...{ replicas: [0, 1], isr: [0, 1], elr: [], leader: 0, leaderEpoch: 3, partitionEpoch: 7 },
  ...{ adding: [], removing: [] },
}
const ALONE: PartitionImage = { ...BOTH, isr: [0], partitionEpoch: 8 }

/** A partition in which ten records are exposed, as it was committed, again and again. */
interface Stage extends Scene {
  readonly counted: CountedOn
  readonly commit: (partition: PartitionImage, activeEpoch?: number, message?: Message) => void
}

/** A log on node 1 ends there. */
function stage(scene: Scene, endOffset: number): Stage {
  const replica = { topicId: 1, damage: 'none', phase: 'following', log: { logEndOffset: endOffset } } as ReplicaState
  const copies: Copies = {
    epochOf: () => 5,
    lostPowerIn: (node) => (node === 1 ? 4 : undefined),
    replicaOf: () => replica,
    noteAlone: () => undefined,
  }
  const counted = newCountedOn(scene.truth, copies)
  scene.partition.exposedEnd = 10
  let committed = 0
  const commit: Stage['commit'] = (partition, activeEpoch = 5, message = { kind: 'started' }) => {
    const topic = { name: 'orders', topicId: 1, partitions: [partition], config: { ...defaultTopicConfig, flush: 'os' } }
    const brokers = new Map([0, 1].map((node) => [node, { node, fenced: false, brokerEpoch: 5, activeEpoch }]))
    const image = { endOffset: ++committed, topics: new Map([['orders', topic]]), brokers }
    checkCountedOn(counted, { seat: { image, isActive: true, quorum: { epoch: 1 } } } as unknown as CoordinatorState, message)
  }
  return { ...scene, counted, commit }
}

function counted(
  code: string,
  what: string,
  play: (stage: Stage, isDamaged: boolean) => void,
  endOf: (isDamaged: boolean) => number = () => 10,
): Damaged {
  return inScene(code, what, (scene, isDamaged) => play(stage(scene, endOf(isDamaged)), isDamaged))
}

const WITHDRAWAL: Message = {
  ...{ kind: 'alterPartition', correlationId: 1, node: 1, brokerEpoch: 5, topicId: 1, partition: 0, leaderEpoch: 3, partitionEpoch: 7 },
  isr: [],
}

/** What a replica says to another one. */
function sent(message: object): readonly Effect[] {
  return [{ kind: 'send', to: { node: 0, actor: 'replica/orders-0' }, message } as Effect]
}

function replica(node: number): ReplicaState {
  const role = { leaderEpoch: 3, replicas: [0, 1] }
  const about = { topic: 'orders', topicId: 1, partition: 0, phase: 'leading', highWatermark: { offset: 10 } }
  return { self: { node, actor: 'replica/orders-0' }, role, ...about } as unknown as ReplicaState
}

/** A checkpoint of two segments, of which one is needed from some offset on. */
function checkpoint(sequence: number, logStartOffset: number, isSynced: boolean): SimulatedFile {
  const segments = [0, 5].map((baseOffset) => ({ baseOffset, sizeBytes: 9, maxTimestamp: 0 }))
  const log = { segments, producers: new Map(), epochs: [], cleaning: NOT_CLEANED, transactions: noTransactions() }
  const file = newFile()
  replaceContent(file, encodeCheckpoint({ sequence, clean: false, recoveryPoint: 9, logStartOffset, ...log }), true)
  if (isSynced) syncFile(file)
  return file
}

/** Ten bytes, one of which has rotted, and was written again. */
function mended(isSynced: boolean): SimulatedFile {
  const file = newFile()
  appendBytes(file, new Uint8Array(10))
  syncFile(file)
  rotBytes(file, 3, new Uint8Array([9]))
  rewriteBytes(file, 0, new Uint8Array(10))
  if (isSynced) syncFile(file)
  return file
}

function diskOf(files: Readonly<Record<string, SimulatedFile>>): Disk {
  return { files: () => new Map(Object.entries(files)), isLost: () => false } as unknown as Disk
}

/** Who is counted on, and what is taken away. */
export const damagedTrust: readonly Damaged[] = [
  counted('FENCE', 'a replica is taken away in the leader epoch that goes on', ({ commit }, isDamaged) => {
    commit(BOTH)
    commit({ ...ALONE, replicas: [0], leaderEpoch: isDamaged ? 3 : 4 })
  }),
  counted('FENCE', 'a damaged replica is let go of in the leader epoch that goes on', ({ commit }, isDamaged) => {
    commit(BOTH)
    commit({ ...ALONE, leaderEpoch: isDamaged ? 3 : 4 }, 5, WITHDRAWAL)
  }),
  counted('ISR', 'one that has lost power stays eligible', ({ commit }, isDamaged) => {
    commit({ ...ALONE, elr: [1] }, 4)
    commit({ ...ALONE, elr: isDamaged ? [1] : [], partitionEpoch: 9 })
  }),
  counted('ISR', 'one that has lost power when it was registered and not yet unfenced stays eligible', ({ commit }, isDamaged) => {
    commit({ ...ALONE, elr: [1] }, 3)
    commit({ ...ALONE, elr: isDamaged ? [1] : [], partitionEpoch: 9 })
  }),
  counted(
    'ISR',
    'one joins that does not have what is exposed',
    ({ commit }) => {
      commit(ALONE)
      commit({ ...BOTH, partitionEpoch: 9 })
    },
    (isDamaged) => (isDamaged ? 9 : 10),
  ),
  counted(
    'ISR',
    'more is exposed than one has that is in sync',
    ({ commit, counted: known }) => {
      commit(BOTH)
      checkExposed(known, replica(0))
    },
    (isDamaged) => (isDamaged ? 9 : 10),
  ),
  counted('CMP', 'a leader takes more for synced by all than they have said', ({ counted: known }, isDamaged) => {
    checkSynced(known, replica(1), sent({ kind: 'fetch', replicaId: 1, leaderEpoch: 3, syncedOffset: 6 }))
    checkSynced(known, replica(0), sent({ kind: 'fetchResponse', errorCode: 0, syncedByAll: isDamaged ? 7 : 6 }))
  }),
  inScene('REC', 'a segment is removed that the only synced checkpoint speaks of', ({ truth }, isDamaged) => {
    const files = { 'checkpoint-0': checkpoint(2, 5, !isDamaged), 'checkpoint-1': checkpoint(1, 0, true), [logFileName(0)]: newFile() }
    checkRemovals(truth.world, diskOf(files), [{ kind: 'remove', log: 'orders-0.1', files: [logFileName(0)], token: 1 }])
  }),
  inScene('REC', 'a log that was mended counts before that is synced', ({ truth }, isDamaged) => {
    const watched = watchDamage()
    const about = {
      self: { node: 0, actor: '' },
      topic: 'orders',
      topicId: 1,
      partition: 0,
      logName: 'orders-0.1',
      role: { isr: [], elr: [] },
    }
    const state = { ...about, phase: 'idle', damage: 'partial', mending: {} as Mending } as unknown as ReplicaState
    checkDamage(truth, watched, state, diskOf({ log: mended(false) }))
    Object.assign(state, { damage: 'none', mending: null })
    checkDamage(truth, watched, state, diskOf({ log: mended(!isDamaged) }))
  }),
]
