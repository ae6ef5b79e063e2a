/**
 * A file of an open log that somebody has removed (`gone`): what goes into it is lost, and a log that is opened again without it may look like one that was never
 * longer. So the replica goes offline as one that is damaged, says in a checkpoint what it had, and is copied anew when others lead (replica-damage.ts).
 *
 * What it does not do: look for such files. A read or a sync finds them; and where nobody else is in sync, reads are served as long as the file is open.
 */
import type { Address } from '../protocol/address.ts'
import type { ErrorName } from '../protocol/errors.ts'
import type { FetchRequest, ListOffsetsRequest } from '../protocol/messages/fetch.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import { fileOfSegment, nameOfSegment, segmentOf } from '../partitions/log.ts'
import type { Continuation, ReplicaState } from '../partitions/replica-state.ts'
import type { Outbox } from './actor.ts'
import { failReplica, vouch } from './replica-flush.ts'
import { refusalOfFailed, replyFetch, replyOffset } from './replica-read-answers.ts'

/** Fails the replica if the disk says that a file of its log is gone; true: that was all that is to be done with the answer. */
export function failIfGone(state: ReplicaState, continuation: Continuation, message: StorageAnswer, outbox: Outbox): boolean {
  if (!('error' in message) || message.error !== 'gone') return false
  const file = fileOf(state, continuation)
  // What compaction has replaced, or retention removed, nobody misses.
  if (file === null || ('file' in message && message.file !== file)) return false
  const isRead = continuation.kind === 'fetch' || continuation.kind === 'timestamp'
  const isAlone = state.role.isr.every((node) => node === state.self.node)
  if (isRead && isAlone && message.kind === 'readCompleted' && message.records !== null) return false
  vouch(state, outbox)
  failReplica(state, `${file} is gone from the disk`, 'total', outbox)
  if (isRead) refuse(state, continuation.from, continuation.request, refusalOfFailed(state), outbox)
  return true
}

/** The file of the log that was written, read or synced; null: none that the log cannot do without. */
function fileOf({ log }: ReplicaState, continuation: Continuation): string | null {
  switch (continuation.kind) {
    case 'append':
      return fileOfSegment(log, continuation.entries[0]?.segmentBaseOffset ?? 0)
    case 'sync':
    case 'flush':
    case 'rewriteRead':
    case 'rewritten':
      return fileOfSegment(log, continuation.segmentBaseOffset)
    case 'fetch':
    case 'timestamp': {
      const segment = segmentOf(log, continuation.kind === 'fetch' ? continuation.request.fetchOffset : continuation.segmentBaseOffset)
      return segment?.generation === continuation.generation ? nameOfSegment(segment) : null
    }
    default:
      return null
  }
}

function refuse(state: ReplicaState, to: Address, request: FetchRequest | ListOffsetsRequest, error: ErrorName, outbox: Outbox): void {
  if (request.kind === 'fetch') replyFetch(state, to, request, error, null, null, outbox)
  else replyOffset(state, to, request, error, -1, -1, outbox)
}
