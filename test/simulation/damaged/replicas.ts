// Replicas, after a step: with a high watermark that falls, or exposes too much, a log that begins too late or ends too early, and a second leader.

import { checkCopies } from '../../../simulation/checkers/copies.ts'
import { checkPace, checkShare, newCopyPace } from '../../../simulation/checkers/pace.ts'
import { checkReplica, watchReplica } from '../../../simulation/checkers/replicas.ts'
import type { ReplicaStep, WatchedReplica } from '../../../simulation/checkers/replicas.ts'
import type { BrokerState } from '../../../actors/broker-state.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { Disk } from '../../../simulation/disk.ts'
import { appendBytes, newFile, rotBytes, syncFile } from '../../../simulation/disk-file.ts'
import type { SimulatedFile } from '../../../simulation/disk-file.ts'
import { nameOfSegment, newSegment } from '../../../partitions/log.ts'
import { newReplicaState, NO_ROLE } from '../../../partitions/replica-state.ts'
import type { ReplicaState } from '../../../partitions/replica-state.ts'
import type { FetchRequest } from '../../../protocol/messages/fetch.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { stampBaseOffset } from '../../../protocol/record-batch.ts'
import { defaultTopicConfig } from '../../../protocol/topic-config.ts'
import type { TopicConfig } from '../../../protocol/topic-config.ts'
import { buildBatch } from '../../../simulation/records.ts'
import { newTruth, partitionTruth, place } from '../../../simulation/truth.ts'
import { World } from '../../../simulation/world.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

/** A leader of ten records, of which eight are committed. */
interface Stage extends Scene {
  readonly state: ReplicaState
  readonly watched: WatchedReplica
  readonly file: SimulatedFile
  /** It has handled a message. */
  readonly step: (message?: Message, effects?: ReplicaStep['effects']) => void
}

const SEGMENT = '00000000000000000000.log'

function stage(scene: Scene, settings: Partial<TopicConfig>, node = 0): Stage {
  const topicConfig = { ...defaultTopicConfig, ...settings }
  const config = { topic: 'orders', topicId: 1, partition: 0, topicConfig, replicaLagMillis: 1000 }
  const state = newReplicaState({ node, actor: 'replica/orders-0' }, config)
  state.phase = 'leading'
  state.role = { ...NO_ROLE, leader: node, leaderEpoch: 3, replicas: [0, 1], isr: [0, 1] }
  state.log = { segments: [newSegment(0, 0)], logStartOffset: 0, logEndOffset: 10 }
  state.highWatermark = { offset: 8, segmentBaseOffset: 0, position: 80 }
  state.durableEndOffset = 10
  const watched = watchReplica(scene.truth, config)
  const file = newFile()
  appendBytes(file, new Uint8Array(100))
  syncFile(file)
  const disk = { files: () => new Map<string, SimulatedFile>([[SEGMENT, file]]) } as unknown as Disk
  const step: Stage['step'] = (message = { kind: 'started' }, effects = []) =>
    checkReplica(scene.truth, watched, state, disk, { message, effects })
  return { ...scene, state, watched, file, step }
}

function replica(
  code: string,
  what: string,
  play: (stage: Stage, isDamaged: boolean) => void,
  settings: Partial<TopicConfig> = {},
): Damaged {
  return inScene(code, what, (scene, isDamaged) => play(stage(scene, settings), isDamaged), settings)
}

const FETCH: FetchRequest = {
  ...{ kind: 'fetch', correlationId: 1, topicId: 1, leaderEpoch: 3, replicaId: -1, brokerEpoch: -1, lastFetchedEpoch: -1 },
  ...{
    fetchOffset: 2,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: 1,
    maxWaitMillis: 1,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
  },
} as const

/** An answer to it. */
function answer(errorCode: number): ReplicaStep['effects'] {
  const message = { kind: 'fetchResponse', correlationId: 1, errorCode } as Extract<Message, { kind: 'fetchResponse' }>
  return [{ kind: 'send', to: { node: -1, actor: 'consumer' }, message }]
}

/** A follower that may copy 1000 bytes in a second, and has just been given as many. */
function copying(what: string, play: (stage: Stage, copy: (atMillis: number) => void, isDamaged: boolean) => void): Damaged {
  return replica('PACE', what, (scene, isDamaged) => {
    const { state, truth } = scene
    const pace = newCopyPace()
    state.phase = 'following'
    state.role = { ...state.role, leader: 1, throttleBytesPerSecond: 1000 }
    state.following = {
      correlationId: -1,
      timeoutAt: -1,
      reportedStartOffset: -1,
      failures: 0,
      lostFrom: -1,
      lateCount: 0,
      pausedUntil: -1,
      syncedByAll: -1,
    }
    const append: Effect = { kind: 'append', log: 'orders-0.1', file: SEGMENT, position: 0, bytes: new Uint8Array(1000), token: 1 }
    const copy = (atMillis: number): void => {
      truth.world.runUntil(atMillis * 1000)
      checkPace(truth.world, pace, 'orders-0', state, [append])
    }
    copy(0)
    play(scene, copy, isDamaged)
  })
}

