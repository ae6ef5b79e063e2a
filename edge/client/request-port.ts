/**
 * Where the questions of the public client leave its host, and their answers come: one attempt at one question. Who asks, how often, and for how long is not
 * decided here (requests.ts).
 */
import type { Address } from '../../protocol/address.ts'
import type { Message, Request, Response } from '../../protocol/messages/message.ts'
import type { RequestTimed } from '../../protocol/messages/quota.ts'
import type { ClientHost, ClientLoop } from './engine.ts'

/** A request without its correlation id, which is given here. */
export type Asked = Request extends infer One ? (One extends Request ? Omit<One, 'correlationId'> : never) : never

/** Hears how long a thread was busy with a question. */
export type TimingListener = (timed: RequestTimed) => void

/** Longest wait for one attempt: the addressee may have died without a word. */
const ATTEMPT_MILLIS = 1000

/** Requests whose time is not known yet, at most: a host that is gone says nothing of those that it had. */
const TIMINGS_MAX = 1000

/** See the header. */
export class RequestPort {
  readonly #host: ClientHost
  readonly #loop: ClientLoop
  readonly #port: Address
  /** Who wants to hear how long a request took, by its id. */
  readonly #timings: Map<number, TimingListener> = new Map()
  readonly #waiting: Map<number, (response: Response | null) => void> = new Map()
  #nextCorrelationId = 1
  #deathCount = 0
  #closed = false

  constructor(host: ClientHost, loop: ClientLoop) {
    this.#host = host
    this.#loop = loop
    this.#port = host.openPort('requests', (message) => this.#onAnswer(message))
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The answer, whatever it says; null if there is none, or the port is closed. With a listener the request is timed. */
  attempt(to: Address, asked: Asked, onTimed: TimingListener | null): Promise<Response | null> {
    if (this.#closed) return Promise.resolve(null)
    const correlationId = this.#nextCorrelationId++
    if (onTimed !== null) this.#noteTiming(correlationId, onTimed)
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#waiting.get(correlationId)?.(null), ATTEMPT_MILLIS)
      this.#waiting.set(correlationId, (response) => {
        clearTimeout(timer)
        this.#waiting.delete(correlationId)
        resolve(response)
      })
      this.#host.post(to, this.#port, onTimed === null ? { ...asked, correlationId } : { ...asked, correlationId, isTimed: true })
      this.#loop.kick()
    })
  }

  /** How many nodes have died. */
  get deathCount(): number {
    return this.#deathCount
  }

  /** A node is dead: nobody waits for its answers. */
  giveUp(): void {
    this.#deathCount++
    for (const answer of this.#waiting.values()) answer(null)
  }

  close(): void {
    this.#closed = true
    this.giveUp()
    this.#host.closePort('requests')
  }

  #noteTiming(correlationId: number, onTimed: TimingListener): void {
    this.#timings.set(correlationId, onTimed)
    const [oldest] = this.#timings.keys()
    if (oldest !== undefined && this.#timings.size > TIMINGS_MAX) this.#timings.delete(oldest)
  }

  #onAnswer(message: Message): void {
    if (!('correlationId' in message)) return
    if (message.kind === 'requestTimed') {
      this.#timings.get(message.correlationId)?.(message)
      return void this.#timings.delete(message.correlationId)
    }
    // The bytes are lent for this call only, and the promise resolves later.
    const kept = message.kind === 'fetchResponse' && message.records !== null ? { ...message, records: message.records.slice() } : message
    this.#waiting.get(message.correlationId)?.(kept as Response)
  }
}
