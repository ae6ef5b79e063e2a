/**
 * Assignors that look at nobody's present partitions: they deal out anew each time, so that partitions move more than they must.
 *
 *   range         of each topic, members get neighbours: the first of them one more if it does not come out even. Topics with equal counts of
 *                 partitions are cut at the same places, so that who has `orders-3` has `payments-3`
 *   round-robin   all partitions of all topics in turn, passing over members that do not want the topic
 */
import type { AssignableMember, AssignablePartition } from './assignor.ts'

/** The target by ranges: partition names by member id. */
export function assignRanges(members: readonly AssignableMember[], partitions: readonly AssignablePartition[]): Map<string, Set<string>> {
  const sorted = sortedById(members)
  const target = emptyTarget(sorted)
  for (const [topic, names] of byTopic(partitions)) {
    const takers = sorted.filter(({ subscribedTopics }) => subscribedTopics.includes(topic))
    const share = Math.floor(names.length / Math.max(1, takers.length))
    const extra = names.length - share * takers.length
    takers.forEach(({ memberId }, i) => {
      const begin = i * share + Math.min(i, extra)
      for (const name of names.slice(begin, begin + share + (i < extra ? 1 : 0))) target.get(memberId)?.add(name)
    })
  }
  return target
}

/** The target in turn: partition names by member id. */
export function assignInTurn(members: readonly AssignableMember[], partitions: readonly AssignablePartition[]): Map<string, Set<string>> {
  const sorted = sortedById(members)
  const wants = sorted.map(({ subscribedTopics }) => new Set(subscribedTopics))
  const target = emptyTarget(sorted)
  let turn = 0
  for (const [topic, names] of byTopic(partitions)) {
    if (!wants.some((topics) => topics.has(topic))) continue
    for (const name of names) {
      while (wants[turn % sorted.length]?.has(topic) === false) turn++
      target.get(sorted[turn++ % sorted.length]?.memberId ?? '')?.add(name)
    }
  }
  return target
}

function sortedById(members: readonly AssignableMember[]): AssignableMember[] {
  return members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
}

function emptyTarget(members: readonly AssignableMember[]): Map<string, Set<string>> {
  return new Map(members.map(({ memberId }) => [memberId, new Set<string>()]))
}

function byTopic(partitions: readonly AssignablePartition[]): Map<string, string[]> {
  const topics = new Map<string, string[]>()
  for (const { name, topic } of partitions) {
    const names = topics.get(topic)
    if (names === undefined) topics.set(topic, [name])
    else names.push(name)
  }
  return topics
}
