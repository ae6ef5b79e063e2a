/**
 * What an actor can ask of its host: a closed union of data, one executor case per effect in each host.
 * There are no closures in effects; an answer comes back as a message that carries the effect's token.
 */
import type { Address } from '../protocol/address.ts'
import type { CleaningOrder } from '../protocol/cleaning.ts'
import type { Message } from '../protocol/messages/message.ts'

/** Sends a message. Delivery to another node is at most once; on the same host it is in order and certain while the addressee lives. */
export interface SendEffect {
  readonly kind: 'send'
  readonly to: Address
  readonly message: Message
}

/** Writes bytes at the end of a file of a log directory (both made if absent). `position` must be its size. Answer: `appended`. */
export interface AppendEffect {
  readonly kind: 'append'
  readonly log: string
  readonly file: string
  readonly position: number
  /** Borrowed: the host writes or copies before the next message is received. */
  readonly bytes: Uint8Array
  readonly token: number
}

/**
 * Writes bytes once more where the file has them: after a failed sync the disk may have dropped what the page cache still shows, and only what
 * is written again is covered by the next sync. Or a batch over what has become of it. Answer: `storageDone`.
 */
export interface RewriteEffect {
  readonly kind: 'rewrite'
  readonly log: string
  readonly file: string
  readonly position: number
  /** Borrowed, as in an append. */
  readonly bytes: Uint8Array
  readonly token: number
}

/** Reads up to `sizeBytes`. Answer: `readCompleted`. */
export interface ReadEffect {
  readonly kind: 'read'
  readonly log: string
  readonly file: string
  readonly position: number
  readonly sizeBytes: number
  readonly token: number
}

/** Makes what has been appended to the file outlive a power loss, its directory entry included. Answer: `synced`. */
export interface SyncEffect {
  readonly kind: 'sync'
  readonly log: string
  readonly file: string
  readonly token: number
}

/** Cuts the file to `sizeBytes`. Answer: `storageDone`. */
export interface TruncateEffect {
  readonly kind: 'truncate'
  readonly log: string
  readonly file: string
  readonly sizeBytes: number
  readonly token: number
}

/** Replaces the content of a small file. Not atomic: readers check a CRC. Answer: `storageDone`. */
export interface ReplaceEffect {
  readonly kind: 'replace'
  readonly log: string
  readonly file: string
  readonly bytes: Uint8Array
  readonly token: number
}

/**
 * Removes files of a log directory, or the whole directory (files null). Answer: `storageDone`, when it is durable. `later`: nobody waits for that, so that it comes
 * out of order; the names are free at once all the same.
 */
export interface RemoveEffect {
  readonly kind: 'remove'
  readonly log: string
  readonly files: readonly string[] | null
  readonly later?: true
  readonly token: number
}

/** Gives files of a log directory other names, in this order, at once; durable when it is answered. Answer: `storageDone`, out of order. */
export interface RenameEffect {
  readonly kind: 'rename'
  readonly log: string
  readonly renames: readonly { readonly from: string; readonly to: string }[]
  readonly token: number
}

/**
 * Cleans closed segments into new files, which are durable when it is answered; the inputs stay. It takes as long as it takes, off the serving threads, and keeps
 * nothing else of the log waiting. Answer: `compacted`, out of order.
 */
export interface CompactEffect {
  readonly kind: 'compact'
  readonly log: string
  readonly order: CleaningOrder
  readonly token: number
}

/** Lists the files of a log directory. Answer: `listed`. */
export interface ListEffect {
  readonly kind: 'list'
  readonly log: string
  readonly token: number
}

/** Lists the log directories of this node. Answer: `logsListed`. */
export interface ListLogsEffect {
  readonly kind: 'listLogs'
  readonly token: number
}

/** Fires `timerFired { timer }` after a delay of the monotonic clock; replaces a running timer of the same name. */
export interface StartTimerEffect {
  readonly kind: 'startTimer'
  readonly timer: string
  readonly afterMillis: number
}

/** Stops a timer; nothing happens if it does not run. */
export interface CancelTimerEffect {
  readonly kind: 'cancelTimer'
  readonly timer: string
}

/** Starts an actor on this host. `url` is the behaviour's module; `config` is plain data. No effect if the name is taken. */
export interface SpawnEffect {
  readonly kind: 'spawn'
  readonly actor: string
  readonly url: string
  readonly config: unknown
}

/** Stops an actor of this host (itself included): its timers and outstanding answers are dropped. */
export interface StopEffect {
  readonly kind: 'stop'
  readonly actor: string
}

/** The environment is broken: the whole node stops, and its supervisor decides. */
export interface FatalEffect {
  readonly kind: 'fatal'
  readonly reason: string
}

/** Something is lost with the disk of a node, this one or another, and no promise says so: whoever looks after the cluster hears of it. */
export interface ReportEffect {
  readonly kind: 'report'
  readonly node: number
  readonly reason: string
}

/** Effects that touch the disk. */
export type StorageEffect =
  | AppendEffect
  | RewriteEffect
  | ReadEffect
  | SyncEffect
  | TruncateEffect
  | ReplaceEffect
  | RemoveEffect
  | RenameEffect
  | CompactEffect
  | ListEffect
  | ListLogsEffect

/** Everything that an actor can ask for. */
export type Effect =
  | SendEffect
  | StorageEffect
  | StartTimerEffect
  | CancelTimerEffect
  | SpawnEffect
  | StopEffect
  | FatalEffect
  | ReportEffect
