/**
 * The public face: five nouns (cluster, topic, producer, consumer, record) as types. `open` in `cluster.ts` makes the first.
 * Options carry Kafka's names in camel case with their unit; defaults are the safe ones.
 */
import type { Acks } from '../../protocol/messages/produce.ts'
import type { ClassicAssignorName } from '../../protocol/messages/classic-group.ts'
import type { AssignorName, CommittedOffset, GroupProtocolName } from '../../protocol/messages/group.ts'
import type { IsolationLevel } from '../../protocol/messages/fetch.ts'
import type { Compression } from '../../protocol/compression.ts'
import type { RecordHeader } from '../../protocol/record-batch.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ProcessHandler, ProcessOptions } from './process-api.ts'
import type { Admin } from './admin-api.ts'
import type { PartitionListener } from './releases.ts'
import type { Serde } from './serdes.ts'
import type { ShareConsumer, ShareConsumerOptions } from './share-api.ts'

/** How a cluster is opened. */
export interface ClusterOptions {
  /**
   * Nodes (failure domains, each with a worker thread); partitions are spread over them. Default: as many as the directory has, 1 in a new one. More
   * join the cluster: topics that are made from then on use them. Fewer than there are is INVALID_OPTION: nodes go
   * one by one (`admin.removeNode`).
   */
  readonly nodes?: number
  /** 0 runs all nodes on the caller's thread (the default in memory); otherwise each node has a worker thread (the default on disk). */
  readonly threads?: number
  /** Opens an existing directory only. Default false: it is made. */
  readonly mustExist?: boolean
  /**
   * The rack of each node, by its id; null: it is on none. Replicas of a partition are on different racks as far as there are racks, those of an older one when
   * `admin.rebalance` has moved them. Default: as they were given last, for the directory keeps them; nodes that join are on none. A list of nulls forgets them.
   */
  readonly racks?: readonly (string | null)[]
  /** A node that is silent for so long is fenced: others lead what it led. One whose thread dies is fenced at once. Default 2,000. 200 … 600,000. */
  readonly nodeSessionTimeoutMillis?: number
  /** A replica that lags for so long is out of sync. Default 2,000. 100 … 600,000. */
  readonly replicaLagMillis?: number
  /**
   * How long the committed offsets of a group are kept in which nobody is any more (KIP-211), counted from when it became empty, and after a restart from its
   * newest commit, but ten minutes at least. -1: for ever. Default 604,800,000 (a week).
   */
  readonly offsetsRetentionMillis?: number
  /**
   * What a node copies at most per second for replicas that reassignments bring to it, all together (Kafka's follower.replication.throttled.rate).
   * Slower than what is written to them, and they never come into sync. Default: no limit.
   */
  readonly reassignmentBytesPerSecond?: number
  /**
   * Producers, consumers and share consumers that may be open at once (Kafka's max.connections); one more is refused with POLICY_VIOLATION. Default 10,000.
   * 1 … 1,000,000.
   */
  readonly maxConnections?: number
  /** Who all clients of this cluster object are, where quotas are for users (`admin.alterClientQuotas`). Default: 'ANONYMOUS', as in Kafka. */
  readonly user?: string
  /**
   * Writes down everything that the actors of this cluster are given, for `odradek replay`: all records that are written and replicated, keys and values included, are in it.
   * A directory of its own, empty or absent, on another disk if possible: it grows with the cluster's traffic, without limit. Default: nothing is recorded.
   */
  readonly record?: string
}

/**
 * A cluster in this process, which keeps the process alive until it is closed, as an open socket does. Closing sends what was written, throws what of it failed, syncs,
 * writes checkpoints and leaves no handle open.
 */
export interface Cluster extends AsyncDisposable {
  readonly directory: string | null
  readonly admin: Admin
  producer<K = Uint8Array, V = Uint8Array>(options?: ProducerOptions<K, V>): Producer<K, V>
  consumer<K = Uint8Array, V = Uint8Array>(options?: ConsumerOptions<K, V>): Consumer<K, V>
  /** A member of a share group: a queue on the log (KIP-932). */
  shareConsumer<K = Uint8Array, V = Uint8Array>(options: ShareConsumerOptions<K, V>): ShareConsumer<K, V>
  /** Live counters and the state of all actors, as plain data. A node whose thread is dead, or does not answer within 5 seconds, is left out. */
  inspect(): Promise<Record<string, unknown>>
  on<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void
  /** The listener hears no more of that event. */
  off<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void
  /**
   * A thread that hangs is ended after 10 seconds without any answer (35, if it answers and does not come to its end), as by a crash: everything acknowledged is
   * there. While the operating system holds it (a disk that does not answer), `close` waits: nobody else may have the directory before that.
   */
  close(): Promise<void>
}

