/**
 * The watcher of clients: which life of a topic they speak of. Applications know topics by name; the actors of clients know more: every request
 * to a replica carries the topic's id, so what an answer leads to is about that id, and so is a position when it is committed.
 */
import type { ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Host, Watcher } from '../host.ts'
import type { GroupTruth } from './groups.ts'

/** Watches the actors of all clients. */
export class ClientWatcher implements Watcher {
  readonly #groups: ReadonlyMap<string, GroupTruth>
  /** By client and correlation id. */
  readonly #requests: Map<string, number> = new Map()
  /** Of messages to applications. */
  readonly #answers: WeakMap<Message, number> = new WeakMap()
  /** By client and partition name: what its positions belonged to after its last step. */
  readonly #positions: Map<string, number> = new Map()
  readonly #commits: WeakMap<readonly CommittedOffset[], readonly number[]> = new WeakMap()

  constructor(groups: ReadonlyMap<string, GroupTruth>) {
    this.#groups = groups
  }

  spawned(): void {}

  received(host: Host, name: string, state: unknown, message: Message, _from: unknown, effects: readonly Effect[]): void {
    const isAnswer = message.kind === 'produceResponse' || message.kind === 'fetchResponse' || message.kind === 'listOffsetsResponse'
    const topicId = isAnswer ? this.#requests.get(`${host.node}/${message.correlationId}`) : undefined
    if (name === 'consumer') this.#noteCommits(host, state as ConsumerState)
    for (const effect of effects) {
      if (effect.kind !== 'send') continue
      const told = effect.message
      if (told.kind === 'produce' || told.kind === 'fetch' || told.kind === 'listOffsets')
        this.#requests.set(`${host.node}/${told.correlationId}`, told.topicId)
      else if (told.kind === 'offsetCommit')
        this.#groups.get(effect.to.actor)?.commitTopicIds.set(`${host.node}/${told.correlationId}`, this.#commits.get(told.offsets) ?? [])
      else if (topicId !== undefined) this.#answers.set(told, topicId)
    }
  }

  /** The topic id that a message to an application is about; -1 if its actor did not know. */
  topicIdOf(message: Message): number {
    return this.#answers.get(message) ?? -1
  }

  #noteCommits(host: Host, state: ConsumerState): void {
    for (const { offsets } of state.commits) {
      if (this.#commits.has(offsets)) continue
      const topicIds = offsets.map(
        ({ topic, partition }) => this.#positions.get(`${host.node}/${topicPartitionName(topic, partition)}`) ?? -1,
      )
      this.#commits.set(offsets, topicIds)
    }
    for (const { name, topicId } of state.partitions.values()) this.#positions.set(`${host.node}/${name}`, topicId)
  }
}