/** What a broker tells the two replicas that a reassignment brings to it; all that come there may copy 1000 bytes in a second. */
function shared(what: string, sound: readonly number[], damaged: readonly number[]): Damaged {
  return inScene('PACE', what, ({ truth }, isDamaged) => {
    const partitions = [0, 1].map(() => ({ adding: [0], isr: [1] }))
    const topics = new Map([['orders', { name: 'orders', topicId: 1, partitions }]])
    const brokers = new Map([[0, { brokerEpoch: 5 }]])
    const image = { topics, names: new Map([[1, 'orders']]), brokers, reassignmentBytesPerSecond: 1000 }
    const replicas = [0, 1].map((partition) => [`replica/orders-${partition}`, { topic: 'orders', topicId: 1, partition, isStarted: true }])
    const state = { self: { node: 0, actor: 'broker' }, image, brokerEpoch: 5, config: {}, replicas: new Map(replicas as []) }
    const effects = (isDamaged ? damaged : sound).map((throttleBytesPerSecond, partition) => ({
      kind: 'send',
      to: { node: 0, actor: `replica/orders-${partition}` },
      message: { kind: 'leaderAndIsr', topicId: 1, throttleBytesPerSecond },
    }))
    checkShare(truth.world, new Map(), state as unknown as BrokerState, effects as unknown as Effect[])
  })
}

/** Who leads next, after everybody had ten records, eight of which are exposed and six acknowledged. */
function succession(code: string, what: string, sound: number, damaged: number): Damaged {
  return replica(code, what, ({ state, step, partition }, isDamaged) => {
    partition.acknowledgedEnd = 6
    partition.exposedEnd = 8
    state.log.logEndOffset = isDamaged ? damaged : sound
    state.highWatermark = { offset: 4, segmentBaseOffset: 0, position: 40 }
    step()
  })
}

/** A leader answers who wants two copies of its tenth record. */
const copies: Damaged = {
  code: 'ACK',
  what: 'two copies are acknowledged, and there is one',
  play: (isDamaged) => {
    const truth = newTruth(new World(1), [], { countsCopies: true })
    const partition = partitionTruth(truth, 'orders-0', 1, defaultTopicConfig)
    const { state, watched } = stage({ truth, partition }, {})
    const from = { node: -1, actor: 'producer' }
    partition.copiedEnds.set('1/3', isDamaged ? 9 : 10)
    const request = { kind: 'produce', correlationId: 1, acks: 2, records: buildBatch([1], 8, 0) } as Extract<Message, { kind: 'produce' }>
    const message = { kind: 'produceResponse', correlationId: 1, errorCode: 0, baseOffset: 9 } as Extract<
      Message,
      { kind: 'produceResponse' }
    >
    checkCopies(truth, watched, { state, message: request, from, effects: [{ kind: 'send', to: from, message }] })
    return truth.world.violation?.code ?? null
  },
}

/** A replica that is not in sync and copies has cleaned the first four of six committed records, all of different keys; the last two are on their way to its disk, or are written. */
function cleanedWhileCopying(what: string, [sound, damaged]: readonly [CopiedEnd, CopiedEnd]): Damaged {
  return inScene(
    'CMP',
    what,
    ({ truth, partition }, isDamaged) => {
      for (let offset = 0; offset < 6; offset++) {
        truth.keyed.set(offset + 100, { key: offset, isTombstone: false, atMicros: 0 })
        place(truth, partition, offset, offset + 100, 0, 'a reader')
      }
      partition.exposedEnd = 6
      const { state, watched } = stage({ truth, partition }, { cleanupPolicy: 'compact' })
      const { written, there } = isDamaged ? damaged : sound
      const segments = [{ ...newSegment(0, 0), generation: 1 }, newSegment(4, 0)] as const
      const file = (base: number, end: number): SimulatedFile => {
        const one = newFile()
        if (end > base) appendBytes(one, stamped(base, end))
        return one
      }
      Object.assign(state, { phase: 'following', role: { ...state.role, leader: 1, isr: [1] } })
      state.log = { segments: [...segments], logStartOffset: 0, logEndOffset: 6 }
      state.highWatermark = { offset: 4, segmentBaseOffset: 4, position: 0 }
      state.writtenEnd = { offset: written, segmentBaseOffset: 4, position: 0 }
      const files = new Map([
        [nameOfSegment(segments[0]), file(0, Math.min(there, 4))],
        [nameOfSegment(segments[1]), file(4, there)],
      ])
      const disk = { files: () => files } as unknown as Disk
      checkReplica(truth, watched, state, disk, { message: { kind: 'started' }, effects: [] })
    },
    { cleanupPolicy: 'compact' },
  )
}