/**
 * What a cluster tells its listeners, by the name of the event. The order is that of the cluster's decisions. None is missed while a coordinator is
 * reachable; after a long absence only what is different then is told.
 */
export interface ClusterEventDetails {
  /** A node's thread died; it is started again, for so many times in a row: after one that lasted (a second), 1 is counted again. */
  readonly nodeDown: { readonly node: number; readonly restarts: number }
  /** It is back. */
  readonly nodeUp: { readonly node: number; readonly restarts: number }
  /** It leads nothing any more, and is out of every ISR that has another member. */
  readonly nodeFenced: { readonly node: number }
  /** It may lead again. */
  readonly nodeUnfenced: { readonly node: number }
  /** Somebody else leads; -1 is nobody. */
  readonly leaderChanged: TopicPartition & { readonly leader: number; readonly leaderEpoch: number; readonly formerLeader: number }
  /** Other replicas are in sync. */
  readonly isrChanged: TopicPartition & { readonly isr: readonly number[]; readonly formerIsr: readonly number[] }
  /**
   * Something failed that no promise reports: an actor, which is started again from what is on the disk, (`actor` null) a whole node, or (`actor` `'storage'`) its
   * disk, in the words of the operating system, and the same every ten seconds at most: it is full, say, or there are too many open
   * files; or what of coordinators' own state is lost with it, and begins anew. Without a listener it is written to the standard error output.
   */
  readonly error: { readonly node: number; readonly actor: string | null; readonly error: Error }
}

/** The name of an event. */
export type ClusterEvent = keyof ClusterEventDetails

/** What hears of one kind of event. What it throws is an uncaught exception, as with EventTarget: the other listeners are called, and the cluster goes on. */
export type ClusterListener<Event extends ClusterEvent> = (detail: ClusterEventDetails[Event]) => void

/** Everything that waits can be given up. */
export interface Waiting {
  readonly signal?: AbortSignal
}

/** How long a poll waits: `timeoutMillis`, default 1,000. */
export interface Polling extends Waiting {
  readonly timeoutMillis?: number
}

/** Chooses a partition; return undefined to leave it to the default partitioner. */
export type Partitioner<K, V> = (record: ProducerRecord<K, V>, partitionCount: number) => number | undefined

/** How a producer is made; every option has a default. */
export interface ProducerOptions<K, V> {
  /** Serdes of keys and values; default bytes. */
  readonly key?: Serde<K>
  readonly value?: Serde<V>
  /**
   * What is promised before a record counts as acknowledged; `send` and `write` can ask for another promise. 'quorum' (default): all replicas in sync have it, of which there are `minInsyncReplicas`.
   * 'leader': its leader has it. A number n: the leader and n - 1 others. 'none': it was sent.
   */
  readonly acks?: Acks
  /** How long a batch may wait for more records. Default 0: until the end of the current turn of the event loop. 0 … 60,000. */
  readonly lingerMillis?: number
  /** A batch is sent when it has this size. Default 65,536. 512 … 1,048,576. */
  readonly batchSizeBytes?: number
  /**
   * All unacknowledged batches together. `write` answers false above it, and what is given all the same waits: up to 1,000,000 records or 1 GiB of them; then
   * BUFFER_EXHAUSTED. Default 8,388,608. 65,536 … 1,073,741,824.
   */
  readonly bufferMemoryBytes?: number
  readonly compression?: Compression
  /**
   * A record that is not acknowledged in this time fails with REQUEST_TIMED_OUT, or NOT_ENOUGH_REPLICAS if that was why the leader refused it
   * (NOT_ENOUGH_REPLICAS_AFTER_APPEND: it is in a log all the same). It may have been written, or be yet: while others of its partition are under way behind it, it
   * goes on with them, and it is not sent again when there are none. Default 120,000.
   */
  readonly deliveryTimeoutMillis?: number
  readonly requestTimeoutMillis?: number
  readonly partitioner?: Partitioner<K, V>
  /** A batch that is sent again is not written again (KIP-98). Default true. */
  readonly enableIdempotence?: boolean
  /**
   * Names the producer across its lives: it sends in transactions only (`transaction`). A second one of that name fences the first as soon as it is made, and aborts what that has
   * open: PRODUCER_FENCED.
   */
  readonly transactionalId?: string
  /** A transaction that is open for so long is aborted; its commit fails with INVALID_TXN_STATE. Default 60,000. 1 … 900,000. */
  readonly transactionTimeoutMillis?: number
  /** Whose quota it keeps to (`admin.alterClientQuotas`); all clients of that name share it. Default: none, so that only default quotas bind it. */
  readonly clientId?: string
}

