/**
 * Questions of the public client to actors, as promises: each has a time-out, and is repeated while the answer says that it may work later. What they take of the
 * nodes' threads is paid for by whoever asks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  avoidCoordinator,
  coordinatorOf,
  followController,
  learnFrom,
  newCoordinatorFinder,
  nextCoordinator,
  replaceCoordinators,
} from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { groupsActor, replicaActor, sharesActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { MessageOf, Response } from '../../protocol/messages/message.ts'
import type { GroupListing } from '../../protocol/messages/group.ts'
import type { MetadataResponse, TopicMetadata } from '../../protocol/messages/metadata.ts'
import { QuotaGate } from './quota-gate.ts'
import type { GateEngine, GateIdentity } from './quota-gate.ts'
import { RequestPort } from './request-port.ts'
import type { Asked } from './request-port.ts'

/** A request to the coordinator of a group, without the group, which `askGroup` is told. */
export type GroupAsked = Asked extends infer One ? (One extends { readonly group: string } ? Omit<One, 'group'> : never) : never

/** Longest wait for an answer, repetitions included. */
const TIMEOUT_MILLIS = 30_000

/**
 * What no producer or consumer asks itself: the administration, and whoever looks topics up. It has no client id, and waits for the time that its questions took no longer
 * than Kafka's clients do at a time (a window of its quotas), so that whoever has limited himself too much can still change that.
 */
const ANYBODY: GateIdentity = { name: 'requests', clientId: null, group: null, key: 'requestPercentage', patienceMillis: 1000 }

/** Longest wait of who can do without: the rest of what he asked for shall not wait for a leader that is silent. */
const BRIEF_MILLIS = 2000

const RETRY_MILLIS_MIN = 2
const RETRY_MILLIS_MAX = 200

/** The questions of the clients of a host. */
export function openRequests(engine: GateEngine, coordinatorNodes: readonly number[], timeoutMillis: number = TIMEOUT_MILLIS): Requests {
  const port = new RequestPort(engine.host, engine.loop)
  return new Requests(port, newCoordinatorFinder(coordinatorNodes), new QuotaGate(engine, ANYBODY), timeoutMillis)
}

/** Questions of one cluster's clients, whose time is paid for at the gate. */
export class Requests {
  readonly #port: RequestPort
  readonly #coordinators: CoordinatorFinder
  readonly #gate: QuotaGate
  readonly #timeoutMillis: number

  constructor(port: RequestPort, coordinators: CoordinatorFinder, gate: QuotaGate, timeoutMillis: number) {
    this.#port = port
    this.#coordinators = coordinators
    this.#gate = gate
    this.#timeoutMillis = timeoutMillis
  }

  /** The keeper of quotas is there now: what is asked before is free. */
  join(): void {
    this.#gate.join()
  }

