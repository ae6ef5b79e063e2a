/**
 * What a public consumer asks its actor about offsets: to commit them, and who it is in its group, for a transaction that commits them.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { CommittedOffset, GroupMember, GroupProtocolName, TopicOffset } from '../../protocol/messages/group.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { ActorLink } from './engine.ts'
import { errorFrom, throwIfError } from './requests.ts'
import type { Requests } from './requests.ts'

/** Offsets of a group, and who has read what they say; null: nobody of the group. */
export interface MemberOffsets {
  readonly group: string
  readonly protocol: GroupProtocolName
  readonly member: GroupMember | null
  readonly offsets: readonly TopicOffset[]
}

/** What the group has committed for these partitions, or (null) for all. */
export async function fetchCommitted(
  requests: Requests,
  group: string,
  partitions: readonly TopicPartition[] | null,
): Promise<CommittedOffset[]> {
  const wanted = partitions?.map(({ topic, partition }) => ({ topic, partitions: [partition] })) ?? null
  const { errorCode, offsets } = await requests.askGroup(group, { kind: 'offsetFetch', partitions: wanted }, 'offsetFetchResponse')
  throwIfError(errorCode, null)
  return offsets.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }))
}

type Answer = KafkaError | MessageOf<'memberAnswer'> | null

/** The questions of one consumer. */
export class CommitRequests {
  readonly #link: () => ActorLink
  readonly #waiting: Map<number, (answer: Answer) => void> = new Map()
  #nextCorrelationId = 1

  constructor(link: () => ActorLink) {
    this.#link = link
  }

  /** Throws what the group says. */
  async commit(offsets: readonly CommittedOffset[] | null): Promise<void> {
    const answer = await this.#ask((correlationId) => ({ kind: 'commit', correlationId, offsets }))
    if (answer instanceof KafkaError) throw answer
  }

  /** Those offsets, or (null) what is processed and not committed. Throws UNKNOWN_MEMBER_ID for a member that is none any more. */
  async member(group: string, protocol: GroupProtocolName, offsets: readonly CommittedOffset[] | null): Promise<MemberOffsets> {
    const answer = await this.#ask((correlationId) => ({ kind: 'askMember', correlationId, offsets }))
    if (answer instanceof KafkaError) throw answer
    return { group, protocol, member: answer?.member ?? null, offsets: answer?.offsets ?? [] }
  }

  onCommitResult({ correlationId, errorCode, errorMessage }: MessageOf<'commitResult'>): void {
    this.#waiting.get(correlationId)?.(errorFrom(errorCode, errorMessage))
  }

  onMember(message: MessageOf<'memberAnswer'>): void {
    const { correlationId, errorCode, errorMessage } = message
    this.#waiting.get(correlationId)?.(errorFrom(errorCode, errorMessage) ?? message)
  }

  /** Asks the actor to leave; it answers elsewhere. */
  sendClose(): void {
    this.#link().send({ kind: 'closeConsumer', correlationId: this.#nextCorrelationId++ })
  }

  /** Nobody answers any more. */
  giveUp(error: KafkaError): void {
    for (const answer of this.#waiting.values()) answer(error)
  }

  async #ask(request: (correlationId: number) => MessageOf<'commit' | 'askMember'>): Promise<Answer> {
    const correlationId = this.#nextCorrelationId++
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(correlationId, resolve)
      this.#link().send(request(correlationId))
    })
    this.#waiting.delete(correlationId)
    return answer
  }
}