/** A record to produce. */
export interface ProducerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  readonly key?: K | null
  /** null is a tombstone. */
  readonly value: V | null
  readonly partition?: number
  /** Milliseconds since 1970; default now. */
  readonly timestamp?: number
  /** Header values: strings are UTF-8 encoded. */
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>>
}

/** What one call of `send` or `write` wants otherwise than its producer. */
export interface SendOptions {
  /** As the producer's option. Records with other acks than those before them begin a batch; the order in a partition is kept. */
  readonly acks?: Acks
}

/** Where a record went. `offset` is -1 with acks none. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/** Sends records. Records for one partition are appended in the order in which they were given. */
export interface Producer<K = Uint8Array, V = Uint8Array> extends AsyncDisposable {
  send(record: ProducerRecord<K, V>, options?: SendOptions): Promise<RecordMetadata>
  /** Each record succeeds or fails by itself: the others are written although one is refused, or fails, which is what is thrown. For all or nothing there are transactions. */
  send(records: readonly ProducerRecord<K, V>[], options?: SendOptions): Promise<RecordMetadata[]>
  /** The lane without a promise per record: false asks the caller to await `drained()` first. A failed record fails the next `flush`. */
  write(record: ProducerRecord<K, V>, options?: SendOptions): boolean
  /** Resolves when `write` may go on. */
  drained(): Promise<void>
  /** Sends all open batches and waits for their outcome; throws the first failure since the last flush. */
  flush(): Promise<void>
  /**
   * Does some work in a transaction: commits when it is done, aborts when it throws. Readers of what is committed (`isolationLevel: 'read_committed'`) see all of its
   * records, or none. Needs `transactionalId`; throws PRODUCER_FENCED when another producer has taken that over.
   */
  transaction<T>(work: (transaction: Transaction<K, V>) => T | Promise<T>): Promise<T>
  /** The same by hand. One transaction at a time: INVALID_TXN_STATE while one is open. */
  beginTransaction(): Promise<Transaction<K, V>>
  close(): Promise<void>
}

/** An open transaction; over when it is committed or aborted. Disposing it aborts it, unless it is over. */
export interface Transaction<K = Uint8Array, V = Uint8Array> extends AsyncDisposable {
  /** As the producer's own. A record that fails, whether somebody awaits it or not, leaves nothing but to abort. */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>
  send(records: readonly ProducerRecord<K, V>[]): Promise<RecordMetadata[]>
  write(record: ProducerRecord<K, V>): boolean
  drained(): Promise<void>
  /**
   * Commits offsets of the consumer's group with the transaction (KIP-447): everything delivered so far, a batch, or the given offsets. Fails, and with it the
   * transaction, when the group has given the partitions to somebody else, and when there is no such topic or partition.
   */
  sendOffsets(consumer: Consumer<unknown, unknown>, what?: ConsumerBatch<unknown, unknown> | readonly OffsetToCommit[]): Promise<void>
  /** Resolves when it is decided for good. Throws what went wrong in it; then it can only be aborted. */
  commit(): Promise<void>
  /** While a commit is under way it waits for what comes of that, and aborts only if it fails. */
  abort(): Promise<void>
}

