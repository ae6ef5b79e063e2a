/**
 * The client that deletes records: it asks who leads a partition, and asks that one until it is answered, or gives up. What it was told is deleted
 * must not come back with any later leader.
 */
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { replicaActor } from '../../protocol/address.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { DELETE_TO_HIGH_WATERMARK } from '../../protocol/messages/fetch.ts'
import type { DeleteRecordsResponse } from '../../protocol/messages/fetch.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { MetadataResponse } from '../../protocol/messages/metadata.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import type { Random } from '../random.ts'
import { livesOf, noteDeleted } from '../truth.ts'

/** What is to be deleted; `topicId` -1 until it is known. */
interface Deletion {
  readonly topic: string
  readonly partition: number
  readonly beforeOffset: number
  /** Answers to earlier requests are of another deletion. */
  readonly firstId: number
  topicId: number
  leader: number
  attemptsLeft: number
}

/** The request is repeated after so long, in microseconds, and so often. */
const RETRY_MICROS = 400_000
const ATTEMPTS_MAX = 20

/** The deleting client; it never dies. */
export class DeleterWorkload {
  readonly #cluster: Cluster
  readonly #coordinators: CoordinatorFinder
  #host: Host | null = null
  #deletion: Deletion | null = null
  #correlationId = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Begins to delete records of some partition: all of them, or about half of what can be read; false while it is busy. */
  delete(random: Random): boolean {
    if (this.#deletion !== null) return false
    const { plan, topics, truth } = this.#cluster
    const { name: topic } = random.pick(plan.topics)
    const partition = random.below(topics.get(topic) ?? 1)
    const life = livesOf(truth, topicPartitionName(topic, partition)).at(-1)
    if (life === undefined || life.exposedEnd <= life.startOffset) return false
    const beforeOffset = random.below(4) === 0 ? DELETE_TO_HIGH_WATERMARK : random.between(life.startOffset, life.exposedEnd)
    this.#deletion = {
      topic,
      partition,
      beforeOffset,
      firstId: this.#correlationId + 1,
      topicId: -1,
      leader: -1,
      attemptsLeft: ATTEMPTS_MAX,
    }
    this.#attempt(this.#deletion)
    return true
  }

  #attempt(deletion: Deletion): void {
    if (this.#deletion !== deletion) return
    const host = this.#connect()
    if (deletion.attemptsLeft-- === 0 || !this.#cluster.faults.active) {
      this.#deletion = null
      return
    }
    const { topic, partition, beforeOffset, topicId, leader } = deletion
    const correlationId = ++this.#correlationId
    const self = { node: host.node, actor: 'deleter' }
    if (leader < 0) {
      host.send(self, coordinatorOf(this.#coordinators), { kind: 'metadata', correlationId, topics: [topic] })
      nextCoordinator(this.#coordinators)
    } else {
      host.send(
        self,
        { node: leader, actor: replicaActor(topic, partition) },
        { kind: 'deleteRecords', correlationId, topicId, beforeOffset },
      )
      deletion.leader = -1
    }
    host.after(RETRY_MICROS, () => this.#attempt(deletion))
  }

  #connect(): Host {
    if (this.#host !== null) return this.#host
    const host = this.#cluster.newClient('deleter')
    host.attach('deleter', { receive: (message) => this.#receive(message) })
    this.#host = host
    return host
  }

  #receive(message: Message): void {
    const deletion = this.#deletion
    if (deletion === null || !('correlationId' in message) || message.correlationId < deletion.firstId) return
    if (message.kind === 'metadataResponse') this.#onMetadata(deletion, message)
    if (message.kind === 'deleteRecordsResponse') this.#onAnswer(deletion, message)
  }

  #onMetadata(deletion: Deletion, response: MetadataResponse): void {
    learnFrom(this.#coordinators, response)
    const topic = response.topics.find((one) => one.topic === deletion.topic)
    const leader = topic?.partitions[deletion.partition]?.leader ?? -1
    if (topic === undefined || leader < 0) return
    // An offset says nothing of another topic with that name.
    if (deletion.topicId >= 0 && deletion.topicId !== topic.topicId) this.#deletion = null
    deletion.topicId = topic.topicId
    deletion.leader = leader
  }

  #onAnswer({ topic, partition, topicId }: Deletion, { errorCode, logStartOffset }: DeleteRecordsResponse): void {
    if (errorCode === codeOf('OFFSET_OUT_OF_RANGE') || errorCode === codeOf('UNKNOWN_TOPIC_ID')) this.#deletion = null
    if (errorCode !== NONE) return
    noteDeleted(this.#cluster.truth, topicPartitionName(topic, partition), topicId, logStartOffset)
    this.#deletion = null
  }
}
