/**
 * What happened in the cluster, as applications want to hear it: who leads a partition now, who is in sync, which node is fenced or back. Found in the records
 * that changed the image, so that nothing is missed; where only a snapshot is left, the two images are compared, and what came and went between is not told.
 */
import type { ClusterEvent } from '../protocol/messages/metadata.ts'
import { applyRecord, isLive, topicById } from './metadata.ts'
import type { MetadataBatch, MetadataImage, MetadataRecord } from './metadata.ts'
import type { PartitionImage } from './partition-image.ts'

/** Applies what lies beyond the image's end, and says what it changed, in order. */
export function applyWithEvents(image: MetadataImage, batches: readonly MetadataBatch[]): ClusterEvent[] {
  const events: ClusterEvent[] = []
  for (const [endOffset, records] of batches) {
    if (endOffset <= image.endOffset) continue
    for (const record of records) {
      events.push(...eventsOf(image, record))
      applyRecord(image, record)
    }
    image.endOffset = endOffset
  }
  return events
}

/** What is otherwise in the newer of two images. */
export function eventsBetween(before: MetadataImage, after: MetadataImage): ClusterEvent[] {
  const events: ClusterEvent[] = []
  for (const node of [...after.brokers.keys()].toSorted((a, b) => a - b)) events.push(...fencing(before, node, !isLive(after, node)))
  for (const { name, topicId, partitions } of [...after.topics.values()].toSorted((a, b) => a.topicId - b.topicId)) {
    const former = topicById(before, topicId)?.partitions ?? []
    partitions.forEach((partition, index) => events.push(...changeOf(name, index, former[index], partition)))
  }
  return events
}

function eventsOf(image: MetadataImage, record: MetadataRecord): ClusterEvent[] {
  switch (record.type) {
    case 'partitionChanged': {
      const topic = topicById(image, record.topicId)
      return topic === undefined ? [] : changeOf(topic.name, record.partition, topic.partitions[record.partition], record.image)
    }
    case 'brokerRegistered':
    case 'brokerRemoved':
      return fencing(image, record.node, true)
    case 'brokerFenced':
      return fencing(image, record.node, record.fenced)
    default:
      return []
  }
}

function fencing(before: MetadataImage, node: number, isFenced: boolean): ClusterEvent[] {
  if (isLive(before, node) !== isFenced) return []
  return [{ type: isFenced ? 'nodeFenced' : 'nodeUnfenced', node }]
}

function changeOf(topic: string, partition: number, before: PartitionImage | undefined, after: PartitionImage): ClusterEvent[] {
  const events: ClusterEvent[] = []
  if (before === undefined) return events
  const { leader, leaderEpoch, isr } = after
  if (leader !== before.leader) events.push({ type: 'leaderChanged', topic, partition, leader, leaderEpoch, formerLeader: before.leader })
  if (isr.join() !== before.isr.join()) events.push({ type: 'isrChanged', topic, partition, isr, formerIsr: before.isr })
  return events
}