/** How a consumer is made; every option has a default. */
export interface ConsumerOptions<K, V> {
  readonly key?: Serde<K>
  readonly value?: Serde<V>
  /** With `topics`: become a member of this group. Without topics: what is read of partitions that were assigned by hand is committed for it. */
  readonly group?: string
  /** Names, or a pattern that names match, as for `subscribe`. */
  readonly topics?: readonly string[] | RegExp
  /** Whose quota it keeps to, as a producer's; a consumer of a group keeps to that of its group, too. */
  readonly clientId?: string
  /**
   * A name that the member keeps across its lives (KIP-345): one that closes and comes back under it within `sessionTimeoutMillis` has its partitions again, and
   * nobody else notices. A second one while the first lives is refused: UNRELEASED_INSTANCE_ID; with `groupProtocol: 'classic'` the first fails: FENCED_INSTANCE_ID. Default:
   * each life is another member.
   */
  readonly groupInstanceId?: string
  /**
   * How the group shares partitions out; it goes by what most of its members say. 'uniform' (default): evenly, and what need not move stays. 'range': neighbours
   * of each topic, the same of topics with as many partitions. 'round-robin': all partitions in turn.
   */
  readonly assignor?: AssignorName
  /**
   * How it speaks with its group: 'consumer' (default, KIP-848), or 'classic' (join and sync, as Kafka's older clients do). All members of a group speak the same: who comes
   * with the other is refused, INCONSISTENT_GROUP_PROTOCOL, until nobody is in it any more.
   */
  readonly groupProtocol?: GroupProtocolName
  /**
   * With `groupProtocol: 'classic'`: how it can share partitions out, what it likes best first; the group takes one that all members know. 'range', 'roundrobin', 'sticky' and
   * 'cooperative-sticky' are Kafka's. With 'cooperative-sticky' alone, members keep reading what they keep while the group rebalances (KIP-429); with any other,
   * they let go of everything before. Default ['range', 'cooperative-sticky'].
   */
  readonly partitionAssignors?: readonly ClassicAssignorName[]
  /**
   * Where to begin without a committed offset, or out of range: 'earliest' (default), 'latest', or 'none': then what asks for records fails with OFFSET_OUT_OF_RANGE, until
   * the application seeks.
   */
  readonly autoOffsetReset?: 'earliest' | 'latest' | 'none'
  /** 'read_committed': of transactions only what is committed, and nothing beyond the first one that is open. Default 'read_uncommitted'. */
  readonly isolationLevel?: IsolationLevel
  /** Commit what has been processed every `autoCommitIntervalMillis` and at the end. Default true with a group. */
  readonly autoCommit?: boolean
  readonly autoCommitIntervalMillis?: number
  /** A member that is silent for so long is none any more. Default 45,000. */
  readonly sessionTimeoutMillis?: number
  /** How long `onRevoked` and the record in work may take before the group takes the partitions away: then they are lost. Default 60,000. */
  readonly rebalanceTimeoutMillis?: number
  readonly heartbeatIntervalMillis?: number
  readonly fetchMinBytes?: number
  /** Of one partition, in one answer. Default 1,048,576. 1,024 … 16,777,216. */
  readonly fetchMaxBytes?: number
  /**
   * What lies ready of all partitions together, about: with many of them each is asked for less at a time. A batch is given whole, however large, and a partition is
   * asked for 1,024 bytes at least. Default 67,108,864. 65,536 … 1,073,741,824.
   */
  readonly bufferMemoryBytes?: number
  readonly fetchMaxWaitMillis?: number
  /**
   * A member that does not ask for records for so long gives up its partitions and leaves the group: others take over. What it was given and has
   * not asked past is processed again; its commits fail with UNKNOWN_MEMBER_ID; its next question joins again. Default 300,000.
   */
  readonly maxPollIntervalMillis?: number
  /** Most records of one `poll`. Default 500. */
  readonly maxPollRecords?: number
  /**
   * The partitions are the consumer's from now on. What this listener throws, and the next ones, is thrown by the question for records that is under way, or the next one:
   * LISTENER_FAILED, with the `cause`; a KafkaError as it is. This one's promise is not awaited: when it is rejected, a later question throws that. The partitions come and
   * go all the same. When the consumer is closed, `close` throws it.
   */
  readonly onAssigned?: PartitionListener
  /**
   * Called before partitions go, and awaited: what was processed is committed, and others get them, after it (or its promise) returns, or `rebalanceTimeoutMillis`
   * after the group has asked for them. Also when the consumer is closed. Never while the application has records that it has not asked past: it is called by its next question. Until it is done, the
   * partitions are assigned (it may `commit`, `seek`, `pause` and `resume`), and nothing is given out, of any partition.
   */
  readonly onRevoked?: PartitionListener
  /**
   * The partitions are gone, and others may have them: nothing can be committed for them any more. Default: `onRevoked`. Also called while `onRevoked` is at work for them, if
   * that takes too long; without `onLost`, nothing is called then.
   */
  readonly onLost?: PartitionListener
}

