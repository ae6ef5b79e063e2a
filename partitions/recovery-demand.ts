/** What recovery and the disk say to each other. */
import type { FileStat } from '../protocol/messages/storage.ts'
import type { Recovered } from './recovered.ts'

/** What recovery wants from the disk next, or its outcome. Each demand but the outcome is answered by one `RecoveryAnswer`. */
export type RecoveryDemand =
  | { readonly kind: 'list' }
  | { readonly kind: 'read'; readonly file: string; readonly position: number; readonly sizeBytes: number }
  | { readonly kind: 'truncate'; readonly file: string; readonly sizeBytes: number }
  | { readonly kind: 'remove'; readonly files: readonly string[] }
  | { readonly kind: 'done'; readonly recovered: Recovered }
  | { readonly kind: 'doubtful'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** What the disk says to a demand; `bytes` are owned by recovery. */
export type RecoveryAnswer =
  | { readonly kind: 'listed'; readonly files: readonly FileStat[] }
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'changed' }
