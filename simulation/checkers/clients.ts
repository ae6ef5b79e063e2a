/**
 * The watcher of clients: which life of a topic they speak of. Applications know topics by name; the actors of clients know more: every request
 * to a replica carries the topic's id, so what an answer leads to is about that id; and a group says the topic of each offset that it has.
 */
import type { ConsumerState } from '../../actors/consumer-state.ts'
import type { ProducerState } from '../../actors/producer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Assigned } from '../../protocol/messages/client.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Host, Watcher } from '../host.ts'
import type { World } from '../world.ts'
import { checkCommitsOver, checkGroupSought } from './commits.ts'
import type { Search } from './commits.ts'
import { noteQuotaNews, noteQuotaUse } from './quotas.ts'
import { checkSecondLook, newLooks } from './second-looks.ts'
import type { Looks } from './second-looks.ts'
import type { QuotaAccount } from './quotas.ts'

/** Watches the actors of all clients. */
export class ClientWatcher implements Watcher {
  readonly #world: World
  /** By client, then by actor and correlation id. */
  readonly #requests: Map<Host, Map<string, number>> = new Map()
  /** Of messages to applications. */
  readonly #answers: WeakMap<Message, number> = new WeakMap()
  /** When a consumer has told its application what it has, which may hear that later. */
  readonly #saidAt: WeakMap<Message, number> = new WeakMap()
  /** By client: when its consumer is to ask for its group. */
  readonly #searches: Map<Host, Search> = new Map()
  /** By client: what its producer has asked about topics, and heard. */
  readonly #looks: Map<Host, Looks> = new Map()
  /** Of clients that are limited, by the names of their actors. */
  readonly #accounts: Map<Host, Map<string, QuotaAccount>> = new Map()

  constructor(world: World) {
    this.#world = world
  }

  spawned(): void {}

  received(host: Host, name: string, state: unknown, message: Message, _from: unknown, effects: readonly Effect[]): void {
    const isAnswer = message.kind === 'produceResponse' || message.kind === 'fetchResponse' || message.kind === 'listOffsetsResponse'
    const requests = this.#requestsOf(host)
    const account = this.#accounts.get(host)?.get(name)
    if (account !== undefined) noteQuotaNews(account, message)
    if (name === 'consumer' && message.kind === 'timerFired')
      checkCommitsOver(this.#world, `consumer@${host.node}`, state as ConsumerState, host.clock.uptime())
    if (name === 'consumer') {
      const search = this.#searches.get(host) ?? { since: Infinity, dueAt: Infinity }
      this.#searches.set(host, search)
      checkGroupSought(this.#world, `consumer@${host.node}`, search, state as ConsumerState, { host, effects })
    }
    if (name === 'producer') checkSecondLook(this.#world, this.#looksOf(host), state as ProducerState, message, effects)
    const topicId = isAnswer ? requests.get(`${name}/${message.correlationId}`) : undefined
    for (const effect of effects) {
      if (effect.kind !== 'send') continue
      const told = effect.message
      if (account !== undefined) noteQuotaUse(account, told)
      if (told.kind === 'assigned') this.#saidAt.set(told, this.#world.nowMicros)
      if (told.kind === 'produce' || told.kind === 'fetch' || told.kind === 'listOffsets')
        requests.set(`${name}/${told.correlationId}`, told.topicId)
      else if (topicId !== undefined) this.#answers.set(told, topicId)
      else if (told.kind === 'assigned' && message.kind === 'offsetFetchResponse')
        this.#answers.set(told, topicIdAmong(message.offsets, told))
    }
  }

  /** What this client's actor gets is counted. */
  watchQuota(host: Host, name: string, account: QuotaAccount): void {
    const accounts = this.#accounts.get(host) ?? new Map<string, QuotaAccount>()
    this.#accounts.set(host, accounts.set(name, account))
  }

  accounts(): QuotaAccount[] {
    return [...this.#accounts.values()].flatMap((accounts) => [...accounts.values()])
  }

  /** The topic id that a message to an application is about; -1 if its actor did not know. */
  topicIdOf(message: Message): number {
    return this.#answers.get(message) ?? -1
  }

  /** When a consumer has told its application that it has something, in microseconds. */
  saidAt(message: Assigned): number {
    return this.#saidAt.get(message) ?? this.#world.nowMicros
  }

  #looksOf(host: Host): Looks {
    const known = this.#looks.get(host) ?? newLooks()
    this.#looks.set(host, known)
    return known
  }

  #requestsOf(host: Host): Map<string, number> {
    const known = this.#requests.get(host)
    if (known !== undefined) return known
    const requests = new Map<string, number>()
    this.#requests.set(host, requests)
    return requests
  }
}

/** The topic id of the offset at which a partition begins: the actor speaks of one partition at a time. */
function topicIdAmong(offsets: readonly TopicOffset[], { partitions }: Assigned): number {
  const names = new Set(partitions.map(({ topic, partition }) => topicPartitionName(topic, partition)))
  return offsets.find(({ topic, partition }) => names.has(topicPartitionName(topic, partition)))?.topicId ?? -1
}
