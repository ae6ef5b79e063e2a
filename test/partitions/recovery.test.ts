// Opening a partition: whatever a crash left behind, everything synced comes back, the torn tail goes, and damage is never passed over in silence.

import { describe, expect, test } from 'vitest'
import { CHECKPOINT_FORMAT_VERSION, checkpointFile, encodeCheckpoint } from '../../partitions/checkpoint.ts'
import { NOT_CLEANED } from '../../partitions/checkpoint-cleaning.ts'
import { emptyLog, indexFileName, logFileName, roll } from '../../partitions/log.ts'
import { advanceRecovery, beginRecovery } from '../../partitions/recovery.ts'
import { dropSegments } from '../../partitions/retention.ts'
import { addEntry, emptyIndex, encodeIndex } from '../../partitions/segment-index.ts'
import { noTransactions } from '../../partitions/transactions.ts'
import { FIELD } from '../../protocol/record-batch.ts'
import { writeI16 } from '../../protocol/bytes.ts'
import {
  append,
  checkpoint,
  copyOf,
  damage,
  expectConsistent,
  fiveBatches,
  newLeader,
  recover,
  refusal,
  run,
  producersOf,
} from './recovery-support.ts'
import { shapeOf, untimed } from './support.ts'

const FIRST = logFileName(0)
const SECOND = logFileName(6)

describe('a directory', () => {
  test('that is empty is an empty log', () => {
    const recovered = recover(new Map())
    expect(recovered).toEqual({
      log: emptyLog(0),
      epochs: [],
      transactions: noTransactions(),
      producers: new Map(),
      recoveryPoint: 0,
      tail: [],
      checkpointSequence: 0,
      cutBytes: 0,
      stale: [],
      cleanedOffset: 0,
      generation: 0,
    })
  })

  test('without a checkpoint is scanned from its beginning', () => {
    const leader = fiveBatches()
    const recovered = recover(leader.directory)
    expect(shapeOf(recovered.log)).toBe(shapeOf(leader.log))
    expect(recovered.log).toMatchObject({ logStartOffset: 0, logEndOffset: 10 })
    expect(recovered.log.segments.map(({ maxTimestamp, createdAt }) => [maxTimestamp, createdAt])).toEqual([
      [1002, 1000],
      [1004, 1003],
    ])
    expect(recovered).toMatchObject({ recoveryPoint: 0, checkpointSequence: 0, cutBytes: 0, epochs: [{ epoch: 0, startOffset: 0 }] })
    expect(producersOf(recovered)).toEqual(leader.producers)
    expectConsistent(leader.directory, recovered)
  })

  test('that was closed cleanly is opened without reading a single batch', () => {
    const leader = fiveBatches()
    checkpoint(leader, true)
    const { demands } = run(copyOf(leader.directory))
    expect(demands).toEqual(['list', 'read checkpoint-1', 'read 6.index'])
    const recovered = recover(leader.directory)
    expect(recovered.log.segments[1]).toEqual({ ...leader.log.segments[1], createdAt: 1004 })
    expect(recovered.log.segments[0]).toMatchObject({ index: null, maxTimestamp: 1002 })
    expect(recovered).toMatchObject({ recoveryPoint: 10, checkpointSequence: 1, producers: untimed(leader.producers) })
  })

  test('with an unclean checkpoint is scanned only in its last segment', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    append(leader, 2, { valueBytes: 20 })
    const { demands } = run(leader.directory)
    expect(demands).toEqual(['list', 'read checkpoint-1', 'read 6.log'])
  })

  test('that begins above 0, as retention leaves it, begins there', () => {
    const leader = newLeader(40)
    checkpoint(leader)
    append(leader, 3)
    expect(recover(leader.directory).log).toMatchObject({ logStartOffset: 40, logEndOffset: 43 })
  })

  test('of a newer version is left alone', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    damage(leader.directory, checkpointFile(1), (bytes) => {
      writeI16(bytes, 4, CHECKPOINT_FORMAT_VERSION + 1)
      return bytes
    })
    const before = copyOf(leader.directory)
    expect(refusal(leader.directory)).toContain('newer version')
    expect(leader.directory).toEqual(before)
  })
})

