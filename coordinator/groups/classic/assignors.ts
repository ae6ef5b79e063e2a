/**
 * How the leader of a classic group shares partitions out; the names are Kafka's. Eager assignors take it that everybody has let go of everything; the cooperative one
 * gives nobody what another member still has: who has it gives it up first, and joins again (KIP-429).
 *
 *   range               coordinator/groups/simple-assignors.ts, as in Kafka
 *   roundrobin          the same; members of the same topics get the same number, give or take one
 *   sticky              coordinator/groups/assignor.ts: even, and what need not move stays where its member last had it
 *   cooperative-sticky  the same, step by step
 */
import { topicPartitionName } from '../../../protocol/ids.ts'
import type { ClassicAssignorName } from '../../../protocol/messages/classic-group.ts'
import { assignPartitions } from '../assignor.ts'
import type { AssignableMember, AssignablePartition } from '../assignor.ts'
import { namesOf } from '../names.ts'
import { assignInTurn, assignRanges } from '../simple-assignors.ts'
import { decodeStickyUserData, encodeCooperativeUserData, encodeStickyUserData } from './consumer-protocol.ts'
import type { StickyUserData, Subscription } from './consumer-protocol.ts'

/** A member, as the leader sees it. */
export interface SubscribedMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly subscription: Subscription
}

/** Whether members keep what they have while the group rebalances: only if whichever assignor is chosen allows it. */
export function isCooperative(assignors: readonly ClassicAssignorName[]): boolean {
  return assignors.every((name) => name === 'cooperative-sticky')
}

/** What the assignor wants to be told of a member that had this when it last had something. */
export function userDataOf(name: ClassicAssignorName, last: StickyUserData): Uint8Array | null {
  if (name === 'sticky') return encodeStickyUserData(last)
  return name === 'cooperative-sticky' ? encodeCooperativeUserData(last.generationId) : null
}

/**
 * Partition names by member id. `counts`: how many partitions topics have; a topic that is not there has none. The same members and counts give the same assignment.
 */
export function assignClassic(
  name: ClassicAssignorName,
  members: readonly SubscribedMember[],
  counts: ReadonlyMap<string, number>,
): Map<string, Set<string>> {
  const partitions = partitionsOf(members, counts)
  if (name === 'range' || name === 'roundrobin') return assignInOrder(name, members, partitions)
  const claims = name === 'sticky' ? members.map(lastOf) : members.map(({ subscription }) => claimOf(subscription))
  const owners = ownersOf(members, claims)
  const assignable = members.map((member) => ({ ...toAssignable(member), current: owners.get(member.memberId) ?? new Set<string>() }))
  const target = assignPartitions(assignable, partitions)
  if (name === 'cooperative-sticky') withhold(target, members)
  return target
}

/** All partitions that somebody wants, topics by name. */
function partitionsOf(members: readonly SubscribedMember[], counts: ReadonlyMap<string, number>): AssignablePartition[] {
  return topicsOf(members).flatMap((topic) =>
    Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, name: topicPartitionName(topic, partition) })),
  )
}

function toAssignable({ memberId, subscription }: SubscribedMember): AssignableMember {
  return { memberId, subscribedTopics: subscription.topics, current: new Set() }
}

/** Static members keep their place in the order, whatever member id they have in this life (KIP-345). */
function assignInOrder(
  name: 'range' | 'roundrobin',
  members: readonly SubscribedMember[],
  partitions: readonly AssignablePartition[],
): Map<string, Set<string>> {
  const rankOf = ({ instanceId, memberId }: SubscribedMember): string => (instanceId === null ? `1${memberId}` : `0${instanceId}`)
  const idOf = new Map(members.map((member) => [rankOf(member), member.memberId]))
  const ranked = members.map((member) => ({ ...toAssignable(member), memberId: rankOf(member) }))
  const target = name === 'range' ? assignRanges(ranked, partitions) : assignInTurn(ranked, partitions)
  return new Map([...target].map(([rank, names]) => [idOf.get(rank) ?? rank, names]))
}

function claimOf({ ownedPartitions, generationId }: Subscription): StickyUserData {
  return { partitions: ownedPartitions, generationId }
}

/** What it had before it let go, as it says itself. */
function lastOf({ subscription }: SubscribedMember): StickyUserData {
  const said = subscription.userData === null ? null : decodeStickyUserData(subscription.userData)
  return said ?? claimOf(subscription)
}

/** Whose a partition is: of those who claim it, the one of the youngest generation; nobody's, if two of them are (KAFKA-12984). */
function ownersOf(members: readonly SubscribedMember[], claims: readonly StickyUserData[]): Map<string, Set<string>> {
  const claimed = new Map<string, { memberId: string | null; generationId: number }>()
  members.forEach(({ memberId }, i) => {
    const { partitions, generationId } = claims[i] ?? { partitions: [], generationId: -1 }
    for (const partition of namesOf(partitions)) {
      const known = claimed.get(partition)
      if (known === undefined || generationId > known.generationId) claimed.set(partition, { memberId, generationId })
      else if (generationId === known.generationId) known.memberId = null
    }
  })
  const owners = new Map(members.map(({ memberId }) => [memberId, new Set<string>()]))
  for (const [partition, { memberId }] of claimed) if (memberId !== null) owners.get(memberId)?.add(partition)
  return owners
}

/** Nobody is given what another one says that it has, old generation or not: not before that one has let go. */
function withhold(target: ReadonlyMap<string, Set<string>>, members: readonly SubscribedMember[]): void {
  const owned = new Map(members.map(({ memberId, subscription }) => [memberId, namesOf(subscription.ownedPartitions)]))
  const claimed = new Set([...owned.values()].flatMap((names) => [...names]))
  for (const [memberId, names] of target) {
    const own = owned.get(memberId)
    for (const name of names) if (claimed.has(name) && own?.has(name) !== true) names.delete(name)
  }
}

/** Which topics the members want, by name. */
export function topicsOf(members: readonly SubscribedMember[]): string[] {
  return [...new Set(members.flatMap(({ subscription }) => subscription.topics))].toSorted()
}
