/**
 * Which records may go because the groups that a topic names have consumed them (deleteOnceConsumedBy). Everything below the smallest of their committed offsets; a
 * group that has committed nothing, or not been heard, holds everything. What is known of groups is of one round of questions: it is never kept for the next.
 */

/** What was asked of the groups, and what they have answered. */
export interface ConsumptionRound {
  /** The reign of the leader that asks. */
  readonly leaderEpoch: number
  /** By correlation id: about which group. */
  readonly asked: Map<number, string>
  /** By group: its committed offset of this partition; -1 without one. */
  readonly committed: Map<string, number>
}

/** Everything below has been consumed by all of these groups; -1 while some of them holds everything. */
export function consumedOffset(groups: readonly string[], { committed }: ConsumptionRound): number {
  return Math.min(...groups.map((group) => committed.get(group) ?? -1))
}
