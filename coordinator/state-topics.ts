/**
 * The settings of the topics in which coordinators keep what they know (committed offsets, transactions, share groups): how they are made, and which changes an
 * administrator is refused, because what a coordinator has acknowledged would be lost with them, or could not be written any more.
 */
import { defaultTopicConfig } from '../protocol/topic-config.ts'
import type { TopicConfig } from '../protocol/topic-config.ts'

/** What such a topic is made with, beyond the defaults. */
export const STATE_TOPIC_CONFIGS: Readonly<Record<string, unknown>> = { flush: 'commit', cleanupPolicy: 'compact' }

/** Why a topic of coordinators cannot have these settings; null if it can. */
export function stateTopicProblem(config: TopicConfig): string | null {
  if (config.cleanupPolicy !== 'compact')
    return `cleanupPolicy stays 'compact' (not '${config.cleanupPolicy}'): retention would take what counts`
  if (config.uncleanLeaderElection) return 'uncleanLeaderElection stays false: who has fallen behind lacks what was acknowledged'
  if (config.deleteOnceConsumedBy.length > 0) return 'deleteOnceConsumedBy stays empty: its records are for coordinators, at any time'
  if (config.deleteOnceAcknowledgedBy.length > 0)
    return 'deleteOnceAcknowledgedBy stays empty: its records are for coordinators, at any time'
  const { maxMessageBytes } = defaultTopicConfig
  if (config.maxMessageBytes >= maxMessageBytes) return null
  return `maxMessageBytes stays ${maxMessageBytes} or more (not ${config.maxMessageBytes}): what is larger could not be written`
}
