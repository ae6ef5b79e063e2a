/**
 * The topics that one producer knows, and how it learns that they have changed.
 */
import { KafkaError } from '../../protocol/errors.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { isStale, newKnownTopic, renewTopic } from './known-topic.ts'
import type { KnownTopic } from './known-topic.ts'

/** By name. What a topic is now is asked of `describe`. */
export class KnownTopics {
  readonly #batchSizeBytes: number
  readonly #describe: (name: string) => Promise<TopicMetadata>
  readonly #topics: Map<string, KnownTopic> = new Map()
  /** The topic of the record before: most producers have one. */
  #lastName = ''
  #lastTopic: KnownTopic | undefined

  constructor(batchSizeBytes: number, describe: (name: string) => Promise<TopicMetadata>) {
    this.#batchSizeBytes = batchSizeBytes
    this.#describe = describe
  }

  named(name: string): KnownTopic | undefined {
    if (name === this.#lastName) return this.#lastTopic
    const topic = this.#topics.get(name)
    if (topic === undefined) return undefined
    this.#lastName = name
    this.#lastTopic = topic
    return topic
  }

  learn(name: string, metadata: TopicMetadata): void {
    this.#topics.set(name, newKnownTopic(metadata, this.#batchSizeBytes))
  }

  /** A batch begins: from time to time somebody looks for added partitions, and for other limits. */
  look(topic: KnownTopic): void {
    if (isStale(topic)) void this.renew(topic)
  }

  /** Looks now. What cannot be learned now is learned later, or shown by a refusal. False: nobody has answered in time. */
  renew(topic: KnownTopic): Promise<boolean> {
    return this.#describe(topic.metadata.topic).then(
      (metadata) => {
        renewTopic(topic, metadata)
        return true
      },
      (error: unknown) => !(error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT'),
    )
  }

  /** The topic has changed or gone: the next record asks again. */
  forget(name: string): void {
    const topic = this.#topics.get(name)
    if (topic === undefined || topic.open.some((batch) => batch !== null)) return
    this.#topics.delete(name)
    this.#lastName = ''
    this.#lastTopic = undefined
  }
}
