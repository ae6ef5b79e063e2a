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
import type { ClientQuotaKey, JoinQuota } from '../../protocol/messages/quota.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
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

const KEEPER = 'quotas'
/** All clients that keep to a quota. */
export const CLIENT_ID = 'limited'

/** The client that sets quotas; it never dies. Does nothing where none are planned. */
export class QuotaWorkload {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #coordinators: CoordinatorFinder
  #host: Host | null = null
  #correlationId = 0
  /** Null while nothing is asked. */
  #asked: { readonly first: number; readonly rates: Rates; readonly done: () => void } | null = null
  #isRemoved = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.world.seed, 'quotas')
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Sets the planned quotas, then calls back. */
  start(done: () => void): void {
    const { quota } = this.#cluster.plan
    if (quota === null) return done()
    const host = this.#cluster.newClient('quotas')
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
    const { requestPercentage = null } = this.#cluster.plan.quota ?? {}
    const removed = { producerByteRate: null, consumerByteRate: null, ...(requestPercentage === null ? {} : { requestPercentage: null }) }
    this.#set(removed, () => (this.#isRemoved = true))
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
    const { producerByteRate = 0, consumerByteRate = 0, requestPercentage = null } = this.#cluster.plan.quota ?? {}
    const share = this.#random.pick([1, 1, 2, 4])
    const rates = { producerByteRate: producerByteRate / share, consumerByteRate: consumerByteRate / share }
    return requestPercentage === null ? rates : { ...rates, requestPercentage: requestPercentage / share }
  }

  #set(rates: Rates, done: () => void): void {
    const first = this.#correlationId + 1
    this.#asked = { first, rates, done }
    this.#ask(first)
  }

  #ask(first: number): void {
    const host = this.#host
    const asked = this.#asked
    if (host === null || asked?.first !== first) return
    const ops = Object.entries(asked.rates).map(([key, value]) => ({ key, value }))
    const entity = { clientId: this.#cluster.plan.quota?.isDefault === true ? null : CLIENT_ID }
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

/** A client keeps to its quota, if one is planned: who it is, with a keeper on its host; and what it gets is counted. */
export function limited(
  cluster: Cluster,
  host: Host,
  key: Exclude<JoinQuota['key'], 'requestPercentage'>,
): { readonly quota?: QuotaIdentity } {
  const { plan, world, clientWatcher, voters } = cluster
  if (plan.quota === null) return {}
  host.spawn(KEEPER, keeper.url, { coordinatorNodes: voters })
  const partitions = [...cluster.topics.values()].reduce((sum, count) => sum + count, 0)
  clientWatcher.watchQuota(host, key === 'producerByteRate' ? 'producer' : 'consumer', {
    world,
    name: `${key} on ${host.node}`,
    bytesPerSecondMax: plan.quota[key],
    beganMicros: world.nowMicros,
    // A producer sends one batch at a time; of a consumer every partition may have been asked for, and wait for records; and more of them may come.
    underWayBytes: key === 'producerByteRate' ? 0 : (partitions + 2) * BATCH_BYTES_MAX,
    usedBytes: 0,
    microsPerSecondMax: plan.quota.requestPercentage === null ? null : plan.quota.requestPercentage * MICROS_PER_PERCENT,
    usedMicros: 0,
    isTold: false,
    isOver: !cluster.faults.active,
  })
  return { quota: { keeper: { node: host.node, actor: KEEPER }, user: null, clientId: CLIENT_ID } }
}
