/**
 * A group as its administrator sees it.
 */
import type { TopicPartition } from '../../protocol/ids.ts'
import type { DescribeGroupResponse } from '../../protocol/messages/group.ts'

/** How far a group is with one partition. */
export interface GroupLag extends TopicPartition {
  /** The next record to process; null while nothing is committed. */
  readonly committed: number | null
  /** One past the last record that can be read; null if the topic was just deleted, or the partition has no leader that answers soon. */
  readonly endOffset: number | null
  /** Records between them. */
  readonly lag: number | null
  /** Who has the partition; null for nobody. */
  readonly memberId: string | null
}

/**
 * A group as it is now: its members, its committed offsets, and how far behind it is. Its epoch, and those of its members, begin at random wherever its coordinator
 * begins, so that nothing from before counts any more, and grow with each change: only their order means something. Those of a classic group are its generation, counted from 1.
 */
export interface GroupDescription extends Pick<DescribeGroupResponse, 'state' | 'protocol' | 'epoch' | 'assignor' | 'members' | 'offsets'> {
  readonly group: string
  /** Of all partitions that it has committed, or that a member has; by topic and partition. */
  readonly lags: readonly GroupLag[]
}
