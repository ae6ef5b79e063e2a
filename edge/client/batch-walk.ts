/**
 * Which batches of a chunk can be believed to be where they belong. The base offset is outside the CRC, and the CRC is checked when a batch is decoded, yet the
 * reader skips and goes on by offsets before that. So they are compared with each other: each batch begins where the one before it ended, and has as many records
 * as offsets, unless compaction has taken some: then the CRC must say that it is right.
 *
 * What it does not do: check the CRC of any other batch (consumed-partition.ts).
 */
import * as batch from '../../protocol/record-batch.ts'

/** Why the batch that holds the offset is not among those found. */
export type WalkDefect = 'length' | 'count' | 'offset'

/** What a chunk holds for a reader who wants an offset. */
export interface Walk {
  /** The batch that holds the offset, and those that follow it without a gap; none if that batch is not there, or damaged. */
  readonly positions: readonly batch.BatchPosition[]
  readonly defect: WalkDefect
  /** Where the whole batches end, believed or not. */
  readonly wholeBytes: number
}

/** Walks to the batch that holds `offset`, past whatever is in front of it, and on to the first one that is not in its place. */
export function walkFrom(bytes: Uint8Array, offset: number): Walk {
  const all = batch.walkBatches(bytes)
  const end = all.at(-1)
  const wholeBytes = end === undefined ? 0 : end.at + end.sizeBytes
  let defect: WalkDefect = all.length === 0 ? 'length' : 'offset'
  let first = -1
  // Where the next batch must begin; -1 while nothing says so.
  let expected = -1
  for (const [index, { at }] of all.entries()) {
    const place = placeOf(bytes, all, index, expected)
    if (first >= 0 && place !== 'right') {
      // Of two that disagree, the one whom the next contradicts, too, is wrong.
      const isFirstWrong = place === 'resumed' && index === first + 1
      return { positions: isFirstWrong ? [] : all.slice(first, index), defect, wholeBytes }
    }
    if (place === 'unsound') defect = 'count'
    const begin = place === 'wrong' ? expected : batch.baseOffset(bytes, at)
    expected = place === 'unsound' ? -1 : begin + batch.lastOffsetDelta(bytes, at) + 1
    if (first >= 0 || place === 'wrong' || place === 'unsound') continue
    if (begin > offset) break
    if (expected > offset) first = index
  }
  return { positions: first < 0 ? [] : all.slice(first), defect, wholeBytes }
}

/** `resumed`: not where the one before it ended, but the next one agrees with it. */
type Place = 'right' | 'resumed' | 'wrong' | 'unsound'

function placeOf(bytes: Uint8Array, all: readonly batch.BatchPosition[], index: number, expected: number): Place {
  const at = all[index]?.at ?? 0
  const count = batch.lastOffsetDelta(bytes, at) + 1
  const isDense = count > 0 && count === batch.recordCount(bytes, at)
  if (!isDense && !batch.checkBatch(bytes, at, bytes.length - at, 'sparse').ok) return 'unsound'
  const begin = batch.baseOffset(bytes, at)
  if (expected < 0 || begin === expected) return 'right'
  const next = all[index + 1]
  return next !== undefined && batch.baseOffset(bytes, next.at) === begin + count ? 'resumed' : 'wrong'
}
