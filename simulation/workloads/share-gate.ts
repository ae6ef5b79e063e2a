/**
 * How a member of a share group keeps to the quota of its group, as the public one does (edge/client/quota-gate.ts): before it asks for more, it asks the rules whether it
 * may (actors/client-quota.ts); it reads what it is given where that is led, and says how much that was, and how long its questions took. QUOTA: what it had was paid for
 * when it passes.
 */
import { chargeQuota, gateDue, joinQuota, newClientQuota, onRequestTimed, onThrottled, timedOutbox } from '../../actors/client-quota.ts'
import type { ClientQuotaState } from '../../actors/client-quota.ts'
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import type { Effect } from '../../actors/effect.ts'
import { actor as keeper } from '../../actors/quotas.ts'
import { replicaActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { CONSUMER_REPLICA } from '../../protocol/messages/fetch.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import type { AcquiredRange } from '../../protocol/messages/share.ts'
import { checkTimed, notePassed, noteQuotaNews } from '../checkers/quotas.ts'
import type { QuotaAccount } from '../checkers/quotas.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { SHARE_GROUP } from '../plan.ts'
import type { ShareQuota } from '../share-plan.ts'
import { accountOf, KEEPER } from './quotas.ts'

/** What a member reads at once. */
const FETCH_BYTES = 2500

/** A question about a range that is not answered for so long is given up, and the range with it, in microseconds. */
const READ_MICROS = 400_000

/** What is being read. */
interface Reading {
  readonly ranges: readonly AcquiredRange[]
  readonly onRead: () => void
}

/** The gate of one life of a member. */
export class ShareGate {
  readonly #host: Host
  readonly #quota: ClientQuotaState | null
  readonly #account: QuotaAccount
  readonly #coordinators: CoordinatorFinder
  /** Who waits to pass. */
  #waiting: (() => void) | null = null
  #reading: Reading | null = null
  #correlationId = 0

  constructor(cluster: Cluster, host: Host, { consumerByteRate, requestPercentage }: ShareQuota) {
    const identity = { keeper: { node: host.node, actor: KEEPER }, user: null, clientId: null }
    this.#host = host
    this.#coordinators = newCoordinatorFinder(cluster.voters)
    host.spawn(KEEPER, keeper.url, { coordinatorNodes: cluster.voters })
    host.attach('gate', { receive: (message) => this.#receive(message) })
    this.#account = accountOf(cluster, `sharer on ${host.node}`, consumerByteRate, requestPercentage)
    cluster.clientWatcher.watchQuota(host, 'gate', this.#account)
    this.#quota = newClientQuota(identity)
    joinQuota(identity, 'consumerByteRate', SHARE_GROUP, this.#outbox('gate'))
  }

  /** Whether nobody passes now. */
  get isShut(): boolean {
    const uptime = this.#host.clock.uptime()
    return gateDue(this.#quota, uptime) > uptime
  }

  /** Calls back when more may be asked for. */
  pass(ask: () => void): void {
    const uptime = this.#host.clock.uptime()
    const due = gateDue(this.#quota, uptime)
    this.#waiting = ask
    if (due <= uptime) return this.#open()
    if (due === Infinity) return
    this.#host.after(Math.ceil((due - uptime) * 1000), () => {
      if (this.#waiting === ask) this.pass(ask)
    })
  }

  /** A question of the member, under its own name. */
  send(actor: string, to: Address, message: Message): void {
    timedOutbox(this.#quota, message, this.#outbox(actor)).push({ kind: 'send', to, message })
  }

  /** A question of the member has taken so long. */
  onTimed(message: MessageOf<'requestTimed'>): void {
    noteQuotaNews(this.#account, message)
    onRequestTimed(this.#quota, message, this.#outbox('gate'))
  }

  /** Reads ranges, one after the other; those of which nobody answers are left out. */
  read(ranges: readonly AcquiredRange[], onRead: () => void): void {
    const [range] = ranges
    this.#reading = null
    if (range === undefined) return onRead()
    this.#reading = { ranges, onRead }
    this.#ask(coordinatorOf(this.#coordinators), { kind: 'metadata', correlationId: ++this.#correlationId, topics: [range.topic] })
    nextCoordinator(this.#coordinators)
  }

  #open(): void {
    const ask = this.#waiting
    this.#waiting = null
    notePassed(this.#account)
    ask?.()
  }

  #ask(to: Address, message: Message): void {
    const correlationId = this.#correlationId
    this.send('gate', to, message)
    this.#host.after(READ_MICROS, () => {
      if (this.#reading !== null && this.#correlationId === correlationId) this.#next()
    })
  }

  #next(): void {
    const { ranges, onRead } = this.#reading ?? { ranges: [], onRead: () => undefined }
    this.read(ranges.slice(1), onRead)
  }

  #receive(message: Message): void {
    noteQuotaNews(this.#account, message)
    switch (message.kind) {
      case 'throttled':
        onThrottled(this.#quota, message, this.#host.clock.uptime())
        if (this.#waiting !== null) this.pass(this.#waiting)
        return
      case 'requestTimed':
        return onRequestTimed(this.#quota, message, this.#outbox('gate'))
      case 'metadataResponse':
        learnFrom(this.#coordinators, message)
        return this.#onTopic(message)
      case 'fetchResponse':
        return this.#onFetched(message)
      default:
        return
    }
  }

  #onTopic({ correlationId, topics }: MessageOf<'metadataResponse'>): void {
    const range = this.#reading?.ranges[0]
    if (range === undefined || correlationId !== this.#correlationId) return
    const { topic, topicId, partition, first } = range
    const leader = topics[0]?.partitions[partition]?.leader ?? -1
    if (leader < 0) return this.#next()
    this.#ask({ node: leader, actor: replicaActor(topic, partition) }, fetchOf(++this.#correlationId, topicId, first))
  }

  #onFetched({ correlationId, records }: MessageOf<'fetchResponse'>): void {
    // What comes late was read all the same.
    const sizeBytes = records?.length ?? 0
    this.#account.usedBytes += sizeBytes
    chargeQuota(this.#quota, sizeBytes, this.#outbox('gate'))
    if (this.#reading !== null && correlationId === this.#correlationId) this.#next()
  }

  #outbox(actor: string): { push(effect: Effect): void } {
    const push = (effect: Effect): void => {
      if (effect.kind !== 'send') return
      checkTimed(this.#account, effect.message)
      this.#host.send({ node: this.#host.node, actor }, effect.to, effect.message)
    }
    return { push }
  }
}

function fetchOf(correlationId: number, topicId: number, fetchOffset: number): MessageOf<'fetch'> {
  return {
    kind: 'fetch',
    correlationId,
    topicId,
    leaderEpoch: -1,
    replicaId: CONSUMER_REPLICA,
    brokerEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset,
    logStartOffset: -1,
    syncedOffset: -1,
    minBytes: 1,
    maxBytes: FETCH_BYTES,
    maxWaitMillis: 0,
    mode: 'bytes',
    isolationLevel: 'read_uncommitted',
  }
}