describe('a torn tail', () => {
  test('is cut at the last whole batch, whatever byte it ends at', () => {
    const leader = fiveBatches()
    const sizes = [...leader.directory.get(SECOND)!].length
    const batchBytes = sizes / 2
    for (let kept = 0; kept < sizes; kept++) {
      const directory = copyOf(leader.directory)
      damage(directory, SECOND, (bytes) => bytes.slice(0, kept))
      const recovered = recover(directory)
      const whole = Math.floor(kept / batchBytes)
      expect(recovered.log.logEndOffset, `${kept} bytes`).toBe(6 + 2 * whole)
      expect(recovered.cutBytes).toBe(kept - whole * batchBytes)
      expectConsistent(directory, recovered)
    }
  })

  test('is found wherever a byte of its batch is wrong, but for the leader epoch that nothing vouches for', () => {
    const leader = fiveBatches()
    const batchBytes = leader.directory.get(SECOND)!.length / 2
    for (let at = 0; at < batchBytes; at++) {
      if (at >= FIELD.leaderEpoch && at < FIELD.magic) continue
      const directory = copyOf(leader.directory)
      damage(directory, SECOND, (bytes) => Uint8Array.from(bytes, (byte, i) => (i === batchBytes + at ? byte ^ 0x10 : byte)))
      const recovered = recover(directory)
      expect(recovered.log.logEndOffset, `byte ${at}`).toBe(8)
      expectConsistent(directory, recovered)
    }
  })

  test('of zeros, as a file system leaves them, is cut', () => {
    const leader = fiveBatches()
    damage(leader.directory, SECOND, (bytes) => Uint8Array.from([...bytes, ...new Uint8Array(4096)]))
    const recovered = recover(leader.directory)
    expect(recovered.cutBytes).toBe(4096)
    expectConsistent(leader.directory, recovered)
  })

  test('in an older segment takes all later ones with it', () => {
    const leader = fiveBatches()
    damage(leader.directory, FIRST, (bytes) => bytes.slice(0, -1))
    const { demands, outcome } = run(leader.directory)
    expect(demands.slice(0, 4)).toEqual(['list', 'read 0.log', 'read 0.log', 'doubtful'])
    expect(demands.slice(-2)).toEqual(['truncate 0.log to 350', 'remove 0.index 6.log'])
    expect(outcome).toMatchObject({ kind: 'done', recovered: { log: { logEndOffset: 4 } } })
  })

  test('is doubtful where a sound batch follows, whatever byte is wrong: nothing is changed until somebody says that it may be', () => {
    const leader = fiveBatches()
    const sizeBytes = leader.directory.get(FIRST)?.length ?? 0
    for (let at = 0; at < sizeBytes / 3; at++) {
      const files = new Map([[FIRST, leader.directory.get(FIRST)?.slice() ?? new Uint8Array(0)]])
      damage(files, FIRST, (bytes) => bytes.with(at, (bytes[at] ?? 0) ^ 0x40))
      // The leader epoch is outside of the CRC.
      if (at >= FIELD.leaderEpoch && at < FIELD.leaderEpoch + 4) continue
      expect(run(files).demands.slice(0, 3)).toEqual(['list', 'read 0.log', 'doubtful'])
    }
  })

  test('is doubtful where a checkpoint is unsound, which may have vouched for it', () => {
    const leader = fiveBatches()
    damage(leader.directory, SECOND, (bytes) => bytes.slice(0, -1))
    expect(run(copyOf(leader.directory)).demands).not.toContain('doubtful')
    leader.directory.set(checkpointFile(1), new Uint8Array(20))
    expect(run(leader.directory).demands).toContain('doubtful')
  })

  test('is not doubtful where a whole write is torn in the middle and nothing follows', () => {
    const leader = fiveBatches()
    damage(leader.directory, SECOND, (bytes) => bytes.fill(0, 100))
    expect(run(leader.directory).demands).not.toContain('doubtful')
  })

  test('gives its producers no memory of what is gone', () => {
    const leader = fiveBatches()
    damage(leader.directory, SECOND, (bytes) => bytes.slice(0, -1))
    const entry = producersOf(recover(leader.directory)).get(7)
    expect(entry?.batches.map(({ baseOffset }) => baseOffset)).toEqual([0, 2, 4, 6])
  })
})

