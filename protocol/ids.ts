// The numbers that all rooms speak of, as documented names for `number`: what is counted, from where, in which range.
// They are aliases, not brands: the arithmetic on them is constant, and every value is a safe integer.

/** The position of a record in a partition: 0 is the first ever written; range 0..2^53-1, -1 for "none". */
export type Offset = number

/** The reign of a partition's leader: starts at 0, +1 at each election; i32, -1 for "unknown". */
export type LeaderEpoch = number

/** A failure domain (Kafka's broker id): i32 >= 0, -1 for "none" (no leader, an ordinary consumer). */
export type NodeId = number

/** An idempotent producer, as the coordinator numbered it: i64 >= 0 as a safe integer, -1 for "not idempotent". */
export type ProducerId = number

/** The incarnation of a producer id: i16 >= 0, -1 for "none"; a higher one fences the lower. */
export type ProducerEpoch = number

/** The number of a record within (producer id, partition): i32, wraps from 2^31-1 to 0; -1 for "none". */
export type Sequence = number

/** Milliseconds since 1970-01-01T00:00Z; -1 for "none". */
export type Timestamp = number

/** The number of a partition within its topic: 0..count-1. */
export type Partition = number

/** Names one partition of the cluster. */
export type TopicPartition = { readonly topic: string; readonly partition: Partition }

/** The name of a partition as people and directories write it: `orders-3`. */
export function topicPartitionName(topic: string, partition: Partition): string {
  return `${topic}-${partition}`
}
