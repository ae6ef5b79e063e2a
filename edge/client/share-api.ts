/**
 * The public face of share groups (KIP-932): queues on the log. Members of a share group read the same partitions at once; each record is given to one of them at a
 * time, and again if that one does not accept it.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import type { ShareAcknowledgement, ShareGroupStateName, ShareMemberDescription } from '../../protocol/messages/share.ts'
import type { ConsumerRecord, Polling, Waiting } from './api.ts'
import type { Serde } from './serdes.ts'

/** What is said of a record: it is done with; it shall be given to somebody again; it shall be given to nobody again. */
export type Acknowledgement = 'accept' | 'release' | 'reject'

/** Records (first to last offset) whose acknowledgement came too late: the lock was over, or the cluster has begun anew. */
export interface RefusedAcknowledgement extends TopicPartition {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly type: Acknowledgement
}

/** How a member of a share group is made; every option but the group and the topics has a default. */
export interface ShareConsumerOptions<K, V> {
  readonly group: string
  readonly topics: readonly string[]
  readonly key?: Serde<K>
  readonly value?: Serde<V>
  /** Where the group begins in a topic that it reads for the first time: 'latest' (default, as in Kafka) or 'earliest'. */
  readonly autoOffsetReset?: 'earliest' | 'latest'
  /** 'read_committed': of transactions only what is committed. All members of a group should say the same. Default 'read_uncommitted'. */
  readonly isolationLevel?: IsolationLevel
  /** How long this member has for a record before it is given to somebody else. Default 30,000. */
  readonly acquisitionLockMillis?: number
  /** After so many attempts nobody is given a record any more. Default 5. 1 … 100. */
  readonly deliveryCountLimit?: number
  /** Most records of one `poll`, and that wait in this member. Default 500. 1 … 2,000. */
  readonly maxPollRecords?: number
  /** Whose quota it keeps to, as a consumer's; that of its group binds it, too. What one question has brought is paid for before the next. */
  readonly clientId?: string
  /** What was acknowledged too late is given again; without a listener it goes unnoticed. What the listener throws is an uncaught exception. */
  readonly onRefused?: (refused: readonly RefusedAcknowledgement[]) => void
}

/** A record, and how often it was given out, this time included. */
export interface ShareRecord<K = Uint8Array, V = Uint8Array> extends ConsumerRecord<K, V> {
  readonly deliveryCount: number
}

/**
 * A member of a share group. Asking for more accepts every record that was given before and that nothing else was said of. Closing gives back what was not
 * acknowledged.
 */
export interface ShareConsumer<K = Uint8Array, V = Uint8Array> extends AsyncIterable<ShareRecord<K, V>>, AsyncDisposable {
  /** Up to `maxPollRecords` records; empty after `timeoutMillis` (default 1,000). */
  poll(options?: Polling): Promise<ShareRecord<K, V>[]>
  records(options?: Waiting): AsyncIterable<ShareRecord<K, V>>
  /** Says of a record what shall become of it; it is sent soon. INVALID_RECORD_STATE for one that this member does not have, or has acknowledged. */
  acknowledge(record: ShareRecord<K, V>, type?: Acknowledgement): void
  /** Accepts everything given so far, and waits until all that was said is safe. Throws INVALID_RECORD_STATE if some of what was said since the last commit came too late. */
  commit(): Promise<void>
  close(): Promise<void>
}

/** How far a share group is with one partition. */
export interface SharePartitionLag extends TopicPartition {
  /** Everything below it is done with. */
  readonly startOffset: number
  /** One past the last record that can be read; null if the topic was just deleted. */
  readonly endOffset: number | null
  /** Records that somebody has. */
  readonly inFlight: number
  /** Records that are not done with. */
  readonly lag: number | null
}

/** A share group as its administrator sees it. */
export interface ShareGroupDescription {
  readonly group: string
  readonly state: ShareGroupStateName
  readonly members: readonly ShareMemberDescription[]
  readonly partitions: readonly SharePartitionLag[]
}

/** An acknowledgement as the application knows it. */
export function refusedOf({ topic, partition, first, last, type }: ShareAcknowledgement): RefusedAcknowledgement[] {
  return type === 'return' ? [] : [{ topic, partition, firstOffset: first, lastOffset: last, type }]
}
