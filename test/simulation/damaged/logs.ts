// Logs, as they lie on disks or were read: with a record too few, twice, in the wrong order, or another one.

import { checkHistory, readLog } from '../../../simulation/checkers/final.ts'
import { checkFiles } from '../../../simulation/checkers/final.ts'
import { checkAborted, checkCompacted, checkNewestVisible } from '../../../simulation/checkers/compaction.ts'
import type { Cluster } from '../../../simulation/cluster.ts'
import type { Disk } from '../../../simulation/disk.ts'
import { appendBytes, newFile } from '../../../simulation/disk-file.ts'
import type { SimulatedFile } from '../../../simulation/disk-file.ts'
import { buildBatch } from '../../../simulation/records.ts'
import type { SeenRecord } from '../../../simulation/records.ts'
import { acknowledge, place } from '../../../simulation/truth.ts'
import { stampBaseOffset } from '../../../protocol/record-batch.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

/** Values 10 to 19 are of writer 1, 20 to 29 of writer 2. */
const VALUES = [10, 20, 11, 12, 21, 13].map((value) => Math.floor(value / 10) * 0x1_0000_0000 + value)

const SOUND: readonly SeenRecord[] = VALUES.map((value, offset) => ({ offset, value }))

/** The log of a partition all of which was acknowledged. */
function log(code: string, what: string, damage: (records: readonly SeenRecord[]) => readonly SeenRecord[]): Damaged {
  return inScene(code, what, ({ truth, partition }, isDamaged) => {
    acknowledge(truth, partition, 0, VALUES, 0)
    const records = isDamaged ? damage(SOUND) : SOUND
    checkHistory(truth, partition, { records, begin: records[0]?.offset ?? -1, end: (records.at(-1)?.offset ?? -2) + 1 })
  })
}

function exchanged(records: readonly SeenRecord[], one: number, other: number): SeenRecord[] {
  const value = (offset: number): number => VALUES[offset === one ? other : offset === other ? one : offset] ?? 0
  return records.map(({ offset }) => ({ offset, value: value(offset) }))
}

/** Who has the files of one log. */
function clusterOf({ truth }: Scene, files: ReadonlyMap<string, SimulatedFile>): { readonly cluster: Cluster; readonly disk: Disk } {
  const disk = { files: () => files, logNames: () => ['orders-0.1'] } as unknown as Disk
  return { cluster: { truth, world: truth.world, nodes: [{ disk }] } as unknown as Cluster, disk }
}

/** A log of two batches in one file; `change` has its bytes. */
function files(offsets: readonly [number, number], change: (bytes: Uint8Array) => void = () => undefined): Map<string, SimulatedFile> {
  const file = newFile()
  for (const offset of offsets) {
    const bytes = buildBatch([VALUES[offset] ?? 0], 8, 0)
    stampBaseOffset(bytes, 0, offset)
    appendBytes(file, bytes)
  }
  change(file.bytes)
  return new Map([['00000000000000000000.log', file]])
}

/** Offsets 0 to 5 by key: a, b, a, a tombstone of a, b, c; value is offset + 100. */
const KEYED = [0, 1, 0, 0, 1, 2].map((key, offset) => ({ key, isTombstone: offset === 3, atMicros: 0 }))

/** A compacted log, so many seconds after it was written, of which these offsets are left. */
function compacted(
  what: string,
  sound: readonly number[],
  damaged: readonly number[],
  seconds: number,
  minCompactionLagMillis = 0,
): Damaged {
  const settings = { cleanupPolicy: 'compact', deleteRetentionMillis: 10_000, minCompactionLagMillis } as const
  return inScene(
    'CMP',
    what,
    ({ truth, partition }, isDamaged) => {
      KEYED.forEach((keyed, offset) => {
        truth.keyed.set(offset + 100, keyed)
        place(truth, partition, offset, offset + 100, 0, 'a reader')
      })
      truth.world.runUntil(seconds * 1_000_000)
      const left = (isDamaged ? damaged : sound).map((offset) => ({ offset, value: offset + 100 }))
      checkCompacted(truth, partition, left, { end: KEYED.length, logEnd: KEYED.length, who: 'the test' })
    },
    settings,
  )
}

