// Answers of the coordinator, as the actors of clients hear them.

import { codeOf, NONE } from '../../protocol/errors.ts'
import type { MetadataResponse } from '../../protocol/messages/metadata.ts'
import { configOf } from '../partitions/support.ts'

/** Topics by name: the leader's node of each partition; none for a topic that does not exist. Topic ids count from 5. */
export function topicsAnswer(
  topics: Readonly<Record<string, readonly number[]>>,
  metadataOffset = 0,
  topicId = 5,
  leaderEpoch = 0,
): MetadataResponse {
  return {
    kind: 'metadataResponse',
    correlationId: 0,
    metadataOffset,
    controller: 0,
    // Nothing new.
    voters: [],
    brokers: [],
    nextTopicId: topicId + Object.keys(topics).length,
    topics: Object.entries(topics).map(([topic, leaders], i) => ({
      topic,
      topicId: leaders.length === 0 ? -1 : topicId + i,
      errorCode: leaders.length === 0 ? codeOf('UNKNOWN_TOPIC_OR_PARTITION') : NONE,
      partitions: leaders.map((leader, partition) => ({
        partition,
        leader,
        leaderEpoch,
        replicas: [leader],
        isr: [leader],
        elr: [],
        adding: [],
        removing: [],
        minInsync: 1,
      })),
      config: configOf(),
    })),
  }
}
