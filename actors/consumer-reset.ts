/**
 * What a consumer does where it cannot go on: an offset that is not there, a topic that is another one or none. The reset policy says where to begin
 * again, or that the application must.
 */
import { codeOf } from '../protocol/errors.ts'
import { nextSession } from '../protocol/session.ts'
import type { Context, Outbox } from './actor.ts'
import { backOff, isSubscribed, locate, tellAssigned } from './consumer-state.ts'
import type { ConsumedPartition, ConsumerState } from './consumer-state.ts'
import { forgetTopic } from './leader-cache.ts'

/** One look may have been too early. */
const ABSENCES_TOLD = 2

/** A position is to be looked for in that topic. Until it is found, what is processed is of the topic that it was. */
export function resetOffset(one: ConsumedPartition, topicId: number): void {
  one.phase = 'locating'
  one.resetting = true
  one.lookupTopicId = topicId
}

/**
 * A leader says that there is no such offset. One that was deposed and does not know it has less than others have seen: only what the same leader says
 * again, after somebody has been asked who leads, is believed (KIP-320).
 */
export function onOutOfRange(state: ConsumerState, one: ConsumedPartition, logStartOffset: number): void {
  one.isOvertaken = one.fetchOffset < logStartOffset
  if (one.refusedEpoch === one.leaderEpoch) return resetOffset(one, one.topicId)
  one.refusedEpoch = one.leaderEpoch
  forgetTopic(state.leaders, one.topic)
}

/**
 * The log of a new leader, who had fallen behind when he was elected, parts from that of the former one below the offset: what follows there has not been read, whatever
 * its offsets (KIP-320). What was fetched and not processed is read again. Where the policy is 'none' the application decides.
 */
export function onTruncated(state: ConsumerState, one: ConsumedPartition, endOffset: number, outbox: Outbox): void {
  const what = `${one.name} was read up to offset ${one.fetchOffset}, of which its leader has only what is below ${endOffset}: the rest is lost`
  if (state.config.autoOffsetReset === 'none') return refuse(state, one, what, outbox)
  moveTo(state, one, Math.min(endOffset, one.position), outbox)
}

/** The partition goes on there; an application that was elsewhere is told. */
export function moveTo(state: ConsumerState, one: ConsumedPartition, position: number, outbox: Outbox): void {
  const again = one.position >= 0
  locate(state, one, position, outbox)
  if (!again) return
  one.session = nextSession(one.session, 'reset')
  const { topic, partition, session } = one
  outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'positionReset', topic, partition, position, session } })
}

/** There is nowhere to begin, or go on: nobody has committed an offset, or it is of another topic, or not there. */
export function refuseReset(state: ConsumerState, one: ConsumedPartition, outbox: Outbox): void {
  const { group } = state.config
  const by =
    group === null ? 'the consumer has no group that could have committed one' : `group ${JSON.stringify(group)} has committed none`
  const isAnother = one.topicId !== one.lookupTopicId
  const what = isAnother
    ? `the topic of ${one.name} was deleted and created again`
    : `offset ${one.fetchOffset} of ${one.name} is out of range`
  refuse(state, one, one.position < 0 ? `no offset to begin at for ${one.name}: ${by}` : what, outbox)
}

/** The partition is the application's all the same, which must seek. */
function refuse(state: ConsumerState, one: ConsumedPartition, what: string, outbox: Outbox): void {
  one.phase = 'fetching'
  one.hungry = false
  one.isRefused = true
  if (one.position < 0) tellAssigned(state, one, outbox)
  failPartition(state, one, codeOf('OFFSET_OUT_OF_RANGE'), `${what}, and autoOffsetReset is 'none'; seek to go on`, outbox)
}

/**
 * Whether a request that should have been answered asks a topic that is gone, or has been created again: nobody will answer it, and the leader and its epoch may be the same in the new
 * one. Ids count up.
 */
export function asksFormerTopic({ leaders }: ConsumerState, one: ConsumedPartition, uptime: number): boolean {
  const known = leaders.topics.get(one.topic)
  if (known === undefined || one.correlationId < 0 || uptime < one.doubtAt) return false
  return known.partitions[one.partition] === undefined || known.topicId > (one.phase === 'locating' ? one.lookupTopicId : one.topicId)
}

/**
 * The topic is gone, never was, or has grown: a group will revoke the partition; an application that has assigned it by hand is told after a second look, once. It is looked
 * for until it is there.
 */
export function onUnknown(state: ConsumerState, one: ConsumedPartition, context: Context, outbox: Outbox): void {
  forgetTopic(state.leaders, one.topic)
  backOff(state, one, context, outbox)
  if (++one.absences === ABSENCES_TOLD && !isSubscribed(state))
    failPartition(
      state,
      one,
      codeOf('UNKNOWN_TOPIC_OR_PARTITION'),
      `there is no partition ${one.name}; it is read as soon as there is`,
      outbox,
    )
}

/**
 * The application seeks. If it was told that there is no such partition, or nowhere to go on, it means whatever has the name by now, of which nothing is committed; and it hears again of
 * one that is not there.
 */
export function onSought(one: ConsumedPartition): void {
  if (one.absences >= ABSENCES_TOLD || one.isRefused) {
    one.topicId = -1
    one.committed = -1
  }
  one.absences = 0
}

/** The application is told. */
export function failPartition(state: ConsumerState, one: ConsumedPartition, errorCode: number, errorMessage: string, outbox: Outbox): void {
  const { topic, partition, session } = one
  const message = { kind: 'consumerFailed', topic, partition, session, errorCode, errorMessage } as const
  outbox.push({ kind: 'send', to: state.config.client, message })
}
