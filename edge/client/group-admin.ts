/**
 * Administration of groups: which there are, how far behind they are, where they go on, and how they go. Each question is asked of who coordinates the group.
 */
import { codeOf, errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { CommittedOffset, DescribeGroupResponse, GroupListing, TopicOffset } from '../../protocol/messages/group.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { OffsetToCommit } from './api.ts'
import { checkGroup, checkName, checkTopicPartitions, offsetsToAlter, timestampToList } from './arguments.ts'
import type { GroupDescription, GroupLag } from './group-description.ts'
import { knownEndsOf } from './led-partitions.ts'
import { offsetsOf } from './offset-lookup.ts'
import { throwIfError } from './requests.ts'
import type { GroupAsked, Requests } from './requests.ts'

const OFFSETS_TOPIC = '__consumer_offsets'

/** Administration of the groups of one cluster. See the header. */
export class GroupAdmin {
  readonly #requests: Requests

  constructor(requests: Requests) {
    this.#requests = requests
  }

  async listGroups(): Promise<GroupListing[]> {
    const { topics } = await this.#requests.metadata([OFFSETS_TOPIC])
    const partitions = topics[0]?.errorCode === NONE ? topics[0].partitions : []
    const lists = await Promise.all(partitions.map(({ partition }) => this.#requests.askGroups(partition)))
    return lists.flat().toSorted((a, b) => (a.group < b.group ? -1 : 1))
  }

  async describeGroup(group: string): Promise<GroupDescription> {
    checkGroup(group)
    const response = await this.#requests.askGroup(group, { kind: 'describeGroup' }, 'describeGroupResponse')
    throwIfError(response.errorCode, problemOf(group, response.errorCode))
    const { state, protocol, epoch, assignor, members, offsets } = response
    return { group, state, protocol, epoch, assignor, members, offsets, lags: await this.#lagsOf(response) }
  }

  /** Of everything that is committed, or that a member has. */
  async #lagsOf({ members, offsets }: DescribeGroupResponse): Promise<GroupLag[]> {
    const owners = new Map<string, string>()
    const partitions = new Map<string, TopicPartition>(offsets.map((one) => [topicPartitionName(one.topic, one.partition), one]))
    for (const { memberId, assignment } of members) {
      for (const { topic, partitions: numbers } of assignment) {
        for (const partition of numbers) {
          const name = topicPartitionName(topic, partition)
          owners.set(name, memberId)
          partitions.set(name, { topic, partition })
        }
      }
    }
    const committed = new Map(offsets.map((one) => [topicPartitionName(one.topic, one.partition), one.offset]))
    const sorted = [...partitions].toSorted(([, a], [, b]) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )
    const ends = await this.#endsOf(new Set(sorted.map(([, { topic }]) => topic)))
    return sorted.map(([name, { topic, partition }]) => {
      const offset = committed.get(name) ?? null
      const endOffset = ends.get(name) ?? null
      const lag = offset === null || endOffset === null ? null : Math.max(0, endOffset - offset)
      return { topic, partition, committed: offset, endOffset, lag, memberId: owners.get(name) ?? null }
    })
  }

  async #endsOf(topics: ReadonlySet<string>): Promise<Map<string, number>> {
    const ends = new Map<string, number>()
    for (const name of topics) {
      const topic = await this.#requests.topic(name).catch((error: unknown) => {
        // It was deleted; the group is about to forget it, too.
        if (error instanceof KafkaError && error.name === 'UNKNOWN_TOPIC_OR_PARTITION') return null
        throw error
      })
      if (topic === null) continue
      for (const [partition, end] of await knownEndsOf(this.#requests, topic)) ends.set(topicPartitionName(name, partition), end)
    }
    return ends
  }

  async alterGroupOffsets(group: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    checkGroup(group)
    const ofTopics: TopicOffset[] = []
    const topics = new Map<string, TopicMetadata>()
    for (const one of offsetsToAlter(offsets)) {
      const topic = topics.get(one.topic) ?? (await this.#requests.topic(one.topic))
      topics.set(one.topic, topic)
      this.#requests.leaderOf(topic, one.partition)
      ofTopics.push({ ...one, topicId: topic.topicId })
    }
    await this.#checkEnds([...topics.values()], ofTopics)
    const asked: GroupAsked = { kind: 'offsetCommit', memberId: '', memberEpoch: -1, offsets: ofTopics }
    const { errorCode, errorMessage } = await this.#requests.askGroup(group, asked, 'offsetCommitResponse')
    // An administrator is no member, nor means to be one.
    const isInUse = errorOf(errorCode).name === 'UNKNOWN_MEMBER_ID'
    if (isInUse) throw new KafkaError('NON_EMPTY_GROUP', problemOf(group, codeOf('NON_EMPTY_GROUP')) ?? undefined)
    throwIfError(errorCode, errorMessage ?? problemOf(group, errorCode))
  }

  /** Nobody goes on where nothing can have been read yet. What does not say where it ends is not looked at. */
  async #checkEnds(topics: readonly TopicMetadata[], offsets: readonly TopicOffset[]): Promise<void> {
    const ends = await Promise.all(topics.map(async (topic) => [topic.topic, await knownEndsOf(this.#requests, topic)] as const))
    const known = new Map(ends)
    for (const { topic, partition, offset } of offsets) {
      const end = known.get(topic)?.get(partition) ?? Infinity
      if (offset > end)
        throw new KafkaError('OFFSET_OUT_OF_RANGE', `${topicPartitionName(topic, partition)} ends at ${end}: there is no offset ${offset}`)
    }
  }

  async resetGroupOffsets(group: string, topic: string, to: number | 'earliest' | 'latest'): Promise<CommittedOffset[]> {
    checkGroup(group)
    checkName(topic)
    const wanted = timestampToList(to)
    const metadata = await this.#requests.topic(topic)
    const found = await offsetsOf(this.#requests, metadata, wanted)
    const ends = await offsetsOf(this.#requests, metadata, LATEST_TIMESTAMP)
    const offsets = metadata.partitions.map(({ partition }) => {
      const offset = found.get(partition) ?? ends.get(partition) ?? 0
      return { topic, partition, offset, metadata: '' }
    })
    await this.alterGroupOffsets(group, offsets)
    return offsets
  }

  async deleteGroup(group: string): Promise<void> {
    checkGroup(group)
    await this.#delete(group, { kind: 'deleteGroup' }, 'GROUP_ID_NOT_FOUND')
  }

  async deleteGroupOffsets(group: string, partitions: readonly TopicPartition[]): Promise<void> {
    checkGroup(group)
    checkTopicPartitions('deleteGroupOffsets', partitions)
    const topics = new Map<string, Set<number>>()
    for (const { topic, partition } of partitions) topics.set(topic, (topics.get(topic) ?? new Set()).add(partition))
    const lists = [...topics].map(([topic, numbers]) => ({ topic, partitions: [...numbers] }))
    await this.#delete(group, { kind: 'offsetDelete', partitions: lists }, 'GROUP_ID_NOT_FOUND')
  }

  /** `done` says that nothing is left to be deleted: no failure if an attempt got no answer, for then that attempt may have done it. */
  async #delete(group: string, asked: GroupAsked, done: ErrorName): Promise<void> {
    let isDoneFine = false
    const { errorCode, errorMessage } = await this.#requests.askGroup(group, asked, 'groupDeletionResponse', () => (isDoneFine = true))
    if (isDoneFine && errorOf(errorCode).name === done) return
    throwIfError(errorCode, errorMessage ?? problemOf(group, errorCode))
  }
}

function problemOf(group: string, errorCode: number): string | null {
  const name = JSON.stringify(group)
  switch (errorOf(errorCode).name) {
    case 'GROUP_ID_NOT_FOUND':
      return `there is no group ${name}: nobody is in it, and it has not committed`
    case 'NON_EMPTY_GROUP':
      return `somebody is in the group ${name}: close its consumers first`
    case 'GROUP_SUBSCRIBED_TO_TOPIC':
      return `members of the group ${name} are subscribed to the topic, and would commit its offsets again`
    default:
      return null
  }
}
