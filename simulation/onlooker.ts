/**
 * Who looks at a run from outside: hears what is sent and what arrives, what actors are told and what becomes of them, who lives and who dies, and what strikes.
 * It changes nothing and draws nothing, so that a run is the same with it and without. A run that nobody looks at pays for a comparison with null.
 */
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'

/** A message, as it was sent; a second copy that arrives soon after the first; one that was stuck, and arrives much later. */
export type FlightKind = 'sent' | 'twice' | 'replay'

/** What becomes of a message that does not arrive: it is lost on its way, or nobody is there to hear it. */
export type FlightLoss = 'lost' | 'unheard'

/** How a host dies. */
export type DeathKind = 'kill' | 'power loss' | 'clean stop' | 'client killed'

/** What a client says of its transaction; `unknown`: it asked for a commit, and was not told. */
export type TransactionStage = 'open' | 'committing' | 'aborting' | 'committed' | 'aborted' | 'unknown' | 'failed'

/** A transaction, as its client has it. */
export interface SeenTransaction {
  readonly transactionalId: string
  /** No other transaction of the run has it. */
  readonly name: string
  readonly host: number
}

/** What a fault is about, as far as it says. */
export interface Struck {
  /** When it is over; missing: at once, or nobody knows. */
  readonly untilMicros?: number
  /** Nodes, and clients below 0. */
  readonly hosts?: readonly number[]
  readonly text?: string
}

/** Looks at one run. Whatever it is given, it must copy, or put into words, before it returns. */
export interface Onlooker {
  /** A host begins a life; a client says what it plays. */
  booted(host: number, role: string | null): void
  died(host: number, how: DeathKind): void
  paused(host: number, untilMicros: number): void
  /** Something is said of a host. */
  noted(host: number, text: string): void
  /** A message leaves for another host. Returns a number for it. */
  sent(from: Address, to: Address, message: Message, kind: FlightKind): number
  /** It has arrived at the host, which may be paused. */
  arrived(flight: number): void
  missed(flight: number, loss: FlightLoss): void
  /** An actor is given a message, from whomever. */
  told(to: Address, from: Address, message: Message): void
  /** What an actor's state is, when it is done with a message. */
  became(actor: Address, state: unknown): void
  struck(kind: string, what: Struck): void
  transacted(transaction: SeenTransaction, stage: TransactionStage): void
}

/** Begins to look at a world. */
export type Onlooking = (world: { readonly nowMicros: number }) => Onlooker
