/**
 * Which records may go because the groups that a topic names have done with them (deleteOnceConsumedBy, deleteOnceAcknowledgedBy). Everything below the smallest of their
 * offsets: what a consumer group has committed, and where a share group begins. A group that has none, or not been heard, holds everything. What is known of groups is of
 * one round of questions: it is never kept for the next.
 */

/** A group that must be done with a record. A share group with the name of a consumer group is another one. */
export interface ConsumingGroup {
  readonly keyType: 'group' | 'share'
  readonly group: string
}

/** What was asked of the groups, and what they have answered. */
export interface ConsumptionRound {
  /** The reign of the leader that asks. */
  readonly leaderEpoch: number
  /** By correlation id: about which group. */
  readonly asked: Map<number, ConsumingGroup>
  /** Everything below the offset is done with; -1: nothing is. */
  readonly ends: (ConsumingGroup & { readonly offset: number })[]
}

/** A group has answered. More than there is is of records that are lost: the group has not seen those that are here instead, and holds everything. */
export function noteEnd({ ends }: ConsumptionRound, group: ConsumingGroup, offset: number, highWatermark: number): void {
  ends.push({ ...group, offset: offset <= highWatermark ? offset : -1 })
}

/** Everything below is done with by all of these groups; -1 while some of them holds everything. */
export function consumedOffset(groups: readonly ConsumingGroup[], { ends }: ConsumptionRound): number {
  const endOf = ({ keyType, group }: ConsumingGroup): number | undefined =>
    ends.find((one) => one.keyType === keyType && one.group === group)?.offset
  return Math.min(...groups.map((group) => endOf(group) ?? -1))
}
