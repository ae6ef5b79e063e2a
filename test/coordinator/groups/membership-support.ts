// A group seen from both sides: the coordinator's book, and honest members who hold what they were told until they let go of it.

import { removeMember, setPartitions, takeHeartbeat } from '../../../coordinator/groups/membership.ts'
import type { Heartbeat, Membership } from '../../../coordinator/groups/membership.ts'

/** How long a member may be silent. */
export const SESSION_MILLIS = 1000
/** How long it may take to let go. */
export const REBALANCE_MILLIS = 5000

/** A member as it knows itself. */
export interface Client {
  readonly memberId: string
  readonly instanceId: string | null
  epoch: number
  /** What it processes right now. */
  readonly owned: Set<string>
  /** What it was last told that it may have. */
  assigned: Set<string>
  /** Everything that it ever sent. */
  readonly sent: Heartbeat[]
}

/** A member that has not joined yet. */
export function newClient(memberId: string, instanceId: string | null = null): Client {
  return { memberId, instanceId, epoch: 0, owned: new Set(), assigned: new Set(), sent: [] }
}

/** The heartbeat of a member as it is now. */
export function heartbeatOf(client: Client, topics: readonly string[] = ['t']): Heartbeat {
  const { memberId, instanceId, epoch: memberEpoch } = client
  const times = { sessionTimeoutMillis: SESSION_MILLIS, rebalanceTimeoutMillis: REBALANCE_MILLIS }
  const wishes = { memberId, instanceId, subscribedTopics: topics, topicPattern: null, assignor: null, ...times }
  return { wishes, memberEpoch, owned: new Set(client.owned) }
}

/** The member sends a heartbeat; the answer may get lost. A member that is refused has lost everything, and knows it. */
export function beat(group: Membership, client: Client, uptime = 0, isAnswerLost = false, topics: readonly string[] = ['t']): string {
  const heartbeat = heartbeatOf(client, topics)
  client.sent.push(heartbeat)
  const answer = takeHeartbeat(group, heartbeat, uptime)
  if (isAnswerLost) return 'lost'
  if (typeof answer === 'string') {
    forget(client)
    return answer
  }
  client.epoch = answer.epoch
  client.assigned = new Set(answer.assigned)
  for (const name of answer.assigned) client.owned.add(name)
  return [...client.assigned].toSorted().join(' ')
}

/** The member stops processing what it may no longer have. */
export function letGo(client: Client): void {
  for (const name of client.owned) if (!client.assigned.has(name)) client.owned.delete(name)
}

/** The member counts itself as lost: it stops everything, and joins anew. */
export function forget(client: Client): void {
  client.epoch = 0
  client.owned.clear()
  client.assigned = new Set()
}

/** The member leaves. */
export function leave(group: Membership, client: Client): void {
  forget(client)
  removeMember(group, client.memberId)
}

/** The topic `t` has so many partitions. */
export function resize(group: Membership, count: number): void {
  setPartitions(
    group,
    Array.from({ length: count }, (_, i) => ({ topic: 't', name: `t-${i}` })),
  )
}

/** Partitions that two members process at the same time. */
export function shared(clients: readonly Client[]): string[] {
  const all = clients.flatMap(({ owned }) => [...owned])
  return all.filter((name, i) => all.indexOf(name) !== i)
}
