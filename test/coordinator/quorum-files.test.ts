// From files back to a member: what is torn is cut, what is damaged is said, and what a crash may leave is understood.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeVote, encodeVote, openQuorum, snapshotFileName, voteFileName } from '../../coordinator/quorum-files.ts'
import type { OpenedQuorum } from '../../coordinator/quorum-files.ts'
import { endOf, votersOf } from '../../coordinator/quorum-log.ts'
import { concat, decodeSnapshot, encodeSnapshot, parseBatches, snapshotValues, votersBatch } from '../../coordinator/quorum-records.ts'
import type { QuorumSnapshot } from '../../coordinator/quorum-records.ts'
import { logFileName } from '../../partitions/log.ts'
import { entry } from './quorum-support.ts'
import './support.ts'

const VOTERS = [0, 1, 2]

function opened(files: Record<string, Uint8Array>, trustedEnd = Infinity): OpenedQuorum {
  const result = openQuorum(new Map(Object.entries(files)), VOTERS, trustedEnd)
  if ('damage' in result) throw new Error(result.damage)
  return result
}

/** A log file with one batch per epoch. */
function logOf(baseOffset: number, ...epochs: readonly number[]): Record<string, Uint8Array> {
  return { [logFileName(baseOffset)]: concat(epochs.map((epoch, i) => entry(baseOffset + i, epoch).bytes)) }
}

function snapshotAt(endOffset: number, epoch: number): { readonly snapshot: QuorumSnapshot; readonly files: Record<string, Uint8Array> } {
  const snapshot = encodeSnapshot({ endOffset, epoch, voters: [0, 1] }, [new TextEncoder().encode('image')], 0)
  return { snapshot, files: { [snapshotFileName(snapshot)]: snapshot.bytes } }
}

function epochs({ recovered }: OpenedQuorum): number[] {
  return recovered.log.batches.map(({ epoch }) => epoch)
}

describe('a vote on the disk', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: -1, max: 100 }), (sequence, epoch, votedFor) => {
        expect(decodeVote(encodeVote({ sequence, epoch, votedFor }))).toEqual({ sequence, epoch, votedFor })
      }),
    )
  })

  test('is not believed when it is cut or changed anywhere', () => {
    const bytes = encodeVote({ sequence: 3, epoch: 7, votedFor: 1 })
    for (let size = 0; size < bytes.length; size++) expect(decodeVote(bytes.subarray(0, size))).toBe('unsound')
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (random) => void decodeVote(random)))
    for (let at = 8; at < bytes.length; at++) expect(decodeVote(bytes.with(at, bytes[at]! ^ 1))).toBe('unsound')
  })

  test('counts if it is the newest of the two that are sound', () => {
    const [old, young] = [encodeVote({ sequence: 4, epoch: 2, votedFor: 1 }), encodeVote({ sequence: 5, epoch: 3, votedFor: -1 })]
    const both = { [voteFileName(0)]: old, [voteFileName(1)]: young }
    expect(opened(both)).toMatchObject({ voteSlot: 1, voteSequence: 5, recovered: { epoch: 3, votedFor: -1 } })
    expect(opened({ ...both, [voteFileName(1)]: young.subarray(0, 20) })).toMatchObject({
      voteSlot: 0,
      recovered: { epoch: 2, votedFor: 1 },
    })
  })

  test('of a newer version is not touched', () => {
    const bytes = encodeVote({ sequence: 1, epoch: 1, votedFor: 0 })
    bytes[7] = 9
    expect(openQuorum(new Map([[voteFileName(0), bytes]]), VOTERS, Infinity)).toMatchObject({ damage: expect.stringContaining('newer') })
  })

  test('says nothing of a newer epoch that the log has', () => {
    const files = { ...logOf(0, 1, 4), [voteFileName(0)]: encodeVote({ sequence: 1, epoch: 2, votedFor: 1 }) }
    expect(opened(files).recovered).toMatchObject({ epoch: 4, votedFor: -1 })
  })
})