describe('damage below the recovery point', () => {
  test('is refused, whether a batch is wrong, cut off, or a file is missing', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    const damaged = (file: string, change: (bytes: Uint8Array) => Uint8Array | null): string => {
      const directory = copyOf(leader.directory)
      damage(directory, file, change)
      return refusal(directory)
    }
    expect(damaged(SECOND, (bytes) => bytes.slice(0, -1))).toBe('the batch at offset 8 is damaged (00000000000000000006.log, position 175)')
    expect(damaged(SECOND, (bytes) => bytes.fill(9, 0, 8))).toContain('the batch at offset 6 is damaged')
    expect(damaged(FIRST, (bytes) => bytes.slice(0, 200))).toContain('the batch at offset 2 is damaged')
    expect(damaged(SECOND, () => null)).toBe('offsets 6 to 9 are missing')
    // Position 175 + 23: the last offset delta of the last batch, which seems to go on beyond what the checkpoint vouches for.
    expect(damaged(SECOND, (bytes) => bytes.fill(1, 175 + 24, 175 + 25))).toContain('the batch at offset 8 is damaged')
  })

  test('is refused for the first segment, which retention does not take before a checkpoint says so', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    damage(leader.directory, FIRST, () => null)
    const before = copyOf(leader.directory)
    expect(refusal(leader.directory)).toBe('the segment with offset 0 is missing (the next file begins at 6)')
    expect(leader.directory).toEqual(before)
  })

  test('is refused where no checkpoint is sound that could say what the first segment was', () => {
    const leader = newLeader(40)
    checkpoint(leader)
    append(leader, 3)
    damage(leader.directory, checkpointFile(1), (bytes) => bytes.fill(0, 20))
    expect(refusal(leader.directory)).toBe('the log begins at 40, and the checkpoint that would say why is damaged')
  })

  test('is refused for a segment in between, which names the gap', () => {
    const leader = fiveBatches()
    append(leader, 2, { valueBytes: 200 })
    checkpoint(leader)
    damage(leader.directory, SECOND, () => null)
    expect(refusal(leader.directory)).toContain('the segment with offset 6 is missing (the next file begins at 10)')
  })

  test('changes nothing on disk', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    damage(leader.directory, SECOND, (bytes) => bytes.slice(0, -1))
    const before = copyOf(leader.directory)
    refusal(leader.directory)
    expect(leader.directory).toEqual(before)
  })

  test('is not looked for in segments that the checkpoint vouches for', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    damage(leader.directory, FIRST, (bytes) => bytes.fill(0))
    expect(recover(leader.directory).log.logEndOffset).toBe(10)
  })
})

describe('above the recovery point', () => {
  test('a missing segment ends the log, and what follows is removed', () => {
    const leader = fiveBatches()
    append(leader, 2, { valueBytes: 200 })
    damage(leader.directory, SECOND, () => null)
    const recovered = recover(leader.directory)
    expect(recovered.log.logEndOffset).toBe(6)
    expectConsistent(leader.directory, recovered)
    expect([...leader.directory.keys()]).toEqual([FIRST])
  })

  test('a missing first segment leaves an empty log, with a checkpoint or without', () => {
    for (const start of [0, 40]) {
      const leader = newLeader(start)
      if (start > 0) checkpoint(leader)
      for (let i = 0; i < 5; i++) append(leader, 2, { valueBytes: 50 })
      damage(leader.directory, logFileName(start), () => null)
      const recovered = recover(leader.directory)
      expect(recovered).toMatchObject({ log: emptyLog(start), recoveryPoint: start, producers: new Map() })
      expectConsistent(leader.directory, recovered)
    }
  })

  test('a stray segment that overlaps is removed', () => {
    const leader = fiveBatches()
    leader.directory.set(logFileName(9), leader.directory.get(SECOND)!.slice())
    const recovered = recover(leader.directory)
    expect(recovered.log.logEndOffset).toBe(10)
    expectConsistent(leader.directory, recovered)
  })

  test('what was added to a segment since the checkpoint is checked', () => {
    const leader = fiveBatches()
    checkpoint(leader)
    append(leader, 2, { valueBytes: 30 })
    append(leader, 2, { valueBytes: 200 })
    damage(leader.directory, SECOND, (bytes) => bytes.fill(9, bytes.length - 1))
    const recovered = recover(leader.directory)
    expect(recovered.log.logEndOffset).toBe(10)
    expectConsistent(leader.directory, recovered)
  })

  test('a segment of another size than the checkpoint knows is checked', () => {
    const leader = fiveBatches()
    append(leader, 2, { valueBytes: 200 })
    leader.log.segments[0]!.sizeBytes = 350
    checkpoint(leader)
    leader.log.segments[0]!.sizeBytes = 525
    damage(leader.directory, FIRST, (bytes) => bytes.fill(9, 180, 190))
    expect(refusal(leader.directory)).toContain('the batch at offset 2 is damaged')
  })
})

