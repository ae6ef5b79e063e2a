/**
 * Asks a group what it has committed, as the public client does: finds its coordinator, asks that one, and begins again until there is an answer.
 */
import { coordinatorOf, learnFrom, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import type { CoordinatorFinder } from '../../actors/coordinator-finder.ts'
import { groupsActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { NONE } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { TopicOffset } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Host } from '../host.ts'

/** An attempt that is not answered is given up after so long, in microseconds. */
const ATTEMPT_MICROS = 300_000

/** Between an error and the next attempt, in microseconds. */
const RETRY_MICROS = 50_000

/** What is asked. */
interface Question {
  readonly partitions: readonly TopicPartition[]
  readonly onAnswer: (offsets: readonly TopicOffset[]) => void
}

/** The questions of one process, one at a time. */
export class OffsetLookup {
  readonly #host: Host
  readonly #group: string
  readonly #coordinators: CoordinatorFinder
  #question: Question | null = null
  #correlationId = 0

  constructor(host: Host, group: string, voters: readonly number[]) {
    this.#host = host
    this.#group = group
    this.#coordinators = newCoordinatorFinder(voters)
    host.attach('lookup', { receive: (message) => this.#receive(message) })
  }

  /** Answers when the group does. */
  ask(partitions: readonly TopicPartition[], onAnswer: Question['onAnswer']): void {
    this.#question = { partitions, onAnswer }
    this.#attempt()
  }

  #attempt(): void {
    if (this.#question === null) return
    this.#send(coordinatorOf(this.#coordinators), {
      kind: 'findCoordinator',
      correlationId: ++this.#correlationId,
      keyType: 'group',
      key: this.#group,
    })
    nextCoordinator(this.#coordinators)
    this.#retryIn(ATTEMPT_MICROS)
  }

  /** Begins again, unless there is an answer to the latest request by then. */
  #retryIn(micros: number): void {
    const correlationId = this.#correlationId
    this.#host.after(micros, () => {
      if (this.#correlationId === correlationId) this.#attempt()
    })
  }

  #send(to: Address, message: Message): void {
    this.#host.send({ node: this.#host.node, actor: 'lookup' }, to, message)
  }

  #receive(message: Message): void {
    const question = this.#question
    if (question === null || !('correlationId' in message)) return
    if (message.kind === 'metadataResponse') learnFrom(this.#coordinators, message)
    if (message.correlationId !== this.#correlationId) return
    if (!('errorCode' in message) || message.errorCode !== NONE) return this.#retryIn(RETRY_MICROS)
    if (message.kind === 'findCoordinatorResponse') {
      const partitions = question.partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] }))
      const asked = { kind: 'offsetFetch', correlationId: ++this.#correlationId, group: this.#group, partitions } as const
      this.#send({ node: message.node, actor: groupsActor(message.partition) }, asked)
      this.#retryIn(ATTEMPT_MICROS)
    } else if (message.kind === 'offsetFetchResponse') {
      this.#question = null
      this.#correlationId++
      question.onAnswer(message.offsets)
    }
  }
}
