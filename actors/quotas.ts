/**
 * Keeps the quotas of the clients of one host: asks the active coordinator for them again and again, has a bucket for each quota that binds somebody, and tells each client
 * after each piece how long it has to be silent. All who share a quota share its bucket, whatever partitions and nodes they speak with: quotas are of the
 * whole cluster. It does NOT see data, nor measure time: clients say how much it was (client-quota.ts).
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { ChargeQuota, JoinQuota } from '../protocol/messages/quota.ts'
import { burstOf, changeRate, isFull, millisToCredit, newBucket, refill, take } from '../coordinator/quota-bucket.ts'
import type { TokenBucket } from '../coordinator/quota-bucket.ts'
import { entityKey, sharesOf } from '../coordinator/quotas.ts'
import type { ClientQuotas, QuotaShare } from '../coordinator/quotas.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  avoidCoordinator,
  coordinatorOf,
  followController,
  newCoordinatorFinder,
  nextCoordinator,
  replaceCoordinators,
} from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** What a keeper is started with. */
export interface QuotasConfig {
  readonly coordinatorNodes: readonly number[]
}

/** A client that said who it is. */
interface QuotaClient {
  readonly address: Address
  readonly identity: Omit<JoinQuota, 'kind'>
  shares: readonly QuotaShare[]
  charges: number
}

/** What a keeper knows. */
export interface QuotasState {
  readonly coordinators: CoordinatorFinder
  /** Null until a coordinator has said which there are: until then nobody sends, or reads, anything. */
  quotas: ClientQuotas | null
  version: number
  readonly buckets: Map<string, TokenBucket>
  /** By node and actor. */
  readonly clients: Map<string, QuotaClient>
  /** Of the question under way; -1 during a pause. */
  correlationId: number
  nextId: number
}

/** A coordinator answers sooner; beyond that it is silent. */
const SILENCE_MILLIS = 4000

/** Pause before another coordinator is asked. */
const RETRY_MILLIS = 20

/** Beyond so many, buckets that are full are forgotten. */
const BUCKETS_MAX = 1000

const TIMER = 'quotas'

/** The behaviour of a keeper. */
export const actor: Actor<QuotasState, QuotasConfig> = {
  url: import.meta.url,
  start: (_self, config) => ({
    coordinators: newCoordinatorFinder(config.coordinatorNodes),
    quotas: null,
    version: -1,
    buckets: new Map(),
    clients: new Map(),
    correlationId: -1,
    nextId: 1,
  }),
  receive(state: QuotasState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        return ask(state, outbox)
      case 'timerFired':
        if (state.correlationId >= 0) nextCoordinator(state.coordinators)
        return ask(state, outbox)
      case 'clientQuotasDescribed':
        return onDescribed(state, message, context, outbox)
      case 'notController':
        if (message.correlationId !== state.correlationId) return
        followController(state.coordinators, context.from.node, message.controller)
        return askSoon(state, outbox)
      case 'undeliverable':
        if (message.correlationId !== state.correlationId) return
        nextCoordinator(state.coordinators)
        return askSoon(state, outbox)
      case 'votersChanged':
        return replaceCoordinators(state.coordinators, message.voters)
      case 'nodeDown':
        if (avoidCoordinator(state.coordinators, message.node)) askSoon(state, outbox)
        return
      case 'joinQuota':
        return onJoin(state, message, context, outbox)
      case 'chargeQuota':
        return onCharge(state, message, context, outbox)
      case 'leaveQuota':
        return void state.clients.delete(nameOf(context.from))
      default:
        assert(false, `a keeper of quotas does not understand ${message.kind}`)
    }
  },
}

// ── clients ──

function onJoin(state: QuotasState, message: JoinQuota, context: Context, outbox: Outbox): void {
  const { key, user, clientId, group } = message
  const client: QuotaClient = { address: context.from, identity: { key, user, clientId, group }, shares: [], charges: 0 }
  state.clients.set(nameOf(context.from), client)
  if (state.quotas === null) return
  bind(state, client, state.quotas, context.uptime)
  tell(state, client, context.uptime, outbox)
}

