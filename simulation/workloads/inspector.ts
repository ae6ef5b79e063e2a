/**
 * The client that plays an administrator who wants to know: it asks for topics, offsets, groups, transactions, nodes and quotas, of whoever it believes to know, limits what nobody needs, and has
 * itself told what happens. Each request is sent once, and what is answered is compared where it is said (checkers/told.ts, groups.ts). When everything has settled it asks it all again, each question until
 * the answer is what it must be.
 */
import type { WatcherState } from '../../actors/metadata-watcher.ts'
import { actor as watcher } from '../../actors/metadata-watcher.ts'
import { actor as keeper } from '../../actors/quotas.ts'
import { coordinatorOf, followController, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { COORDINATOR_ACTOR } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import { checkNews, newNews } from '../checkers/news.ts'
import type { News } from '../checkers/news.ts'
import { checkCounted } from '../checkers/quotas.ts'
import type { Cluster } from '../cluster.ts'
import type { GuestPlan } from '../guest-plan.ts'
import type { Host } from '../host.ts'
import { Random } from '../random.ts'
import { CLIENT_ID } from './quotas.ts'
import {
  BROWSER_GROUP,
  browse,
  browsersGo,
  coordinator,
  everything,
  farewell,
  fewerPartitions,
  groupLists,
  groups,
  lags,
  node,
  noQuotas,
  offsets,
  otherQuota,
  producers,
  quotas,
  quotasAreSeen,
  shareGroups,
  throttle,
  transactions,
} from './questions.ts'
import type { Knowledge, Question } from './questions.ts'

/** In the end a question is asked again after so long, in microseconds. */
const RETRY_MICROS = 300_000

/** A keeper has counted by then what it was told, in microseconds. */
const COUNTED_MICROS = 1000

/** What wanderers may read per second, and what reassignments may copy, in bytes. */
const RATES = [1500, 4000, 20_000] as const

/** Whose coordinators it asks for. */
const KEPT = ['group', 'share', 'transaction'] as const

/** The inspecting client; it never dies. */
export class InspectorWorkload {
  readonly #cluster: Cluster
  readonly #plan: GuestPlan
  readonly #random: Random
  readonly #coordinators: CoordinatorFinder
  readonly #knowledge: Knowledge
  readonly #topics: Map<string, TopicMetadata> = new Map()
  readonly #news: News
  #host: Host | null = null
  #correlationId = 0
  #metadataOffset = -1
  #sessionEpoch = 0
  /** Who has left a share group comes again as somebody else. */
  #visit = 0
  /** Pieces that its keeper of quotas was told of, and when, and those that it has counted in. */
  #isLimited = false
  #said = 0
  #saidAtMicros = 0
  #counted = 0
  #stage: 'asking' | 'tidying' | 'examining' | 'done' = 'asking'
  /** What is left to be asked in the end, the first one now. */
  #exam: (Question | null)[] = []
  #hasRest = false
  /** Of the question of the exam that is under way; -1: none is. */
  #askedId = -1
  #complaint = 'nothing was asked'

  constructor(cluster: Cluster, plan: GuestPlan, wanted: Knowledge['wanted'], endOf: Knowledge['endOf']) {
    this.#cluster = cluster
    this.#plan = plan
    this.#random = new Random(cluster.world.seed, 'guests/inspector')
    this.#coordinators = newCoordinatorFinder(cluster.voters)
    this.#knowledge = { cluster, topics: this.#topics, wanted, endOf }
    this.#news = newNews(cluster.world)
  }

  /** Begins to ask. */
  start(): void {
    const host = this.#cluster.newClient('inspector')
    this.#host = host
    host.attach('inspector', { receive: (message, from) => this.#receive(message, from) })
    host.attach('news', { receive: (message) => this.#hear(host, message) })
    host.spawn('watcher', watcher.url, { coordinatorNodes: this.#cluster.voters, client: { node: host.node, actor: 'news' } })
    host.attach('gate', {
      receive: (message) => {
        if (message.kind === 'throttled') [this.#isLimited, this.#counted] = [message.isLimited, message.charges]
      },
    })
    host.spawn('quotas', keeper.url, { coordinatorNodes: this.#cluster.voters })
    this.#loop(host)
    if (this.#plan.lagMillis !== null) this.#lagLoop(host, this.#plan.lagMillis, new Random(this.#cluster.world.seed, 'guests/lags/asked'))
  }

  /** Nothing is limited any more; what is late may limit it again, so it says so again and again. */
  tidy(): void {
    this.#stage = 'tidying'
    this.#begin()
  }

  /** Everything is asked. */
  examine(): void {
    this.#stage = 'examining'
    this.#begin()
  }

  /** Everything was answered as it must be. */
  get isContent(): boolean {
    return this.#stage === 'done'
  }

  /** What was wrong last. */
  get complaint(): string {
    return this.#complaint
  }

  #loop(host: Host): void {
    host.after(this.#random.exponential(this.#plan.askMillis * 1000), () => {
      if (!this.#cluster.faults.active) return
      const question = this.#drawn(host)
      if (question !== null) this.#ask(question, { node: this.#random.pick(this.#cluster.voters), actor: COORDINATOR_ACTOR })
      this.#loop(host)
    })
  }

  #lagLoop(host: Host, lagMillis: number, random: Random): void {
    host.after(random.exponential(lagMillis * 1000), () => {
      if (!this.#cluster.faults.active) return
      const { name, partitions } = random.pick(this.#cluster.plan.topics)
      const partition = random.below(this.#cluster.topics.get(name) ?? partitions)
      const question = (random.below(2) === 0 ? lags : producers)(this.#knowledge, name, partition)
      if (question !== null) this.#ask(question, coordinatorOf(this.#coordinators))
      this.#lagLoop(host, lagMillis, random)
    })
  }

  #drawn(host: Host): Question | null {
    const known = this.#knowledge
    const random = this.#random
    const index = random.below(this.#cluster.nodes.length)
    const { name, partitions } = random.pick(this.#cluster.plan.topics)
    const one = (some: readonly (Question | null)[]): Question | null => (some.length === 0 ? null : random.pick(some))
    switch (random.below(17)) {
      case 0:
        return offsets(known, name, random.below(this.#cluster.topics.get(name) ?? partitions), random.below(4) > 0)
      case 1:
        return one(groupLists(known))
      case 2:
        return one(groups(known))
      case 3:
        return one(shareGroups(known))
      case 4:
        return one(browsersGo(known))
      case 5:
        return this.#browse(known, random.below(2) === 0)
      case 6:
        return one(transactions(known))
      case 7:
        return node(known, index)
      case 8:
        return farewell(known, index)
      case 9:
        return otherQuota(random.below(2) === 0, random.below(4) === 0 ? null : random.pick(RATES))
      case 10:
        return quotas('')
      case 11:
        return throttle(random.below(4) === 0 ? null : random.pick(RATES))
      case 12:
        return fewerPartitions(name)
      case 13:
        return coordinator(random.pick(KEPT))
      case 14:
        this.#pass(host)
        return null
      default:
        return everything(known)
    }
  }

  /** A client without an actor of its own keeps to its quota: it comes, says what it has had while it is limited, and goes. */
  #pass(host: Host): void {
    const tell = (message: Message): void => host.send({ node: host.node, actor: 'gate' }, { node: host.node, actor: 'quotas' }, message)
    const { nowMicros } = this.#cluster.world
    const draw = this.#random.below(4)
    if (nowMicros - this.#saidAtMicros > COUNTED_MICROS) checkCounted(this.#cluster.world, 'the inspector', this.#said, this.#counted)
    this.#saidAtMicros = nowMicros
    if (draw === 0) tell({ kind: 'leaveQuota' })
    else if (draw === 1) tell({ kind: 'joinQuota', key: 'consumerByteRate', user: null, clientId: CLIENT_ID, group: BROWSER_GROUP })
    else if (this.#isLimited) tell({ kind: 'chargeQuota', sizeBytes: 100, micros: 0 })
    if (draw <= 1) [this.#isLimited, this.#said, this.#counted] = [false, 0, 0]
    else if (this.#isLimited) this.#said++
  }

  #ask({ to, asked }: Question, chosen: Address): void {
    const host = this.#host
    if (host === null) return
    const message = { ...asked, correlationId: ++this.#correlationId } as Message
    host.send({ node: host.node, actor: 'inspector' }, to ?? chosen, message)
  }

  // ── in the end ──

  #begin(): void {
    const tidying = [noQuotas(), throttle(null)]
    this.#hasRest = this.#stage === 'examining'
    this.#exam = this.#hasRest ? [...tidying, ...quotasAreSeen(), ...KEPT.map(coordinator), everything(this.#knowledge)] : tidying
    this.#proceed()
  }

  #browse(known: Knowledge, leaves: boolean): Question | null {
    const visit = this.#visit
    if (leaves) this.#visit++
    return browse(known, visit, ++this.#sessionEpoch, leaves)
  }

  /** What is asked last, of those that an answer has named. */
  #rest(): (Question | null)[] {
    const known = this.#knowledge
    const logs = [...known.wanted()].flatMap(([topic, count]) =>
      Array.from({ length: 2 * count }, (_, i) => offsets(known, topic, i >> 1, i % 2 === 0)),
    )
    const kept = [
      ...groupLists(known),
      ...groups(known),
      ...Array.from({ length: this.#visit + 1 }, (_, visit) => browse(known, visit, ++this.#sessionEpoch, true)),
      ...browsersGo(known),
      ...shareGroups(known),
      ...transactions(known),
    ]
    const nodes = this.#cluster.nodes.flatMap((_, index) => [node(known, index), farewell(known, index)])
    const behind =
      this.#plan.lagMillis === null
        ? []
        : [...known.wanted()].flatMap(([topic, count]) =>
            Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? lags : producers)(known, topic, i >> 1)),
          )
    return [...logs, ...kept, ...nodes, fewerPartitions('orders'), ...behind]
  }

  #proceed(): void {
    if (this.#exam.length === 0 && this.#hasRest) {
      this.#hasRest = false
      this.#exam = this.#rest()
    }
    const question = this.#exam[0]
    if (question === null) return this.#beginAgain('somebody is not there')
    if (question === undefined) {
      if (this.#stage === 'examining') this.#stage = 'done'
      else this.#beginAgain('')
      return
    }
    this.#ask(question, coordinatorOf(this.#coordinators))
    this.#askedId = this.#correlationId
    this.#later(() => {
      nextCoordinator(this.#coordinators)
      this.#beginAgain(`${question.asked.kind} is not answered`)
    })
  }

  /** Something is not yet, or not any more, as it must be. */
  #beginAgain(complaint: string): void {
    this.#complaint = complaint
    if (this.#stage === 'examining') this.#cluster.world.log?.(`inspector: ${complaint}`)
    this.#askedId = ++this.#correlationId
    this.#later(() => this.#begin())
  }

  /** Unless something else is asked by then. */
  #later(run: () => void): void {
    const askedId = this.#askedId
    this.#host?.after(RETRY_MICROS, () => {
      if (this.#askedId === askedId && this.#stage !== 'done') run()
    })
  }

  #receive(message: Message, from: Address): void {
    if (message.kind === 'metadataResponse') {
      learnFrom(this.#coordinators, message)
      if (message.metadataOffset < this.#metadataOffset) return
      this.#metadataOffset = message.metadataOffset
      this.#topics.clear()
      for (const topic of message.topics) this.#topics.set(topic.topic, topic)
    }
    const question = this.#exam[0]
    if (!('correlationId' in message) || message.correlationId !== this.#askedId || question === null || question === undefined) return
    const complaint = question.judge(message)
    if (message.kind === 'notController') followController(this.#coordinators, from.node, message.controller)
    else if (complaint !== null) nextCoordinator(this.#coordinators)
    if (complaint !== null) return this.#beginAgain(complaint)
    this.#exam.shift()
    this.#proceed()
  }

  #hear(host: Host, message: Message): void {
    if (message.kind !== 'clusterEvents') return
    checkNews(this.#news, (host.stateOf('watcher') as WatcherState).image, message.events)
  }
}
