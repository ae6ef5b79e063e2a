/**
 * What producers and consumers need of their cluster: the host of their actors on the caller's thread, and a way to run it.
 */
import type { QuotaIdentity } from '../../actors/client-quota.ts'
import type { Address } from '../../protocol/address.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { Requests } from './requests.ts'

/** Where the actors of clients live, and the ports on which clients hear from them. */
export interface ClientHost {
  readonly node: number
  spawn(name: string, url: string, config: unknown): void
  stop(name: string): void
  openPort(name: string, onMessage: (message: Message) => void): Address
  closePort(name: string): void
  /** Leaves a message; it is handled in the next cycle. */
  post(to: Address, from: Address, message: Message): void
}

/** What runs that host. */
export interface ClientLoop {
  /** Runs it now, as far as there is something to do at once. */
  kick(): void
}

/** What the clients of one cluster share. */
export interface Engine {
  readonly host: ClientHost
  readonly loop: ClientLoop
  readonly requests: Requests
  /** The nodes that have a coordinator by now. */
  coordinatorNodes(): readonly number[]
  /** The actor that keeps the quotas of clients, and who all clients of this cluster object are to it. */
  readonly quotas: Omit<QuotaIdentity, 'clientId'>
  /** Where node directories are; null in memory. */
  readonly directory: string | null
  /** Unique within this cluster object. Throws POLICY_VIOLATION when as many clients are open as may be. */
  nextName(kind: 'producer' | 'consumer' | 'share'): string
  /** What has to be closed before the cluster is. */
  readonly clients: Set<{ close(): Promise<void> }>
}

/** An actor of the caller's host and the port on which its client hears from it. */
export class ActorLink {
  readonly #engine: Engine
  readonly #actor: Address
  readonly #port: Address
  #isKickDue = false

  constructor(engine: Engine, name: string, behaviour: { readonly url: string }, config: object, onMessage: (message: Message) => void) {
    this.#engine = engine
    this.#actor = { node: engine.host.node, actor: name }
    this.#port = engine.host.openPort(clientPort(name), onMessage)
    engine.host.spawn(name, behaviour.url, { ...config, coordinatorNodes: engine.coordinatorNodes(), client: this.#port })
  }

  /** Leaves a message for the actor; it is handled in the next cycle. */
  post(message: Message): void {
    this.#engine.host.post(this.#actor, this.#port, message)
  }

  /** The same, and the cycle runs after what is under way: messages of one turn of the event loop go out together. */
  postSoon(message: Message): void {
    this.post(message)
    if (this.#isKickDue) return
    this.#isKickDue = true
    queueMicrotask(() => {
      this.#isKickDue = false
      this.#engine.loop.kick()
    })
  }

  /** Leaves a message and runs the cycle. */
  send(message: Message): void {
    this.post(message)
    this.#engine.loop.kick()
  }

  /** The actor is stopped already, or stops now. */
  close(): void {
    this.#engine.host.post(this.#engine.quotas.keeper, this.#actor, { kind: 'leaveQuota' })
    this.#engine.host.stop(this.#actor.actor)
    this.#engine.host.closePort(this.#port.actor)
  }
}

/** Where the client of an actor hears from it. */
export function clientPort(actor: string): string {
  return `${actor}/client`
}

/** What a client says whose actor has crashed. */
export function crashError(what: string, reason: string): KafkaError {
  return new KafkaError('UNKNOWN_SERVER_ERROR', `the actor of this ${what} has crashed (${reason}): what it was asked may be done or not`)
}

/** Throws CLIENT_CLOSED. */
export function closedError(what: string): KafkaError {
  return new KafkaError('CLIENT_CLOSED', `the ${what} is closed`)
}