/** Logs. */
export const damagedLogs: readonly Damaged[] = [
  log('LOST', 'the last record of a log is gone', (records) => records.slice(0, -1)),
  log('LOST', 'the first record of a log is gone', (records) => records.slice(1)),
  log('REC', 'a record in the midst of a log is gone', (records) => records.toSpliced(2, 1)),
  log('ORD', 'two records of a writer are exchanged', (records) => exchanged(records, 2, 3)),
  log('DUP', 'a record is there twice', (records) => records.map((one, i) => (i === 3 ? { ...one, value: VALUES[2] ?? 0 } : one))),
  log('CHG', 'a record is another one', (records) => records.map((one, i) => (i === 4 ? { ...one, value: one.value + 1 } : one))),
  inScene('LOST', 'a record that was acknowledged without its offset is nowhere', ({ truth, partition }, isDamaged) => {
    acknowledge(truth, partition, -1, [VALUES[0] ?? 0], 0)
    const records = isDamaged ? [] : SOUND.slice(0, 1)
    checkHistory(truth, partition, { records, begin: records.length === 0 ? -1 : 0, end: records.length === 0 ? -1 : 1 })
  }),
  inScene('CHG', 'an offset has another value for the next reader', ({ truth, partition }, isDamaged) => {
    place(truth, partition, 0, 1, 0, 'a reader')
    place(truth, partition, 0, isDamaged ? 2 : 1, 0, 'another reader')
  }),
  inScene('DUP', 'a value is seen at a second offset', ({ truth, partition }, isDamaged) => {
    place(truth, partition, 0, 1, 0, 'a reader')
    place(truth, partition, isDamaged ? 5 : 0, 1, 0, 'a reader')
  }),
  inScene('REC', 'a byte of a file is flipped', (scene, isDamaged) => {
    const { cluster, disk } = clusterOf(
      scene,
      files([0, 1], (bytes) => isDamaged && (bytes[70]! ^= 1)),
    )
    readLog(cluster, disk, 'orders-0.1')
  }),
  inScene('REC', 'a file leaves an offset out', (scene, isDamaged) => {
    const { cluster, disk } = clusterOf(scene, files([0, isDamaged ? 2 : 1]))
    readLog(cluster, disk, 'orders-0.1')
  }),
  inScene('GONE', 'a deleted topic has files', (scene, isDamaged) => {
    scene.partition.isOver = isDamaged
    checkFiles(clusterOf(scene, files([0, 1])).cluster)
  }),
  compacted('the newest record of a key is gone', [3, 4, 5], [3, 4], 1),
  compacted('a tombstone has gone too early', [3, 4, 5], [4, 5], 9),
  compacted('a tombstone has gone before what it deletes', [4, 5], [2, 4, 5], 11),
  compacted('a record has gone before its time', [0, 1, 2, 3, 4, 5], [3, 4, 5], 4, 5000),
  inScene('CMP', 'what is aborted is left by a cleaning', ({ truth, partition }, isDamaged) => {
    const about = {
      name: 'x',
      transactionalId: 't',
      writer: 7,
      producerId: 1,
      producerEpoch: 3,
      outcome: 'aborted',
      commitAskedAt: -1,
    } as const
    truth.transactions.byValue.set(100, { ...about, records: [] })
    truth.transactions.decisions.set('1/4', false)
    checkAborted(truth, partition, isDamaged ? [{ offset: 0, value: 100 }] : [], 'the test')
  }),
  inScene(
    'CMP',
    'readers of what is committed do not see the newest record of a key',
    ({ truth, partition }, isDamaged) => {
      truth.keyed.set(100, { key: 1, isTombstone: false, atMicros: 0 })
      place(truth, partition, 0, 100, 0, 'a reader')
      checkNewestVisible(truth, partition, new Map(isDamaged ? [] : [[0, 100]]))
    },
    { cleanupPolicy: 'compact' },
  ),
]