describe('files that are not segments', () => {
  test('are left alone', () => {
    const leader = fiveBatches()
    for (const name of ['notes.txt', '42.log', 'lock']) leader.directory.set(name, new Uint8Array(3))
    recover(leader.directory)
    expect([...leader.directory.keys()].filter((name) => !/^\d{20}/.test(name))).toEqual(['notes.txt', '42.log', 'lock'])
  })

  test('an index without its segment goes, one that is trusted stays', () => {
    const leader = fiveBatches()
    checkpoint(leader, true)
    leader.directory.set(indexFileName(77), new Uint8Array(3))
    recover(leader.directory)
    expect([...leader.directory.keys()].filter((name) => name.endsWith('.index'))).toEqual([indexFileName(0), indexFileName(6)])
  })

  test('the index of a segment that was scanned goes: it may be of another life', () => {
    const leader = fiveBatches()
    leader.directory.set(indexFileName(6), encodeIndex(emptyIndex(), 6))
    recover(leader.directory)
    expect([...leader.directory.keys()]).toEqual([FIRST, SECOND])
  })

  test('an index that is torn, missing, or points beyond its segment is not taken: the segment is scanned', () => {
    const beyond = emptyIndex()
    addEntry(beyond, 6, 0, 1)
    addEntry(beyond, 9, 400, 1)
    for (const stale of [new Uint8Array(20), null, encodeIndex(beyond, 6)]) {
      const leader = fiveBatches()
      checkpoint(leader, true)
      damage(leader.directory, indexFileName(6), () => stale)
      const { demands, outcome } = run(leader.directory)
      expect(demands.at(stale === null ? -1 : -2)).toBe('read 6.log')
      expect(outcome.kind === 'done' && outcome.recovered.log.segments[1]).toMatchObject({ index: leader.log.segments[1]!.index })
    }
  })

  test('segments that retention had dropped, but not yet removed, stay until a checkpoint that says so is proven', () => {
    const leader = fiveBatches()
    leader.log.segments.shift()
    leader.log.logStartOffset = 6
    checkpoint(leader)
    const recovered = recover(leader.directory)
    expect(recovered.log).toMatchObject({ logStartOffset: 6, logEndOffset: 10 })
    expect(shapeOf(recovered.log)).toMatch(/^6:\d+$/)
    expect(leader.directory.has(FIRST)).toBe(true)
    expect(recovered.stale).toContain(FIRST)
    for (const file of recovered.stale) leader.directory.delete(file)
    expectConsistent(leader.directory, recovered)
  })

  test.each([0, 100, 9999])('everything was deleted: of the last one, %i bytes may be left: the log begins behind it', (sizeBytes) => {
    const leader = fiveBatches()
    roll(leader.log, 0)
    dropSegments(leader.log, leader.log.segments.slice(0, 2))
    checkpoint(leader)
    damage(leader.directory, SECOND, (bytes) => bytes.subarray(0, sizeBytes))
    const recovered = recover(leader.directory)
    expect(recovered.log).toMatchObject({ logStartOffset: 10, logEndOffset: 10 })
    expect(recovered.stale).toEqual(expect.arrayContaining([FIRST, SECOND]))
    for (const file of recovered.stale) leader.directory.delete(file)
    expectConsistent(leader.directory, recovered)
  })

  test('nothing but a checkpoint: the log is empty and begins where it says', () => {
    const directory = new Map([
      [
        checkpointFile(4),
        encodeCheckpoint({
          sequence: 4,
          clean: true,
          recoveryPoint: 30,
          logStartOffset: 30,
          segments: [],
          producers: new Map(),
          epochs: [],
          cleaning: NOT_CLEANED,
          transactions: noTransactions(),
        }),
      ],
    ])
    expect(recover(directory)).toMatchObject({ log: emptyLog(30), recoveryPoint: 30, checkpointSequence: 4 })
  })
})

test('a batch larger than one read is read whole', () => {
  const leader = newLeader()
  append(leader, 3)
  append(leader, 1, { valueBytes: 2_500_000 })
  append(leader, 1)
  const recovered = recover(leader.directory)
  expect(recovered.log.logEndOffset).toBe(5)
  expectConsistent(leader.directory, recovered)
})

test('an answer that does not fit the demand is a bug', () => {
  const recovery = beginRecovery(100)
  advanceRecovery(recovery, null)
  expect(() => advanceRecovery(recovery, { kind: 'changed' })).toThrow('R1')
  advanceRecovery(recovery, { kind: 'listed', files: [{ name: checkpointFile(0), sizeBytes: 5 }] })
  expect(() => advanceRecovery(recovery, { kind: 'changed' })).toThrow('R4')
})
