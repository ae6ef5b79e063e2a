/**
 * The client that sets quotas, changes them while others work, and takes them away when the run heals; and the clients that keep to them. Those have a keeper of their own,
 * on their host, as the clients of a process have.
 */
import { actor as keeper } from '../../actors/quotas.ts'
import type { QuotasState } from '../../actors/quotas.ts'
import type { QuotaIdentity } from '../../actors/client-quota.ts'
import { coordinatorOf, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { ClientQuotaEntity, ClientQuotaKey, JoinQuota } from '../../protocol/messages/quota.ts'
import type { QuotaAccount } from '../checkers/quotas.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { SHARE_GROUP } from '../plan.ts'
import { Random } from '../random.ts'

/** The request is repeated after so long, in microseconds. */
const RETRY_MICROS = 100_000

/** Quotas change after so long on average, in microseconds. */
const CHANGE_MICROS = 8_000_000

/** The largest batch of a producer, and so what one answer has beyond what was asked for. */
const BATCH_BYTES_MAX = 2500

/** One hundredth of a second in each second of a thread. */
const MICROS_PER_PERCENT = 10_000

/** What is asked for; null takes one away. */
type Rates = Readonly<Partial<Record<ClientQuotaKey, number | null>>>

/** Whose quotas are set: the highest rates, of which lower ones are drawn under this name. */
interface QuotaTarget {
  readonly name: string
  readonly entity: ClientQuotaEntity
  readonly rates: Readonly<Partial<Record<ClientQuotaKey, number>>>
}

/** The actor on a client's host that keeps its quotas. */
export const KEEPER = 'quotas'
/** All clients that keep to a quota. */
export const CLIENT_ID = 'limited'

/** Those of the clients that keep to a quota; null: none are planned. */
export function clientQuota({ plan: { quota } }: Cluster): QuotaTarget | null {
  if (quota === null) return null
  const { producerByteRate, consumerByteRate, requestPercentage, isDefault } = quota
  const ofTime = requestPercentage === null ? {} : { requestPercentage }
  return { name: 'quotas', entity: { clientId: isDefault ? null : CLIENT_ID }, rates: { producerByteRate, consumerByteRate, ...ofTime } }
}

/** That of the share group; null: it has none. */
export function shareQuota({ plan: { shareQuota: quota } }: Cluster): QuotaTarget | null {
  if (quota === null) return null
  const { consumerByteRate, requestPercentage } = quota
  const ofTime = requestPercentage === null ? {} : { requestPercentage }
  return { name: 'sharers/quotas', entity: { group: SHARE_GROUP }, rates: { consumerByteRate, ...ofTime } }
}

/** The client that sets quotas; it never dies. Does nothing where none are planned. */
export class QuotaWorkload {
  readonly #cluster: Cluster
  readonly #target: QuotaTarget | null
  readonly #random: Random
  readonly #coordinators: CoordinatorFinder
  #host: Host | null = null
  #correlationId = 0
  /** Null while nothing is asked. */
  #asked: { readonly first: number; readonly rates: Rates; readonly done: () => void } | null = null
  #isRemoved = false

  constructor(cluster: Cluster, target: QuotaTarget | null) {
    this.#cluster = cluster
    this.#target = target
    this.#random = new Random(cluster.world.seed, target?.name ?? '')
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Sets the planned quotas, then calls back. */
  start(done: () => void): void {
    if (this.#target === null) return done()
    const host = this.#cluster.newClient(this.#target.name)
    this.#host = host
    host.attach('admin', { receive: (message) => this.#receive(message) })
    this.#set(this.#drawn(), () => {
      done()
      this.#changeLater()
    })
  }

  /** Nobody is limited any more. */
  remove(): void {
    if (this.#host === null) return void (this.#isRemoved = true)
    for (const account of this.#cluster.clientWatcher.accounts()) account.isOver = true
    this.#set(
      mapRates(this.#target, () => null),
      () => (this.#isRemoved = true),
    )
  }

  /** They are taken away, and every client knows. */
  get isGone(): boolean {
    if (!this.#isRemoved) return false
    const keepers = [...this.#cluster.clients].map((host) => host.stateOf(KEEPER) as QuotasState | undefined)
    return keepers.every((state) => state === undefined || state.quotas?.size === 0)
  }

  #changeLater(): void {
    this.#host?.after(this.#random.exponential(CHANGE_MICROS), () => {
      if (!this.#cluster.faults.active) return
      this.#set(this.#drawn(), () => this.#changeLater())
    })
  }

  /** The highest rate, or a lower one. */
  #drawn(): Rates {
    const share = this.#random.pick([1, 1, 2, 4])
    return mapRates(this.#target, (rate) => rate / share)
  }

  #set(rates: Rates, done: () => void): void {
    const first = this.#correlationId + 1
    this.#asked = { first, rates, done }
    this.#ask(first)
  }

  #ask(first: number): void {
    const host = this.#host
    const asked = this.#asked
    if (host === null || this.#target === null || asked?.first !== first) return
    const { entity } = this.#target
    const ops = Object.entries(asked.rates).map(([key, value]) => ({ key, value }))
    const correlationId = ++this.#correlationId
    const message = { kind: 'alterClientQuotas', correlationId, entries: [{ entity, ops }], validateOnly: false } as const
    host.send({ node: host.node, actor: 'admin' }, coordinatorOf(this.#coordinators), message)
    nextCoordinator(this.#coordinators)
    host.after(RETRY_MICROS, () => this.#ask(first))
  }

  #receive(message: Message): void {
    const asked = this.#asked
    if (asked === null || message.kind !== 'adminResponse' || message.correlationId < asked.first) return
    if (message.results.some(({ errorCode }) => errorCode !== NONE)) return
    this.#asked = null
    asked.done()
  }
}

function mapRates(target: QuotaTarget | null, map: (rate: number) => number | null): Rates {
  return Object.fromEntries(Object.entries(target?.rates ?? {}).map(([key, rate]) => [key, map(rate)]))
}

/** What a client gets that begins now is counted. */
export function accountOf(
  { world, faults }: Cluster,
  name: string,
  bytesPerSecondMax: number,
  requestPercentage: number | null,
): QuotaAccount {
  return {
    world,
    name,
    bytesPerSecondMax,
    beganMicros: world.nowMicros,
    underWayBytes: 0,
    usedBytes: 0,
    microsPerSecondMax: requestPercentage === null ? null : requestPercentage * MICROS_PER_PERCENT,
    usedMicros: 0,
    isTold: false,
    isOver: !faults.active,
  }
}

/** A client keeps to its quota, if one is planned: who it is, with a keeper on its host; and what it gets is counted. */
export function limited(
  cluster: Cluster,
  host: Host,
  key: Exclude<JoinQuota['key'], 'requestPercentage'>,
): { readonly quota?: QuotaIdentity } {
  const { plan, clientWatcher, voters } = cluster
  if (plan.quota === null) return {}
  host.spawn(KEEPER, keeper.url, { coordinatorNodes: voters })
  const partitions = [...cluster.topics.values()].reduce((sum, count) => sum + count, 0)
  clientWatcher.watchQuota(host, key === 'producerByteRate' ? 'producer' : 'consumer', {
    ...accountOf(cluster, `${key} on ${host.node}`, plan.quota[key], plan.quota.requestPercentage),
    // A producer sends one batch at a time; of a consumer every partition may have been asked for, and wait for records; and more of them may come.
    underWayBytes: key === 'producerByteRate' ? 0 : (partitions + 2) * BATCH_BYTES_MAX,
  })
  return { quota: { keeper: { node: host.node, actor: KEEPER }, user: null, clientId: CLIENT_ID } }
}