describe('the log', () => {
  test('is read through all files, and knows who votes', () => {
    const files = { ...logOf(0, 1, 1), [logFileName(2)]: votersBatch({ baseOffset: 2, epoch: 2, now: 0 }, [0, 1]).bytes }
    const { recovered, files: parts } = opened(files)
    expect([endOf(recovered.log), votersOf(recovered.log)]).toEqual([3, [0, 1]])
    expect(parts.map(({ baseOffset, ends }) => [baseOffset, ends.length])).toEqual([
      [0, 2],
      [2, 1],
    ])
  })

  test('is cut behind its last sound batch, wherever it was torn', () => {
    const name = logFileName(0)
    const whole = logOf(0, 1, 1, 2)[name]!
    const sound = logOf(0, 1, 1)[name]!.length
    for (let size = sound; size < whole.length; size++) {
      const result = opened({ [name]: whole.subarray(0, size) })
      expect(endOf(result.recovered.log)).toBe(2)
      expect(result.cut).toEqual(size === sound ? null : { file: name, sizeBytes: sound })
    }
  })

  test('takes no batch whose CRC is wrong, and nothing behind it', () => {
    const name = logFileName(0)
    const bytes = logOf(0, 1, 1, 1)[name]!
    const at = logOf(0, 1)[name]!.length
    bytes[at + 63]! ^= 1
    const result = opened({ [name]: bytes, ...logOf(3, 1) })
    expect(result).toMatchObject({ cut: { file: name, sizeBytes: at }, removals: [logFileName(3)] })
    expect(epochs(result)).toEqual([1])
  })

  test('is trusted only so far as it was synced, after a failure', () => {
    const result = opened(logOf(0, 1, 1, 1), 2)
    expect(endOf(result.recovered.log)).toBe(2)
    expect(opened(logOf(0, 1, 1), 2).cut).not.toBeNull()
  })

  test('is cut after a failure even where nothing of the write is left: its file may refuse the next one', () => {
    const { files } = snapshotAt(5, 3)
    const name = logFileName(5)
    expect(opened({ ...files, [name]: new Uint8Array(0) }).cut).toBeNull()
    expect(opened({ ...files, [name]: new Uint8Array(0) }, 5).cut).toEqual({ file: name, sizeBytes: 0 })
    expect(opened(files, 5).cut).toBeNull()
  })
})

describe('a snapshot', () => {
  test('comes back whole or not at all', () => {
    const { snapshot } = snapshotAt(5, 3)
    expect(decodeSnapshot(snapshot.bytes)).toEqual(snapshot)
    expect(snapshotValues(snapshot).map((value) => new TextDecoder().decode(value))).toEqual(['image'])
    for (let size = 0; size < snapshot.bytes.length; size++) expect(decodeSnapshot(snapshot.bytes.subarray(0, size))).toBeNull()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (random) => decodeSnapshot(random) === null))
    expect(parseBatches(snapshot.bytes)).toHaveLength(3)
  })

  test('stands for everything below its end, which is exclusive', () => {
    const { files } = snapshotAt(2, 1)
    const result = opened({ ...files, ...logOf(0, 1, 1, 2) })
    expect(epochs(result)).toEqual([2])
    expect(result.recovered.log.batches[0]?.baseOffset).toBe(2)
    expect(votersOf(result.recovered.log)).toEqual([0, 1])
  })

  test('that is torn is removed, and the one before it counts', () => {
    const [old, torn] = [snapshotAt(2, 1), snapshotAt(3, 2)]
    const [name] = Object.keys(torn.files)
    const result = opened({ ...old.files, [name!]: torn.snapshot.bytes.subarray(0, 90), ...logOf(2, 2, 2) })
    expect(result).toMatchObject({ removals: [name], recovered: { log: { snapshot: { endOffset: 2 } } } })
  })

  test('that does not agree with the log has replaced it: a crash left the log', () => {
    const { files } = snapshotAt(2, 3)
    for (const log of [logOf(0, 1, 2, 2), logOf(0, 1)]) {
      const result = opened({ ...files, ...log })
      expect(result).toMatchObject({ removals: [logFileName(0)], files: [{ baseOffset: 2, ends: [] }] })
      expect(endOf(result.recovered.log)).toBe(2)
    }
  })

  test('must reach to where the log begins', () => {
    const { files } = snapshotAt(2, 1)
    expect(openQuorum(new Map(Object.entries({ ...files, ...logOf(4, 1) })), VOTERS, Infinity)).toMatchObject({
      damage: 'the log begins at 4, but the snapshot ends at 2',
    })
  })
})