/** A record as it was consumed. */
export interface ConsumerRecord<K = Uint8Array, V = Uint8Array> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: K | null
  readonly value: V | null
  readonly headers: readonly RecordHeader[]
}

/** An offset to be committed: the next record to process. `metadata` is any text that goes with it, up to 4,096 characters; default ''. */
export interface OffsetToCommit extends Omit<CommittedOffset, 'metadata'> {
  readonly metadata?: string
}

/** A batch as it lies in the log: its records are decoded when iterated, which must be done before the next batch is asked for. */
export interface ConsumerBatch<K = Uint8Array, V = Uint8Array> extends Iterable<ConsumerRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
  /** One past the last record. */
  readonly endOffset: number
  readonly count: number
  readonly sizeBytes: number
}

/** Asking for the next record (or batch, or poll) means that the one before is processed. */
export interface Consumer<K = Uint8Array, V = Uint8Array> extends AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable {
  /**
   * As a member of the group; it replaces the former subscription. A pattern stands for all topics that it matches anywhere in their names (`/^logs-/`), but for
   * internal ones, also those that are yet to come. The coordinator matches it, in linear time: references back (`\1`), lookaheads and lookbehinds, modifiers and the flag `v` are
   * refused with INVALID_REGULAR_EXPRESSION; the rest matches as it does in JavaScript. No topics: commits what is processed (with `autoCommit`) and leaves the group.
   */
  subscribe(topics: readonly string[] | RegExp): void
  /**
   * Exactly these, by hand. One that is not there is said to be missing once (UNKNOWN_TOPIC_OR_PARTITION), and read as soon as it is there. While it processes: if some are taken away, the round under way is taken back, and what was polled of those is not handled any more (see
   * `process`).
   */
  assign(partitions: readonly TopicPartition[]): void
  /**
   * All partitions that `commit()` commits: also those that the group has asked for, until `onRevoked` is done (without it: until the next question for records lets go of them).
   * What is lost is gone when `onLost` is called; nothing else goes while the application has records that it has not asked past.
   */
  assignment(): readonly TopicPartition[]
  /** Up to `maxPollRecords` records; empty after `timeoutMillis` (default 1,000). */
  poll(options?: Polling): Promise<ConsumerRecord<K, V>[]>
  records(options?: Waiting): AsyncIterable<ConsumerRecord<K, V>>
  batches(options?: Waiting): AsyncIterable<ConsumerBatch<K, V>>
  seek(partition: TopicPartition, offset: number): void
  /** To the first record at least that young, or the end of the log. All assigned partitions by default; those that go meanwhile are left out. */
  seekToTimestamp(timestamp: number, partitions?: readonly TopicPartition[]): Promise<void>
  pause(partitions?: readonly TopicPartition[]): void
  resume(partitions?: readonly TopicPartition[]): void
  /** The offset of the next record to be delivered. */
  position(partition: TopicPartition): number | undefined
  /**
   * Commits everything delivered so far (the caller says it is processed) of all that is assigned, whoever calls it, or a batch (its end), or the given offsets. All or none. UNKNOWN_MEMBER_ID: the group counts this
   * consumer as gone, or has members, of which it is none; FENCED_INSTANCE_ID: another consumer has its `groupInstanceId`; STALE_MEMBER_EPOCH, or of a classic group
   * ILLEGAL_GENERATION: some of the partitions are not this consumer's (any more). With `autoCommit: false`, a commit of everything delivered fails once with
   * UNKNOWN_MEMBER_ID when the group has taken a partition away of which something was delivered and not committed; the rest is committed.
   */
  commit(what?: ConsumerBatch<K, V> | readonly OffsetToCommit[]): Promise<void>
  /**
   * What the group has committed. It waits while a transaction is open that commits offsets for one of the partitions (without partitions: any of the group), up to 30 seconds:
   * UNSTABLE_OFFSET_COMMIT.
   */
  committed(partitions?: readonly TopicPartition[]): Promise<CommittedOffset[]>
  /**
   * Hands records to a handler, one after the other, and commits them by the guarantee that is asked for, instead of by itself; until the signal aborts, what was
   * handled is committed. Throws what the handler throws: the records since the last commit will be handled again. Who asks for records afterwards has them committed as before.
   */
  process<OK = Uint8Array, OV = Uint8Array>(handler: ProcessHandler<K, V, OK, OV>, options?: ProcessOptions<K, V, OK, OV>): Promise<void>
  close(): Promise<void>
}
