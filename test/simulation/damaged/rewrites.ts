// What is written over the only one that a power loss leaves.

import { encodeVote } from '../../../coordinator/quorum-files.ts'
import { encodeSnapshot } from '../../../coordinator/quorum-records.ts'
import { encodeCheckpoint } from '../../../partitions/checkpoint.ts'
import { NOT_CLEANED } from '../../../partitions/checkpoint-cleaning.ts'
import { noTransactions } from '../../../partitions/transactions.ts'
import type { Effect } from '../../../actors/effect.ts'
import { checkRewrites } from '../../../simulation/checkers/rewrites.ts'
import type { Disk } from '../../../simulation/disk.ts'
import { failSync, newFile, replaceContent, rewriteBytes, syncFile } from '../../../simulation/disk-file.ts'
import type { SimulatedFile } from '../../../simulation/disk-file.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

function file(bytes: Uint8Array, isSynced: boolean): SimulatedFile {
  const made = newFile()
  replaceContent(made, bytes, true)
  if (isSynced) syncFile(made)
  return made
}

/** The first vote of a member; if it could not be synced at once, it is written once more when the member begins anew. */
function firstVote(isToldToOthers: boolean): SimulatedFile {
  const made = file(VOTE, isToldToOthers)
  failSync(made)
  rewriteBytes(made, 0, VOTE)
  syncFile(made)
  return made
}

/** A leader writes a file; what is there already. */
function rewrite(what: string, written: string, filesOf: (isDamaged: boolean) => Readonly<Record<string, SimulatedFile>>): Damaged {
  return inScene('REC', what, ({ truth }, isDamaged) => {
    const disk = { files: () => new Map(Object.entries(filesOf(isDamaged))) } as unknown as Disk
    checkRewrites(truth.world, disk, { phase: 'leading' }, [{ kind: 'replace', log: 'orders-0.1', file: written } as Effect])
  })
}

const SOME = new Uint8Array(9)
const VOTE = encodeVote({ sequence: 1, epoch: 1, votedFor: 0 })
const REGISTRATION = new TextEncoder().encode('{}')

/** A checkpoint of a log that retention has shortened. */
function checkpoint(isSynced: boolean): SimulatedFile {
  const log = { segments: [], producers: new Map(), epochs: [], cleaning: NOT_CLEANED, transactions: noTransactions() }
  return file(encodeCheckpoint({ sequence: 1, clean: false, recoveryPoint: 9, logStartOffset: 5, ...log }), isSynced)
}

/** Files that take turns, and snapshots. */
export const damagedRewrites: readonly Damaged[] = [
  rewrite('the only vote that is synced is written over', 'quorum-state-0', (isDamaged) => ({
    'quorum-state-0': file(VOTE, true),
    'quorum-state-1': file(VOTE, !isDamaged),
  })),
  rewrite('the only vote is written over, which others were told of', 'quorum-state-0', (isDamaged) => ({
    'quorum-state-0': firstVote(isDamaged),
  })),
  rewrite('the only registration that is synced is written over', 'registration-1', (isDamaged) => ({
    'registration-0': file(REGISTRATION, !isDamaged),
    'registration-1': file(REGISTRATION, true),
  })),
  rewrite('the only checkpoint that is synced is written over', 'checkpoint-1', (isDamaged) => ({
    'checkpoint-0': checkpoint(!isDamaged),
    'checkpoint-1': checkpoint(true),
  })),
  rewrite('a snapshot that is there is written again', '9-1.checkpoint', (isDamaged) => ({
    '9-1.checkpoint': file(isDamaged ? encodeSnapshot({ endOffset: 9, epoch: 1, voters: [0] }, [], 0).bytes : SOME, true),
  })),
]