function onCharge(state: QuotasState, { sizeBytes, micros }: ChargeQuota, context: Context, outbox: Outbox): void {
  const client = state.clients.get(nameOf(context.from))
  if (client === undefined) return
  client.charges++
  const buckets = bucketsOf(state, client)
  client.shares.forEach(({ isTime }, i) => take(buckets[i]!, isTime ? micros : sizeBytes, context.uptime))
  tell(state, client, context.uptime, outbox)
}

/** Finds the quotas of a client, and their buckets. */
function bind(state: QuotasState, client: QuotaClient, quotas: ClientQuotas, uptime: number): void {
  client.shares = sharesOf(quotas, client.identity)
  for (const { bucket: name, perSecond } of client.shares) {
    const bucket = state.buckets.get(name)
    if (bucket === undefined) state.buckets.set(name, newBucket(perSecond, uptime))
    else if (bucket.perSecond !== perSecond) changeRate(bucket, perSecond, uptime)
  }
  if (state.buckets.size > BUCKETS_MAX) forgetBuckets(state, uptime)
}

function tell(state: QuotasState, client: QuotaClient, uptime: number, outbox: Outbox): void {
  const buckets = bucketsOf(state, client)
  for (const bucket of buckets) refill(bucket, uptime)
  const bursts = client.shares.filter(({ isTime }) => !isTime).map(({ perSecond }) => burstOf(perSecond))
  outbox.push({
    kind: 'send',
    to: client.address,
    message: {
      kind: 'throttled',
      isLimited: buckets.length > 0,
      isTimed: client.shares.some(({ isTime }) => isTime),
      charges: client.charges,
      millis: Math.max(0, ...buckets.map(millisToCredit)),
      burstBytes: buckets.length === 0 ? 0 : Math.min(Number.MAX_SAFE_INTEGER, ...bursts),
    },
  })
}

function bucketsOf({ buckets }: QuotasState, { shares }: QuotaClient): TokenBucket[] {
  return shares.map(({ bucket: name }) => {
    const bucket = buckets.get(name)
    assert(bucket !== undefined, 'U1 a quota that binds a client has a bucket')
    return bucket
  })
}

/** Those that bind nobody, and are full: nobody will miss them. */
function forgetBuckets({ buckets, clients }: QuotasState, uptime: number): void {
  const used = new Set([...clients.values()].flatMap(({ shares }) => shares.map(({ bucket }) => bucket)))
  for (const [name, bucket] of buckets) {
    refill(bucket, uptime)
    if (!used.has(name) && isFull(bucket)) buckets.delete(name)
  }
}

function nameOf({ node, actor: name }: Address): string {
  return `${node}/${name}`
}

// ── the coordinator ──

/** Quotas may have changed: whoever they bind, or have bound, hears of it. */
function onDescribed(state: QuotasState, message: MessageOf<'clientQuotasDescribed'>, context: Context, outbox: Outbox): void {
  if (message.correlationId !== state.correlationId) return
  const { version, entries } = message
  state.version = version
  if (entries !== null) {
    const isFirst = state.quotas === null
    const quotas = new Map(entries.map((one) => [entityKey(one.entity), one]))
    state.quotas = quotas
    for (const client of state.clients.values()) {
      const wasLimited = client.shares.length > 0
      bind(state, client, quotas, context.uptime)
      if (isFirst || wasLimited || client.shares.length > 0) tell(state, client, context.uptime, outbox)
    }
  }
  ask(state, outbox)
}

function ask(state: QuotasState, outbox: Outbox): void {
  const correlationId = state.nextId++
  state.correlationId = correlationId
  const { version } = state
  outbox.push({ kind: 'send', to: coordinatorOf(state.coordinators), message: { kind: 'describeClientQuotas', correlationId, version } })
  outbox.push({ kind: 'startTimer', timer: TIMER, afterMillis: SILENCE_MILLIS })
}

function askSoon(state: QuotasState, outbox: Outbox): void {
  state.correlationId = -1
  outbox.push({ kind: 'startTimer', timer: TIMER, afterMillis: RETRY_MILLIS })
}
