/**
 * The watcher of all nodes: hands each actor's step to the checker that knows that kind of actor.
 */
import type { BrokerState } from '../../actors/broker-state.ts'
import type { Effect } from '../../actors/effect.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import type { SharesState } from '../../actors/shares-state.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import type { ReplicaConfig, ReplicaState } from '../../partitions/replica-state.ts'
import { OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC } from '../../coordinator/metadata.ts'
import { BROKER_ACTOR, COORDINATOR_ACTOR } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Disk } from '../disk.ts'
import type { Host, Watcher } from '../host.ts'
import type { Truth } from '../truth.ts'
import { checkClassic } from './classic-groups.ts'
import { checkGroupEpochs, checkIsrEpochs, checkProducerIds, checkReplicaEpochs, newHeardEpochs } from './epochs.ts'
import type { HeardEpochs } from './epochs.ts'
import { checkFarewells } from './farewells.ts'
import { checkGroup } from './groups.ts'
import type { GroupTruth } from './groups.ts'
import { checkLease, checkReign } from './lease.ts'
import { checkMetadata } from './metadata.ts'
import { checkCountedOn, checkExposed, checkSynced } from './counted-on.ts'
import type { CountedOn } from './counted-on.ts'
import { checkLossesTold, noLosses } from './losses-told.ts'
import type { KnownLosses } from './losses-told.ts'
import { checkMixed } from './mixed-groups.ts'
import type { MixedGroup } from './mixed-groups.ts'
import { checkCopies } from './copies.ts'
import { checkOutside } from './outside-groups.ts'
import type { OutsideGroup } from './outside-groups.ts'
import { checkCoordinator, checkHeard, watchCoordinator } from './quorum.ts'
import type { ClusterQuorum, WatchedCoordinator } from './quorum.ts'
import { checkPace, checkShare, newCopyPace } from './pace.ts'
import type { CopyPace, ToldPaces } from './pace.ts'
import { checkRemovals } from './removals.ts'
import { checkReplica, watchReplica } from './replicas.ts'
import { checkResignation, forgetWaiting } from './resignation.ts'
import type { NewestAsked, Waiting } from './resignation.ts'
import { checkRewrites } from './rewrites.ts'
import { checkShares } from './share.ts'
import type { ShareTruth } from './share.ts'
import { checkCoordinatorTold, checkTransactionsTold } from './told.ts'
import { checkTransactor } from './transactions.ts'
import type { WatchedReplica } from './replicas.ts'

/** Groups with members, groups that nobody is in, those for which transactions commit beside others, and share groups. */
export interface WatchedGroups {
  readonly inside: GroupTruth[]
  readonly outside: OutsideGroup[]
  readonly mixed: MixedGroup[]
  readonly shared: ShareTruth[]
  /** By the name of their coordinator, wherever it lives. */
  readonly newestAsked: Map<string, NewestAsked>
}

/** Watches the actors of one node. */
export class NodeWatcher implements Watcher {
  readonly #truth: Truth
  readonly #disk: Disk
  readonly #groups: WatchedGroups
  readonly #quorum: ClusterQuorum
  /** Records are written by our workloads: each can be told from all others. */
  readonly #knowsRecords: boolean
  readonly #counted: CountedOn | null
  readonly #replicas: Map<string, WatchedReplica> = new Map()
  readonly #paces: Map<string, CopyPace> = new Map()
  /** By actor. */
  readonly #heard: Map<string, HeardEpochs> = new Map()
  /** By coordinator of groups. */
  readonly #waiting: Map<string, Waiting> = new Map()
  #told: ToldPaces = new Map()
  #coordinator: WatchedCoordinator = watchCoordinator()
  #losses: KnownLosses = noLosses()

  constructor(
    truth: Truth,
    disk: Disk,
    groups: WatchedGroups,
    quorum: ClusterQuorum,
    knowsRecords: boolean,
    counted: CountedOn | null = null,
  ) {
    this.#truth = truth
    this.#disk = disk
    this.#groups = groups
    this.#quorum = quorum
    this.#knowsRecords = knowsRecords
    this.#counted = counted
  }

