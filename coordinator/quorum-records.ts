/**
 * What the metadata log holds, as bytes: record batches of format v2 whose header carries the leader's epoch. Control batches speak of the quorum
 * itself: who leads (the first batch of every leader), and who votes (KIP-853). A snapshot is a file of batches, too: a header, the records that
 * rebuild the image, a footer; without the footer it is not whole. Values are JSON, so that anybody can read a dump.
 */
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts'
import { readRecords } from '../protocol/record-batch-reader.ts'
import * as header from '../protocol/record-batch.ts'

/** A batch of the metadata log. */
export interface QuorumBatch {
  readonly baseOffset: number
  /** One past its last offset. */
  readonly endOffset: number
  readonly epoch: number
  readonly bytes: Uint8Array
  /** The set of voters that it brings; null if it brings none. */
  readonly voters: readonly number[] | null
}

/** Everything below `endOffset` as one file. The one without bytes stands for an empty log. */
export interface QuorumSnapshot {
  /** Exclusive. */
  readonly endOffset: number
  /** The epoch of the last record covered. */
  readonly epoch: number
  readonly voters: readonly number[]
  readonly bytes: Uint8Array
}

/** Kafka's control record types. */
const TYPE = { leaderChange: 2, snapshotHeader: 3, snapshotFooter: 4, voters: 6 } as const

/** A request is one batch, however large. */
const BATCH_BYTES_MAX = 2 ** 31 - 1

/** What a batch is made for. */
export interface BatchPlace {
  readonly baseOffset: number
  readonly epoch: number
  /** Wall clock. */
  readonly now: number
}

/** A batch of metadata records. */
export function dataBatch(place: BatchPlace, values: readonly Uint8Array[]): QuorumBatch {
  return build(
    place,
    values.map((value) => ({ key: null, value })),
    null,
  )
}

/** The first batch of a leader. With it goes the set of voters, if the log does not say it yet. */
export function leaderChangeBatch(place: BatchPlace, leader: number, voters: readonly number[], areNew: boolean): QuorumBatch {
  const records = [control(TYPE.leaderChange, { leaderId: leader, voters })]
  if (areNew) records.push(control(TYPE.voters, { voters }))
  return build(place, records, areNew ? voters : null)
}

/** A batch that changes who votes. */
export function votersBatch(place: BatchPlace, voters: readonly number[]): QuorumBatch {
  return build(place, [control(TYPE.voters, { voters })], voters)
}

/** The batches in some bytes, each with bytes of its own; null if they are not whole and sound. */
export function parseBatches(bytes: Uint8Array): QuorumBatch[] | null {
  const batches: QuorumBatch[] = []
  for (let at = 0; at < bytes.length;) {
    const check = header.checkBatch(bytes, at, bytes.length - at)
    if (!check.ok) return null
    batches.push(batchOf(bytes.slice(at, at + check.sizeBytes)))
    at += check.sizeBytes
  }
  return batches
}

/** A sound batch whose bytes nobody else changes. */
export function batchOf(bytes: Uint8Array): QuorumBatch {
  const voters = header.isControl(bytes, 0) ? votersIn(bytes) : null
  return {
    baseOffset: header.baseOffset(bytes, 0),
    endOffset: header.lastOffset(bytes, 0) + 1,
    epoch: Math.max(0, header.leaderEpoch(bytes, 0)),
    bytes,
    voters,
  }
}

/** The values of a batch's metadata records; none if it speaks of the quorum. */
export function metadataValues(batch: QuorumBatch): Uint8Array[] {
  if (header.isControl(batch.bytes, 0)) return []
  return readRecords(batch.bytes, 0)
    .map(({ value }) => value)
    .filter((value) => value !== null)
}

/** A snapshot's file. */
export function encodeSnapshot(snapshot: Omit<QuorumSnapshot, 'bytes'>, values: readonly Uint8Array[], now: number): QuorumSnapshot {
  const { endOffset, epoch, voters } = snapshot
  const place = { baseOffset: 0, epoch, now }
  const parts = [build(place, [control(TYPE.snapshotHeader, { endOffset, epoch, voters })], null).bytes]
  if (values.length > 0) parts.push(dataBatch({ ...place, baseOffset: 1 }, values).bytes)
  parts.push(build({ ...place, baseOffset: 1 + values.length }, [control(TYPE.snapshotFooter, {})], null).bytes)
  return { endOffset, epoch, voters, bytes: concat(parts) }
}

/** Reads a snapshot's file; null unless it is whole and sound. */
export function decodeSnapshot(bytes: Uint8Array): QuorumSnapshot | null {
  const batches = parseBatches(bytes)
  if (batches === null || batches.length < 2) return null
  const head = controlIn(batches[0], TYPE.snapshotHeader)
  if (head === null || controlIn(batches.at(-1), TYPE.snapshotFooter) === null) return null
  const { endOffset, epoch, voters } = head as { endOffset: number; epoch: number; voters: number[] }
  return { endOffset, epoch, voters, bytes }
}

/** The values of the metadata records in a snapshot. */
export function snapshotValues(snapshot: QuorumSnapshot): Uint8Array[] {
  return (parseBatches(snapshot.bytes) ?? []).flatMap(metadataValues)
}

/** One after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

interface BuiltRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
}

function control(type: number, value: unknown): BuiltRecord {
  return { key: Uint8Array.of(0, 0, 0, type), value: new TextEncoder().encode(JSON.stringify(value)) }
}

function build(place: BatchPlace, records: readonly BuiltRecord[], voters: readonly number[] | null): QuorumBatch {
  const builder = new RecordBatchBuilder(BATCH_BYTES_MAX)
  for (const { key, value } of records) builder.append(place.now, key, value, undefined)
  const isControl = records[0]?.key !== null
  const bytes = builder
    .finish({ producerId: -1, producerEpoch: -1, baseSequence: -1, leaderEpoch: place.epoch, control: isControl })
    .slice()
  header.stampBaseOffset(bytes, 0, place.baseOffset)
  return { baseOffset: place.baseOffset, endOffset: place.baseOffset + records.length, epoch: place.epoch, bytes, voters }
}

function votersIn(bytes: Uint8Array): readonly number[] | null {
  for (const { key, value } of readRecords(bytes, 0)) {
    if (key?.[3] === TYPE.voters && value !== null) return (parse(value) as { voters: number[] }).voters
  }
  return null
}

function controlIn(batch: QuorumBatch | undefined, type: number): unknown {
  if (batch === undefined || !header.isControl(batch.bytes, 0)) return null
  const record = readRecords(batch.bytes, 0)[0]
  return record?.key?.[3] === type && record.value !== null ? parse(record.value) : null
}

function parse(value: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(value))
}