/** Up to where what it copies has been written, as it knows, and up to where it is there. */
interface CopiedEnd {
  readonly written: number
  readonly there: number
}

/** One batch with the values of these offsets. */
function stamped(base: number, end: number): Uint8Array {
  const bytes = buildBatch(
    Array.from({ length: end - base }, (_, i) => base + i + 100),
    8,
    0,
  )
  stampBaseOffset(bytes, 0, base)
  return bytes
}

/** Replicas. */
export const damagedReplicas: readonly Damaged[] = [
  copies,
  replica('HW', 'a high watermark falls', ({ state, step }, isDamaged) => {
    step()
    state.highWatermark = { offset: isDamaged ? 7 : 9, segmentBaseOffset: 0, position: 70 }
    step()
  }),
  replica('HW', 'a high watermark is above the log end', ({ state, step }, isDamaged) => {
    state.highWatermark = { offset: isDamaged ? 11 : 10, segmentBaseOffset: 0, position: 100 }
    step()
  }),
  replica('HW', 'more is exposed than is synced', ({ state, step }, isDamaged) => {
    state.highWatermark = { offset: 10, segmentBaseOffset: 0, position: isDamaged ? 101 : 100 }
    step()
  }),
  replica('CHG', 'sound bytes are taken for damage', ({ state, file, step }, isDamaged) => {
    step()
    if (!isDamaged) rotBytes(file, 70, Uint8Array.of(1))
    state.damage = 'partial'
    step()
  }),
  replica('2LDR', 'a second node leads in the same epoch', ({ step, ...scene }, isDamaged) => {
    step()
    const other = stage(scene, {}, isDamaged ? 1 : 0)
    other.step()
  }),
  succession('REC', 'who leads next lacks what was exposed', 8, 7),
  succession('LOST', 'who leads next lacks what was acknowledged', 8, 5),
  replica('RET', 'a log begins above its high watermark', ({ state, step }, isDamaged) => {
    state.log.logStartOffset = isDamaged ? 9 : 8
    step()
  }),
  replica(
    'RET',
    'what an open transaction has written goes because it is old',
    ({ state, step }, isDamaged) => {
      step()
      state.transactions.open.set(7, { offset: 5, segmentBaseOffset: 0, position: 0 })
      state.log.logStartOffset = isDamaged ? 6 : 5
      step({ kind: 'timerFired', timer: 'retention' })
    },
    { retentionMillis: 1000 },
  ),
  replica('RET', 'what was deleted comes back with the next leader', ({ state, step, partition }, isDamaged) => {
    partition.deletedOffset = 5
    state.log.logStartOffset = isDamaged ? 4 : 5
    step()
  }),
  replica('LOST', 'a leader drops what nobody has deleted', ({ state, step }, isDamaged) => {
    step()
    state.log.logStartOffset = 5
    const request = { kind: 'deleteRecords', correlationId: 1, topicId: 1, leaderEpoch: 3, beforeOffset: isDamaged ? 4 : 5 } as const
    step(request)
  }),
  replica('RET', 'a reader is served from below the beginning', ({ state, step }, isDamaged) => {
    state.log.logStartOffset = 5
    step(FETCH, answer(isDamaged ? 0 : 1))
  }),
  replica(
    'RET',
    'records go although a group has not committed past them',
    ({ truth, state, step }, isDamaged) => {
      truth.committedEnds.set('billing', () => (isDamaged ? 4 : 5))
      step()
      state.log.logStartOffset = 5
      step({ kind: 'offsetFetchResponse', correlationId: 1, errorCode: 0, requested: [], offsets: [] })
    },
    { deleteOnceConsumedBy: ['billing'] },
  ),
  replica(
    'RET',
    'records go although a share group has not done with them',
    ({ truth, state, step }, isDamaged) => {
      truth.acknowledgedBy.set('workers', () => (isDamaged ? 4 : null))
      step()
      state.log.logStartOffset = 5
      step({ kind: 'describeShareGroupOffsetsResponse', correlationId: 1, errorCode: 0, startOffset: 5 })
    },
    { deleteOnceAcknowledgedBy: ['workers'] },
  ),
  cleanedWhileCopying('the newest record of a key is gone from what a replica had, while what it copies is on its way to the disk', [
    { written: 4, there: 4 },
    { written: 4, there: 3 },
  ]),
  cleanedWhileCopying('the newest record of a key is gone from what a replica has copied', [
    { written: 6, there: 6 },
    { written: 6, there: 5 },
  ]),
  copying('a replica copies on before it has paid', (_, copy, isDamaged) => copy(isDamaged ? 990 : 1000)),
  copying('a replica that follows its leader as before has another answer free', ({ state }, copy, isDamaged) => {
    copy(1000)
    if (!isDamaged) state.following = { ...state.following! }
    copy(1500)
  }),
  shared('each replica is told that it may copy what all may', [500, 500], [1000, 1000]),
  shared('a replica is told of no limit', [500, 500], [500, 0]),
]