  spawned(_host: Host, name: string, config: unknown): void {
    this.#heard.set(name, newHeardEpochs())
    if (name === COORDINATOR_ACTOR) {
      this.#coordinator = watchCoordinator()
      this.#losses = noLosses()
    }
    if (name === BROKER_ACTOR) this.#told = new Map()
    if (name.startsWith('groups/')) this.#waiting.set(name, forgetWaiting(this.#waiting.get(name) ?? this.#newWaiting(name)))
    if (!name.startsWith('replica/')) return
    this.#replicas.set(name, watchReplica(this.#truth, config as ReplicaConfig))
    this.#paces.set(name, newCopyPace())
  }

  received(host: Host, name: string, state: unknown, message: Message, from: Address, effects: readonly Effect[]): void {
    checkRewrites(this.#truth.world, this.#disk, state, effects)
    const heard = this.#heard.get(name)
    if (name === COORDINATOR_ACTOR) {
      checkMetadata(this.#truth, state as CoordinatorState, message)
      if (this.#counted !== null) checkCountedOn(this.#counted, state as CoordinatorState, message)
      checkCoordinatorTold(this.#truth, state as CoordinatorState, message, effects)
      checkLossesTold(this.#truth.world, this.#quorum.lossesTold, this.#losses, state as CoordinatorState, effects)
      if (heard !== undefined) checkIsrEpochs(this.#truth.world, heard, state as CoordinatorState, message, effects)
      checkHeard(this.#truth.world, this.#coordinator, state as CoordinatorState, message, from)
      return checkCoordinator(this.#quorum, this.#coordinator, state as CoordinatorState, effects)
    }
    if (name === BROKER_ACTOR) return checkShare(this.#truth.world, this.#told, state as BrokerState, effects)
    const pace = this.#paces.get(name)
    if (pace !== undefined) checkPace(this.#truth.world, pace, `${name}@${host.node}`, state as ReplicaState, effects)
    if (heard !== undefined && pace !== undefined) checkReplicaEpochs(this.#truth.world, heard, state as ReplicaState, message, effects)
    if (pace !== undefined) checkRemovals(this.#truth.world, this.#disk, effects)
    if (!this.#knowsRecords) return
    const replica = this.#replicas.get(name)
    if (replica !== undefined) {
      checkCopies(this.#truth, replica, { state: state as ReplicaState, message, from, effects })
      checkReplica(this.#truth, replica, state as ReplicaState, this.#disk, { message, effects })
      if (this.#counted === null) return
      checkSynced(this.#counted, state as ReplicaState, effects)
      return checkExposed(this.#counted, state as ReplicaState)
    }
    if (name.startsWith('transactor/')) {
      checkReign(this.#truth, TRANSACTIONS_TOPIC, (state as TransactorState).config, host.node)
      checkTransactionsTold(this.#truth, state as TransactorState, effects)
      checkProducerIds(this.#truth, state as TransactorState, message)
      return checkTransactor(this.#truth, effects)
    }
    if (name.startsWith('shares/')) {
      checkReign(this.#truth, SHARE_TOPIC, (state as SharesState).config, host.node)
      checkLease(this.#truth, SHARE_TOPIC, (state as SharesState).config, effects)
      for (const group of this.#groups.shared) checkShares(group, state as SharesState, message, from, effects)
    }
    if (!name.startsWith('groups/')) return
    checkGroupEpochs(this.#truth.world, state as GroupsState, message, effects)
    checkReign(this.#truth, OFFSETS_TOPIC, (state as GroupsState).config, host.node)
    checkLease(this.#truth, OFFSETS_TOPIC, (state as GroupsState).config, effects)
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) checkResignation(this.#truth.world, waiting, message, from, effects)
    for (const group of this.#groups.inside) {
      checkGroup(group, state as GroupsState, message, from, effects)
      checkClassic(group, state as GroupsState, message)
      checkFarewells(group, state as GroupsState, message, from, effects)
    }
    for (const group of this.#groups.outside) checkOutside(group, state as GroupsState, message, from, effects)
    for (const group of this.#groups.mixed) checkMixed(group, state as GroupsState, message, effects)
  }

  #newWaiting(name: string): Waiting {
    const { newestAsked } = this.#groups
    const newest = newestAsked.get(name) ?? new Map<string, number>()
    newestAsked.set(name, newest)
    return { asked: new Map(), newest }
  }
}
