/**
 * What clients said to a coordinator is heard again by the next one on that node: it waited in a queue that outlived whoever it was meant for, or went a longer way. Leadership goes to another node and comes back for it, or the
 * node dies and leads again. Each must tell a word of before from one that is meant for it.
 */
import { groupsActor, sharesActor, transactorActor } from '../protocol/address.ts'
import { again } from './again.ts'
import type { Cluster } from './cluster.ts'
import { ledByCoordinators } from './led.ts'
import { addLookout } from './lookouts.ts'
import type { Frame } from './network.ts'
import { COORDINATOR_PARTITIONS } from './plan.ts'
import { Random } from './random.ts'
import type { Lookout, Seen } from './world.ts'
import type { Address } from '../protocol/address.ts'
import { JOIN_EPOCH } from '../protocol/messages/group.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two that are succeeded, on average; and so long is another one in charge, in microseconds. */
const PAUSE_MICROS = 2_000_000
const AWAY_MICROS = [100_000, 600_000, 2_000_000] as const

/** One client in so many is not reached meanwhile, and does not reach it, for so long at most, in microseconds: less than a session. */
const LOST_SHARE = 2
const LOST_MICROS = 2_800_000

/** Words that are kept of those said to one coordinator, of those that come and go, and of all others; and how many of them the next one hears, at most. */
const KEPT_MAX = 32
const HEARD_MAX = 8

/** They come within so long after it began, in microseconds. */
const WITHIN_MICROS = [20_000, 300_000, 1_500_000] as const

/** What clients say to coordinators. */
const SAID: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'consumerGroupHeartbeat',
  'joinGroup',
  'syncGroup',
  'heartbeat',
  'leaveGroup',
  'offsetCommit',
  'shareFetch',
])

/** Begins; it ends when the run heals. */
export function callBack(cluster: Cluster, admin: AdminWorkload): void {
  addLookout(cluster.world, new Revenants(cluster))
  again(cluster, PAUSE_MICROS, new Random(cluster.world.seed, 'hardships/revenants'), (random) => sway(cluster, admin, random))
}

/** A coordinator is succeeded, and is in charge again after a while. */
function sway(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const led = ledByCoordinators(cluster)
  if (led.length === 0) return
  const { name, partition, leader, replicas } = random.pick(led)
  const heirs = replicas.filter((node) => node !== leader)
  const away = random.below(random.pick(AWAY_MICROS))
  cluster.world.log?.(`hardship: ${name}-${partition} goes away from node ${leader}, and comes back after ${away} us`)
  if (heirs.length === 0 || random.below(4) === 0) return cluster.crash(leader, false)
  if (!admin.isIdle) return
  admin.place(name, partition, [...heirs, leader])
  cluster.world.after(away, () => {
    if (cluster.faults.active) admin.place(name, partition, [leader, ...heirs])
  })
}

interface Word {
  readonly frame: Frame
  readonly sentAt: number
}

/** Keeps what is said to coordinators, and sees when others begin in their place. */
class Revenants implements Lookout {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #names: ReadonlySet<string>
  /** By node, actor, and whether it is said when one comes or goes. */
  readonly #words: Map<string, Word[]> = new Map()
  readonly #reigns: Map<string, unknown> = new Map()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.world.seed, 'hardships/revenants/words')
    const partitions = Array.from({ length: COORDINATOR_PARTITIONS }, (_, partition) => partition)
    this.#names = new Set(partitions.flatMap((one) => [groupsActor(one), sharesActor(one), transactorActor(one)]))
  }

  sent({ node, actor }: Address, message: Message, { bytes, start, end }: Frame): void {
    if (node < 0 || !SAID.has(message.kind) || !this.#names.has(actor)) return
    const copy = bytes.slice(start, end)
    const frame = { bytes: copy, view: new DataView(copy.buffer), start: 0, end: copy.length }
    const name = `${node} ${actor} ${comesOrGoes(message)}`
    const words = this.#words.get(name) ?? []
    this.#words.set(name, words)
    if (words.push({ frame, sentAt: this.#cluster.world.nowMicros }) > KEPT_MAX) words.shift()
  }

  saw({ host, actor }: Seen): void {
    if (host.node < 0 || !this.#names.has(actor) || !this.#cluster.faults.active) return
    const name = `${host.node} ${actor}`
    const state = host.stateOf(actor)
    const before = this.#reigns.get(name)
    if (state === undefined || state === before) return
    this.#reigns.set(name, state)
    if (before === undefined) return
    for (const isOfComing of [true, false]) this.#speak(this.#words.get(`${name} ${isOfComing}`) ?? [])
    this.#lose(host.node)
  }

  /** Some do not hear of it at once. */
  #lose(node: number): void {
    const { clients } = this.#cluster
    for (const client of clients) {
      if (this.#random.below(LOST_SHARE) > 0) continue
      const micros = this.#random.below(LOST_MICROS)
      this.#cluster.cut(node, client.node, micros)
      this.#cluster.cut(client.node, node, micros)
    }
  }

  #speak(words: readonly Word[]): void {
    const { world, network, faults } = this.#cluster
    if (words.length === 0) return
    const within = this.#random.pick(WITHIN_MICROS)
    for (let left = this.#random.below(HEARD_MAX + 1); left > 0; left--) {
      const { frame, sentAt } = this.#random.pick(words)
      world.after(this.#random.below(within), () => {
        if (faults.active) network.hearAgain(frame, sentAt)
      })
    }
  }
}

/** Whether somebody says that it comes, or that it goes. */
function comesOrGoes(message: Message): boolean {
  if (message.kind === 'consumerGroupHeartbeat') return message.memberEpoch <= JOIN_EPOCH
  return message.kind === 'joinGroup' || message.kind === 'leaveGroup'
}
