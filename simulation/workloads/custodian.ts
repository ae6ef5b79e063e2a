/**
 * The client of a group that nobody is in: it commits for the topics whose records go once they are consumed, asks what is committed, and deletes offsets or the whole
 * group. Each request is sent once; what becomes of one that is not answered, the checker knows (checkers/outside-groups.ts). In the end it commits the ends.
 */
import { coordinatorOf, learnCoordinators, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { groupsActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { toldOffset } from '../checkers/outside-groups.ts'
import type { OutsideGroup } from '../checkers/outside-groups.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { livesOf } from '../truth.ts'
import type { PartitionTruth } from '../truth.ts'

/** Between two requests on average, in microseconds. */
const REQUEST_MICROS = 700_000

/** Somebody who has not answered for so long, in microseconds, is looked for anew. */
const ANSWER_MICROS = 400_000

/** Of so many requests one is a deletion of offsets, and one of the group. */
const DELETION_SHARE = 12

/** A partition that it commits. */
interface Place {
  readonly topic: string
  readonly partition: number
  readonly life: PartitionTruth
}

/** The client; it never dies. */
export class CustodianWorkload {
  readonly #cluster: Cluster
  readonly #group: OutsideGroup
  readonly #random: Random
  readonly #coordinators: CoordinatorFinder
  #coordinator: Address | null = null
  #correlationId = 0
  #answeredId = 0

  constructor(cluster: Cluster, group: OutsideGroup) {
    this.#cluster = cluster
    this.#group = group
    this.#random = new Random(cluster.world.seed, 'custodian')
    this.#coordinators = newCoordinatorFinder(cluster.voters)
  }

  /** Begins to commit. */
  start(): void {
    const host = this.#cluster.newClient()
    host.attach('custodian', { receive: (message) => this.#receive(message) })
    this.#loop(host)
  }

  /** Whether everything is committed up to the end, for certain. */
  get isAtEnd(): boolean {
    return this.#places().every(({ life }) => toldOffset(this.#group, life) === life.exposedEnd)
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
    if (!active) {
      const behind = places.find(({ life }) => toldOffset(this.#group, life) !== life.exposedEnd)
      if (behind !== undefined) this.#commit(host, behind, behind.life.exposedEnd)
      return
    }
    const group = this.#group.name
    const place = this.#random.pick(places)
    const partitions = [{ topic: place.topic, partitions: [place.partition] }]
    const draw = this.#random.below(DELETION_SHARE)
    if (draw === 0) this.#ask(host, { kind: 'deleteGroup', correlationId: ++this.#correlationId, group })
    else if (draw === 1) this.#ask(host, { kind: 'offsetDelete', correlationId: ++this.#correlationId, group, partitions })
    else if (draw < DELETION_SHARE / 2) this.#ask(host, { kind: 'offsetFetch', correlationId: ++this.#correlationId, group, partitions })
    else this.#commit(host, place, this.#random.between(Math.max(0, toldOffset(this.#group, place.life)), place.life.exposedEnd))
  }

  #commit(host: Host, { topic, partition, life }: Place, offset: number): void {
    const offsets = [{ topic, partition, offset, metadata: '', topicId: life.topicId }]
    const correlationId = ++this.#correlationId
    this.#ask(host, { kind: 'offsetCommit', correlationId, group: this.#group.name, memberId: '', memberEpoch: -1, offsets })
  }

  /** The partitions of topics that name the group, in their present life. */
  #places(): Place[] {
    const { plan, topics, truth } = this.#cluster
    const named = plan.topics.filter(({ configs }) => namesGroup(configs['deleteOnceConsumedBy'], this.#group.name))
    return named.flatMap(({ name: topic }) =>
      Array.from({ length: topics.get(topic) ?? 0 }, (_, partition) => partition).flatMap((partition) => {
        const life = livesOf(truth, topicPartitionName(topic, partition)).at(-1)
        return life === undefined || life.isOver ? [] : [{ topic, partition, life }]
      }),
    )
  }

  #find(host: Host): void {
    const message = { kind: 'findCoordinator', correlationId: ++this.#correlationId, keyType: 'group', key: this.#group.name } as const
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
    if (message.kind === 'metadataResponse') learnCoordinators(this.#coordinators, message.voters)
    if (message.kind !== 'findCoordinatorResponse' || message.errorCode !== NONE) return
    this.#coordinator = { node: message.node, actor: groupsActor(message.partition) }
  }
}

function namesGroup(groups: unknown, name: string): boolean {
  return Array.isArray(groups) && groups.includes(name)
}
