// What the tests of one partition share: settings, batches as a leader would have stamped them, and logs in one line.

import { batchOf, input } from '../protocol/record-batch-support.ts'
import { encodeMarker } from '../../protocol/control-record.ts'
import { stampBaseOffset, stampLeaderEpoch } from '../../protocol/record-batch.ts'
import { defaultTopicConfig } from '../../protocol/topic-config.ts'
import type { TopicConfig } from '../../protocol/topic-config.ts'
import type { ProducerStates } from '../../partitions/idempotence.ts'
import type { Log } from '../../partitions/log.ts'
import './seeded.ts'

/** What a batch of the tests may be given. */
export interface BatchOptions {
  readonly timestamp?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  /** Bytes of each value. */
  readonly valueBytes?: number
  /** By record; none: no record has one. */
  readonly keys?: readonly string[]
  /** No record has a value. */
  readonly areTombstones?: boolean
}

/** The defaults with some settings changed. */
export function configOf(changes: Partial<TopicConfig> = {}): TopicConfig {
  return { ...defaultTopicConfig, ...changes }
}

/** A batch of `count` records that begins at `baseOffset`. */
export function batchAt(baseOffset: number, count: number, options: BatchOptions = {}): Uint8Array {
  const { timestamp = 1000, producerId = -1, producerEpoch = -1, baseSequence = -1, transactional = false, valueBytes = 4 } = options
  const valueOf = (i: number): string | null => (options.areTombstones === true ? null : String(baseOffset + i).padEnd(valueBytes, '.'))
  const inputs = Array.from({ length: count }, (_, i) => input(timestamp, options.keys?.[i] ?? null, valueOf(i)))
  const bytes = batchOf(inputs, { producerId, producerEpoch, baseSequence, transactional })
  stampBaseOffset(bytes, 0, baseOffset)
  stampLeaderEpoch(bytes, 0, 0)
  return bytes
}

/** The marker of a transaction of the epoch before, at `baseOffset`. */
export function markerAt(
  baseOffset: number,
  committed: boolean,
  producer: { readonly producerId: number; readonly producerEpoch: number },
): Uint8Array {
  const bytes = encodeMarker({ committed, coordinatorEpoch: 0 }, producer, 1000)
  stampBaseOffset(bytes, 0, baseOffset)
  stampLeaderEpoch(bytes, 0, 0)
  return bytes
}

/** Arrays of bytes, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Segments as `base:size`, for example `0:100 5:20`. */
export function shapeOf(log: Log): string {
  return log.segments.map(({ baseOffset, sizeBytes }) => `${baseOffset}:${sizeBytes}`).join(' ')
}

/** Without what a checkpoint does not keep: when producers wrote last. */
export function untimed(states: ProducerStates): ProducerStates {
  return new Map([...states].map(([producerId, entry]) => [producerId, { ...entry, lastTimestamp: -1 }]))
}