  /** The same, paid for at another gate. */
  paidBy(gate: QuotaGate): Requests {
    return new Requests(this.#port, this.#coordinators, gate, this.#timeoutMillis)
  }

  /** These vote by now. */
  noteVoters(voters: readonly number[]): void {
    replaceCoordinators(this.#coordinators, voters)
  }

  /** The node whose coordinator answered last. */
  get coordinatorNode(): number {
    return coordinatorOf(this.#coordinators).node
  }

  /** The answer, with an error code or not. Throws REQUEST_TIMED_OUT (UNSTABLE_OFFSET_COMMIT while a transaction is open that will set offsets), and CLIENT_CLOSED. */
  ask<Kind extends Response['kind']>(to: Address, asked: Asked, kind: Kind): Promise<MessageOf<Kind>> {
    return this.#repeat(() => this.#attempt(to, asked), asked, kind)
  }

  /**
   * The answer of the active coordinator, wherever it is. `onLost` is called for every attempt whose fate is unknown: it may have been carried out.
   * Throws like `ask`.
   */
  askCoordinator<Kind extends Response['kind']>(asked: Asked, kind: Kind, onLost?: () => void): Promise<MessageOf<Kind>> {
    return this.#repeat(this.#coordinatorAttempts(asked, onLost), asked, kind)
  }

  /**
   * Topics by name (null: all), and all nodes: as the active coordinator describes them. If there is none, since most voters are dead or hang, as one of the others last knew them, which
   * may be out of date; who must not be misled asks by `askCoordinator`. Throws like `ask`.
   */
  metadata(topics: readonly string[] | null): Promise<MetadataResponse> {
    const asked = { kind: 'metadata', topics } as const
    const ask = this.#coordinatorAttempts(asked)
    let attempts = 0
    const attempt = (): Promise<Response | null> => {
      attempts++
      return ask()
    }
    return this.#repeat(attempt, asked, 'metadataResponse', { isFinal: () => attempts >= this.#coordinators.nodes.length })
  }

  /** Attempts at the coordinator that is known of, and then at those that may lead instead. */
  #coordinatorAttempts(asked: Asked, onLost?: () => void): () => Promise<Response | null> {
    const coordinators = this.#coordinators
    return async () => {
      const to = coordinatorOf(coordinators)
      const response = await this.#attempt(to, asked)
      if (response === null && to.node === coordinators.current) nextCoordinator(coordinators)
      if (response?.kind === 'undeliverable') avoidCoordinator(coordinators, to.node)
      if (response?.kind === 'metadataResponse') learnFrom(coordinators, response)
      if (response?.kind === 'notController') followController(coordinators, to.node, response.controller)
      if (response === null || (response.kind === 'notController' && response.isUncertain)) onLost?.()
      return response
    }
  }

  /**
   * The answer of a partition's leader, or of another actor that lives there, whoever leads by then. `topic` is what is known of it. Throws like `ask`.
   */
  askLeader<Kind extends Response['kind']>(
    topic: TopicMetadata,
    partition: number,
    asked: Asked,
    kind: Kind,
    actor: string = replicaActor(topic.topic, partition),
  ): Promise<MessageOf<Kind>> {
    return this.#repeat(this.#leaderAttempts(topic, partition, asked, actor), asked, kind)
  }

  /**
   * The same, as far as it comes soon: null if the partition has no leader, or the leader does not answer; and what it says last, if that is that it may work
   * later. Throws CLIENT_CLOSED, and UNKNOWN_TOPIC_OR_PARTITION.
   */
  async askLeaderBriefly<Kind extends Response['kind']>(
    topic: TopicMetadata,
    partition: number,
    asked: Asked,
    kind: Kind,
  ): Promise<MessageOf<Kind> | null> {
    if ((topic.partitions[partition]?.leader ?? -1) < 0) return null
    const ask = this.#leaderAttempts(topic, partition, asked, replicaActor(topic.topic, partition))
    let last: MessageOf<Kind> | null = null
    const attempt = async (): Promise<Response | null> => {
      const response = await ask()
      if (response?.kind === kind) last = response as MessageOf<Kind>
      return response
    }
    try {
      return await inTime(this.#repeat(attempt, asked, kind, { timeoutMillis: BRIEF_MILLIS }), asked, BRIEF_MILLIS)
    } catch (error) {
      if (error instanceof KafkaError && error.name === 'REQUEST_TIMED_OUT') return last
      throw error
    }
  }

  /** Attempts at the leader that is known of, and then at whoever leads by then. */
  #leaderAttempts(topic: TopicMetadata, partition: number, asked: Asked, actor: string): () => Promise<Response | null> {
    let known = topic
    let isFirst = true
    return async () => {
      if (!isFirst) known = await this.topic(topic.topic)
      isFirst = false
      return this.#attempt({ ...this.leaderOf(known, partition), actor }, asked)
    }
  }

  /** `isFinal`: whether it is time to be content with an answer that may be another one later. */
  async #repeat<Kind extends Response['kind']>(
    attempt: () => Promise<Response | null>,
    asked: Asked,
    kind: Kind,
    {
      timeoutMillis = this.#timeoutMillis,
      isFinal = () => false,
    }: { readonly timeoutMillis?: number; readonly isFinal?: () => boolean } = {},
  ): Promise<MessageOf<Kind>> {
    const deadline = performance.now() + timeoutMillis
    for (let pause = RETRY_MILLIS_MIN; ; pause = Math.min(pause * 2, RETRY_MILLIS_MAX)) {
      if (this.#port.isClosed) throw new KafkaError('CLIENT_CLOSED', 'the cluster is closed')
      const response = await attempt()
      if (response !== null && response.kind === kind && (!isPassing(response) || isFinal())) return response as MessageOf<Kind>
      if (performance.now() + pause > deadline) throw lateness(response, asked, timeoutMillis)
      await sleep(pause)
    }
  }

  /** The topic as `metadata` describes it now. Throws UNKNOWN_TOPIC_OR_PARTITION. */
  async topic(name: string): Promise<TopicMetadata> {
    const { topics } = await this.metadata([name])
    const topic = topics[0]
    if (topic === undefined || topic.errorCode !== NONE)
      throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    return topic
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION if there is no such partition. */
  async checkThere({ topic, partition }: TopicPartition): Promise<void> {
    this.leaderOf(await this.topic(topic), partition)
  }

  /** The address of a partition's leader. Throws likewise. */
  leaderOf(topic: TopicMetadata, partition: number): Address {
    const leader = topic.partitions[partition]
    if (leader === undefined)
      throw new KafkaError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `${topic.topic} has partitions 0 to ${topic.partitions.length - 1}, not ${partition}`,
      )
    return { node: Math.max(0, leader.leader), actor: replicaActor(topic.topic, partition) }
  }

  /**
   * Asks the coordinator of a group, which is looked for each time anew, for it moves with the leader of its partition. `onLost` is called for every attempt
   * whose fate is unknown. Throws like `ask`.
   */
  askGroup<Kind extends Response['kind']>(group: string, asked: GroupAsked, kind: Kind, onLost?: () => void): Promise<MessageOf<Kind>> {
    return this.#askCoordinatorOf('group', group, { ...asked, group }, kind, onLost)
  }

  /** The same for a share group. `onAttempt` is called before each. */
  askShareGroup<Kind extends Response['kind']>(
    group: string,
    asked: GroupAsked,
    kind: Kind,
    onLost?: () => void,
    onAttempt?: () => void,
  ): Promise<MessageOf<Kind>> {
    return this.#askCoordinatorOf('share', group, { ...asked, group }, kind, onLost, onAttempt)
  }

  #askCoordinatorOf<Kind extends Response['kind']>(
    keyType: 'group' | 'share',
    key: string,
    asked: Asked,
    kind: Kind,
    onLost?: () => void,
    onAttempt?: () => void,
  ): Promise<MessageOf<Kind>> {
    const attempt = async (): Promise<Response | null> => {
      const { node, partition } = await this.askCoordinator({ kind: 'findCoordinator', keyType, key }, 'findCoordinatorResponse')
      const actor = keyType === 'group' ? groupsActor(partition) : sharesActor(partition)
      onAttempt?.()
      const response = await this.#attempt({ node, actor }, asked)
      if (response === null) onLost?.()
      return response
    }
    return this.#repeat(attempt, asked, kind)
  }

  /** The groups that are kept in one partition of `__consumer_offsets`. Throws like `ask`. */
  async askGroups(partition: number): Promise<readonly GroupListing[]> {
    const attempt = async (): Promise<Response | null> => {
      const { node } = this.leaderOf(await this.topic('__consumer_offsets'), partition)
      return this.#attempt({ node, actor: groupsActor(partition) }, { kind: 'listGroups' })
    }
    return (await this.#repeat(attempt, { kind: 'listGroups' }, 'listGroupsResponse')).groups
  }

  /** A node is dead: nobody waits for its answers. */
  giveUp(): void {
    this.#port.giveUp()
  }

  /** How often that was so. */
  get deathCount(): number {
    return this.#port.deathCount
  }

  close(): void {
    this.#gate.close()
    this.#port.close()
  }

  async #attempt(to: Address, asked: Asked): Promise<Response | null> {
    const gate = this.#gate
    if (!gate.isTimed) return this.#port.attempt(to, asked, null)
    await gate.admit()
    return this.#port.attempt(to, asked, (timed) => gate.onTimed(timed))
  }
}

/** An answer that is not waited for any longer, also while a single attempt goes on. Throws REQUEST_TIMED_OUT. */
async function inTime<Answer>(answer: Promise<Answer>, asked: Asked, millis: number): Promise<Answer> {
  const answered = new AbortController()
  const late = sleep(millis, null, { signal: answered.signal })
  try {
    const first = await Promise.race([answer, late])
    if (first === null) throw lateness(null, asked, millis)
    return first
  } finally {
    answered.abort()
  }
}

/** Why there is no answer in time: somebody is waited for who is there, or nobody has answered. */
function lateness(last: Response | null, { kind }: Asked, timeoutMillis: number): KafkaError {
  const isUnstable = last !== null && 'errorCode' in last && errorOf(last.errorCode).name === 'UNSTABLE_OFFSET_COMMIT'
  if (!isUnstable) return new KafkaError('REQUEST_TIMED_OUT', `no answer to ${kind} within ${timeoutMillis} ms`)
  const reason = `a transaction that commits offsets of the group was open for ${timeoutMillis} ms, and this waits for it`
  return new KafkaError('UNSTABLE_OFFSET_COMMIT', `${reason}: commit or abort it, or try again when its transactionTimeoutMillis are over`)
}

/** The error of an answer; null if it is none. */
export function errorFrom(errorCode: number, reason: string | null): KafkaError | null {
  if (errorCode === NONE) return null
  const { name, message } = errorOf(errorCode)
  return new KafkaError(name, reason ?? message)
}

/** Throws unless the code is NONE. */
export function throwIfError(errorCode: number, reason: string | null): void {
  const error = errorFrom(errorCode, reason)
  if (error !== null) throw error
}

/** Errors that mean: not yet. Other retriable errors (no space, say) are the caller's business. */
const PASSING: ReadonlySet<string> = new Set([
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_LEADER_OR_FOLLOWER',
  'UNSTABLE_OFFSET_COMMIT',
  'LEADER_NOT_AVAILABLE',
  'OFFSET_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
])

function isPassing(response: Response): boolean {
  if (response.kind === 'undeliverable') return true
  if (response.kind === 'metadataResponse') return response.controller < 0
  if ('errorCode' in response) return PASSING.has(errorOf(response.errorCode).name)
  return response.kind === 'adminResponse' && response.results.some((result) => PASSING.has(errorOf(result.errorCode).name))
}
