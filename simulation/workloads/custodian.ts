/**
 * The client of a group that nobody is in: it commits for some topics, asks what is committed, and may delete offsets or the whole group. Each request is sent once; what becomes of one that is not answered, the checkers know (outside-groups.ts, mixed-groups.ts). In the end it commits the ends.
 */
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { groupsActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import type { PartitionTruth } from '../truth.ts'
import { placesOf } from './places.ts'
import type { KnownPlace } from './places.ts'

/** Between two requests on average, in microseconds. */
const REQUEST_MICROS = 700_000

/** Somebody who has not answered for so long, in microseconds, is looked for anew. */
const ANSWER_MICROS = 400_000

/** Of so many requests one is a deletion of offsets, and one of the group. */
const DELETION_SHARE = 12

/** Whose offsets these are, and what is done with them. */
export interface Custody {
  /** Names its generator. */
  readonly purpose: string
  readonly group: string
  /** The topics that it commits for. */
  readonly topics: readonly string[]
  /** It deletes offsets, and the group. */
  readonly hasDeletions: boolean
  /** It asks on when everything is committed. */
  readonly asksOn: boolean
  /** How far a partition is committed for certain; -1: nobody knows. */
  readonly committed: (life: PartitionTruth) => number
}

/** The client; it never dies. */
export class CustodianWorkload {
  readonly #cluster: Cluster
  readonly #custody: Custody
  readonly #random: Random
  readonly #coordinators: CoordinatorFinder
  #coordinator: Address | null = null
  #correlationId = 0
  #answeredId = 0

  constructor(cluster: Cluster, custody: Custody) {
    this.#cluster = cluster
    this.#custody = custody
    this.#random = new Random(cluster.world.seed, custody.purpose)
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Begins to commit. */
  start(): void {
    const host = this.#cluster.newClient(this.#custody.purpose)
    host.attach('custodian', { receive: (message) => this.#receive(message) })
    this.#loop(host)
  }

  /** Whether everything is committed up to the end, for certain. */
  get isAtEnd(): boolean {
    return this.#places().every(({ life }) => this.#custody.committed(life) === life.exposedEnd)
  }

  #loop(host: Host): void {
    host.after(this.#random.exponential(REQUEST_MICROS), () => {
      this.#act(host)
      this.#loop(host)
    })
  }

  #act(host: Host): void {
    const places = this.#places()
    if (this.#coordinator === null) return this.#find(host)
    if (places.length === 0) return
    const { active } = this.#cluster.faults
    const { group, hasDeletions, asksOn, committed } = this.#custody
    if (!active) {
      const behind = places.find(({ life }) => committed(life) !== life.exposedEnd)
      if (behind !== undefined) return this.#commit(host, behind, behind.life.exposedEnd)
      if (!asksOn) return
    }
    const place = this.#random.pick(places)
    const partitions = [{ topic: place.topic, partitions: [place.partition] }]
    const draw = active ? this.#random.below(DELETION_SHARE) : 2
    if (draw === 0 && hasDeletions) this.#ask(host, { kind: 'deleteGroup', correlationId: ++this.#correlationId, group })
    else if (draw === 1 && hasDeletions) this.#ask(host, { kind: 'offsetDelete', correlationId: ++this.#correlationId, group, partitions })
    else if (draw < DELETION_SHARE / 2) this.#ask(host, { kind: 'offsetFetch', correlationId: ++this.#correlationId, group, partitions })
    else this.#commit(host, place, this.#random.between(Math.max(0, committed(place.life)), place.life.exposedEnd))
  }

  #commit(host: Host, { topic, partition, life }: KnownPlace, offset: number): void {
    const offsets = [{ topic, partition, offset, metadata: '', topicId: life.topicId }]
    const correlationId = ++this.#correlationId
    this.#ask(host, { kind: 'offsetCommit', correlationId, group: this.#custody.group, memberId: '', memberEpoch: -1, offsets })
  }

  #places(): KnownPlace[] {
    return placesOf(this.#cluster, this.#custody.topics)
  }

  #find(host: Host): void {
    const message = { kind: 'findCoordinator', correlationId: ++this.#correlationId, keyType: 'group', key: this.#custody.group } as const
    host.send({ node: host.node, actor: 'custodian' }, coordinatorOf(this.#coordinators), message)
    nextCoordinator(this.#coordinators)
  }

  #ask(host: Host, message: Message): void {
    if (this.#coordinator === null) return
    const correlationId = this.#correlationId
    host.send({ node: host.node, actor: 'custodian' }, this.#coordinator, message)
    host.after(ANSWER_MICROS, () => {
      if (this.#answeredId < correlationId) this.#coordinator = null
    })
  }

  #receive(message: Message): void {
    if (!('correlationId' in message)) return
    if (message.kind === 'undeliverable') this.#coordinator = null
    else this.#answeredId = Math.max(this.#answeredId, message.correlationId)
    if (message.kind === 'metadataResponse') learnFrom(this.#coordinators, message)
    if (message.kind !== 'findCoordinatorResponse' || message.errorCode !== NONE) return
    this.#coordinator = { node: message.node, actor: groupsActor(message.partition) }
  }
}
