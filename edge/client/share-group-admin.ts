/**
 * Administration of share groups: which there are, how far they are, and how they go. Each question is asked of who coordinates the group.
 */
import { sharesActor } from '../../protocol/address.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { ShareGroupListing, SharePartitionDescription } from '../../protocol/messages/share.ts'
import { checkGroup } from './arguments.ts'
import { knownEndsOf } from './led-partitions.ts'
import { throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'
import type { ShareGroupDescription, SharePartitionLag } from './share-api.ts'

const SHARE_TOPIC = '__share_group_state'

/** Administration of the share groups of one cluster. See the header. */
export class ShareGroupAdmin {
  readonly #requests: Requests

  constructor(requests: Requests) {
    this.#requests = requests
  }

  async list(): Promise<ShareGroupListing[]> {
    const { topics } = await this.#requests.metadata([SHARE_TOPIC])
    const topic = topics[0]
    if (topic === undefined || topic.errorCode !== NONE) return []
    const asked = { kind: 'listShareGroups' } as const
    const lists = await Promise.all(
      topic.partitions.map(({ partition }) =>
        this.#requests.askLeader(topic, partition, asked, 'listShareGroupsResponse', sharesActor(partition)),
      ),
    )
    return lists.flatMap(({ groups }) => groups).toSorted((a, b) => (a.group < b.group ? -1 : 1))
  }

  async describe(group: string): Promise<ShareGroupDescription> {
    checkGroup(group)
    const response = await this.#requests.askShareGroup(group, { kind: 'describeShareGroup' }, 'describeShareGroupResponse')
    throwIfError(response.errorCode, problemOf(group, response.errorCode))
    const { state, members, partitions } = response
    const names = [...new Set(partitions.map(({ topic }) => topic))]
    const ends = new Map(await Promise.all(names.map(async (topic) => [topic, await this.#endsOf(topic)] as const)))
    return { group, state, members, partitions: partitions.map((one) => lagOf(one, ends.get(one.topic)?.get(one.partition) ?? null)) }
  }

  async delete(group: string): Promise<void> {
    checkGroup(group)
    let wasLost = false
    const onLost = (): void => void (wasLost = true)
    const { errorCode } = await this.#requests.askShareGroup(group, { kind: 'deleteShareGroup' }, 'deleteShareGroupResponse', onLost)
    // An attempt without an answer may have done it.
    if (wasLost && errorOf(errorCode).name === 'GROUP_ID_NOT_FOUND') return
    throwIfError(errorCode, problemOf(group, errorCode))
  }

  /** None of a topic that was deleted: the group is about to forget it, too. */
  async #endsOf(name: string): Promise<ReadonlyMap<number, number>> {
    try {
      return await knownEndsOf(this.#requests, await this.#requests.topic(name))
    } catch (error) {
      if (error instanceof KafkaError && error.name === 'UNKNOWN_TOPIC_OR_PARTITION') return new Map()
      throw error
    }
  }
}

function lagOf({ topic, partition, startOffset, done, acquired }: SharePartitionDescription, endOffset: number | null): SharePartitionLag {
  const lag = endOffset === null ? null : Math.max(0, endOffset - startOffset - done)
  return { topic, partition, startOffset, endOffset, inFlight: acquired, lag }
}

function problemOf(group: string, errorCode: number): string | null {
  const { name } = errorOf(errorCode)
  if (name === 'GROUP_ID_NOT_FOUND') return `there is no share group ${JSON.stringify(group)}`
  return name === 'NON_EMPTY_GROUP' ? `the share group ${JSON.stringify(group)} has members` : null
}
