/**
 * The committed offsets of one group, and which of them are orphans: their topic is gone, or another topic has its name now. A topic id is never
 * given twice, so an orphan stays one, and it does not matter how often, or how late, it is found.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import type { MetadataResponse } from '../../protocol/messages/metadata.ts'

/** An offset that the group keeps. */
export interface KeptOffset extends TopicOffset {
  /** Metadata that was asked for by an earlier request (correlation id) may not know its topic yet. */
  readonly sinceId: number
  /** Where its record is in the log: of two, the later one counts (KAFKA-14505). */
  readonly recordOffset: number
}

/** What is looked at of the answer. */
export type MetadataAnswer = Pick<MetadataResponse, 'topics' | 'correlationId' | 'nextTopicId'>

/** Names that many offsets have in common: they come with every message anew, and are kept once. */
export type SharedTexts = Map<string, string>

/** Names, at most; then they are gathered anew. */
const TEXTS_MAX = 100_000

/** By partition name. */
export type KeptOffsets = Map<string, KeptOffset>

/** Keeps a commit that is in the log at `recordOffset`; it replaces the one before it there, but none behind it. */
export function keepOffset(offsets: KeptOffsets, committed: TopicOffset, recordOffset: number, sinceId: number, texts: SharedTexts): void {
  const { partition, metadata } = committed
  const topic = shared(texts, committed.topic)
  const name = shared(texts, topicPartitionName(topic, partition))
  if ((offsets.get(name)?.recordOffset ?? -1) > recordOffset) return
  // One object, and not two: there are many of them.
  offsets.set(name, {
    topic,
    partition,
    offset: compact(committed.offset),
    metadata,
    topicId: compact(committed.topicId),
    sinceId,
    recordOffset: compact(recordOffset),
  })
}

/** The names of the partitions whose offsets are orphans, as an answer to a metadata request shows. */
export function orphanedOffsets(offsets: KeptOffsets, { topics, correlationId, nextTopicId }: MetadataAnswer): string[] {
  const ids = new Map(topics.map(({ topic, topicId }) => [topic, topicId]))
  const orphans: string[] = []
  for (const [name, committed] of offsets) {
    const { sinceId } = committed
    const topicId = ids.get(committed.topic)
    if (topicId === undefined || correlationId < sinceId || topicId === committed.topicId) continue
    // The answer may be of a time before the topic was there.
    if (committed.topicId >= nextTopicId) continue
    // Without an id (a record of an older version) it belongs to whatever topic has the name.
    if (topicId < 0 || committed.topicId >= 0) orphans.push(name)
  }
  return orphans.toSorted()
}

/** What was calculated from 64 bits is kept as a fraction is, in an object of its own; a number that fits into 32 bits need not be. */
function compact(value: number): number {
  const small = value | 0
  return small === value ? small : value
}

function shared(texts: SharedTexts, text: string): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  if (texts.size >= TEXTS_MAX) texts.clear()
  texts.set(text, text)
  return text
}
