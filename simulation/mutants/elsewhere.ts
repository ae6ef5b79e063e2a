/**
 * Known bugs of other logs that cannot be put into this one, and why: what would have to be faulty is not there. They count as known, not as applicable.
 */

/** A bug that has no place here. */
export interface ElsewhereBug {
  readonly id: string
  readonly title: string
  /** What is not there, or is another mutant already. */
  readonly why: string
}

/** All of them. */
export const elsewhere: readonly ElsewhereBug[] = [
  {
    id: 'A11',
    title: 'who may join the ISR is judged twice, and has changed in between (KAFKA-15221)',
    why: 'a step looks at a state that nobody else changes: nothing can come in between',
  },
  {
    id: 'A26',
    title: 'a sync that completes after a truncation counts for what was appended since (Redpanda #3114, #16105)',
    why: 'a log that is cut begins a new life, and answers of the disk to the former one are for nobody; the metadata log counts generations, and B16b is its mutant',
  },
  {
    id: 'A29',
    title: 'size or high watermark are read twice in one read (KAFKA-9835, KAFKA-9807)',
    why: 'a read is planned in one step, and its end travels with it; HW is the mutant of that plan',
  },
  {
    id: 'C3',
    title: 'a retry of what is known is answered with UNKNOWN_SERVER_ERROR (Redpanda #5355, KAFKA-14034)',
    why: 'the offset is remembered beside the number: there is no look-up in a log that may have lost the batch',
  },
  {
    id: 'C5',
    title: 'a new epoch does not reset the partitions that have nothing in flight (KAFKA-12152)',
    why: 'each partition has an epoch of its own, which nothing but its own failures raises',
  },
  {
    id: 'C6',
    title: 'batches in flight are the same when their numbers are (KAFKA-13794)',
    why: 'an answer belongs to a request by its correlation id, and numbers are compared nowhere in the producer',
  },
  {
    id: 'C21',
    title: 'the epoch that fences a producer is erased with an older entry (Redpanda #17880)',
    why: 'a producer has one entry, with its epoch in it: there is no second list that could go alone',
  },
  {
    id: 'C28',
    title: 'the log end stays when the append to the transaction index fails (KAFKA-7866)',
    why: 'there is no transaction index: what is aborted is in the checkpoint, and recovery finds the rest in the log',
  },
  {
    id: 'C29',
    title: 'a pooled buffer is used by two requests (KAFKA-15653)',
    why: 'no buffer is pooled: what outlives its message is copied',
  },
  {
    id: 'D13',
    title: 'metadata of a topic that was created again is taken for old (KAFKA-12257)',
    why: 'topics are told apart by their ids, not by epochs; M8 is the mutant that ignores them',
  },
]
