/**
 * Which member of a group shall have which partitions: evenly (counts differ by one at most among members that may have them),
 * and with as little movement as that allows. Deterministic: the same members and partitions give the same assignment.
 */

/** A member, as the assignor sees it. */
export interface AssignableMember {
  readonly memberId: string
  readonly subscribedTopics: readonly string[]
  /** Names of the partitions that it has now. */
  readonly current: ReadonlySet<string>
}

/** A partition that can be assigned. */
export interface AssignablePartition {
  readonly name: string
  readonly topic: string
}

/** The target: partition names by member id. Partitions of topics that nobody subscribes to are left out. */
export function assignPartitions(
  members: readonly AssignableMember[],
  partitions: readonly AssignablePartition[],
): Map<string, Set<string>> {
  const target = new Map<string, Set<string>>()
  const sorted = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
  for (const member of sorted) target.set(member.memberId, new Set())
  const free: AssignablePartition[] = []
  const quota = Math.ceil(partitions.length / Math.max(1, sorted.length))
  for (const partition of partitions) {
    const owner = sorted.find((member) => member.current.has(partition.name) && member.subscribedTopics.includes(partition.topic))
    const owned = owner === undefined ? undefined : target.get(owner.memberId)
    if (owned !== undefined && owned.size < quota) owned.add(partition.name)
    else free.push(partition)
  }
  for (const partition of free) leastLoaded(sorted, target, partition.topic)?.add(partition.name)
  level(sorted, target, partitions)
  return target
}

function leastLoaded(members: readonly AssignableMember[], target: ReadonlyMap<string, Set<string>>, topic: string): Set<string> | null {
  let least: Set<string> | null = null
  for (const member of members) {
    const owned = target.get(member.memberId)
    if (owned === undefined || !member.subscribedTopics.includes(topic)) continue
    if (least === null || owned.size < least.size) least = owned
  }
  return least
}

/** Moves partitions from the fullest to the emptiest member that may have them, while that evens them out. */
function level(
  members: readonly AssignableMember[],
  target: ReadonlyMap<string, Set<string>>,
  partitions: readonly AssignablePartition[],
): void {
  for (const partition of partitions.toReversed()) {
    const from = members.map((member) => target.get(member.memberId)).find((owned) => owned?.has(partition.name))
    const to = leastLoaded(members, target, partition.topic)
    if (from === undefined || to === null || from.size - to.size < 2) continue
    from.delete(partition.name)
    to.add(partition.name)
  }
}
