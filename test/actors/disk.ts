// A disk in memory that does at once what it is asked for, or fails as the test says.

import type { ReadEffect, StorageEffect } from '../../actors/effect.ts'
import { cleanLog } from '../../protocol/log-cleaner.ts'
import { checkBatch, FIELD, wholeBatchSize } from '../../protocol/record-batch.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { StorageAnswer, StorageError } from '../../protocol/messages/storage.ts'

/** Files by name. */
export type Files = Map<string, Uint8Array>

/** Log directories by name, and what the next operations of some kinds answer instead of doing it. */
export interface Disk {
  readonly logs: Map<string, Files>
  readonly failing: Map<StorageEffect['kind'], StorageError>
}

/** Does what the effect asks for; the answer. A failing append writes half. */
export function perform(disk: Disk, effect: StorageEffect): StorageAnswer {
  const { token } = effect
  const error = disk.failing.get(effect.kind) ?? null
  const files = 'log' in effect ? filesOf(disk, effect.log) : new Map<string, Uint8Array>()
  switch (effect.kind) {
    case 'append': {
      const before = files.get(effect.file) ?? new Uint8Array(0)
      if (effect.position !== before.length) throw new Error(`append at ${effect.position} of a file of ${before.length} bytes`)
      const written = error === null ? effect.bytes : effect.bytes.subarray(0, effect.bytes.length >>> 1)
      files.set(effect.file, Uint8Array.from([...before, ...written]))
      return { kind: 'appended', token, error }
    }
    case 'rewrite': {
      const { bytes } = effect
      const known = files.get(effect.file)?.subarray(effect.position, effect.position + bytes.length)
      if (known?.length !== bytes.length) throw new Error('a rewrite is not of what the file has')
      if (!isMending(bytes, known)) throw new Error('a rewrite changes what was not damaged')
      if (error === null) known.set(bytes)
      return { kind: 'storageDone', token, error }
    }
    case 'read':
      return { kind: 'readCompleted', token, ...readFrom(files, effect, error) }
    case 'sync': {
      const bytes = files.get(effect.file)
      return { kind: 'synced', token, file: effect.file, sizeBytes: bytes?.length ?? 0, error: bytes === undefined ? 'io' : error }
    }
    case 'truncate':
      if (error === null) files.set(effect.file, (files.get(effect.file) ?? new Uint8Array(0)).slice(0, effect.sizeBytes))
      return { kind: 'storageDone', token, error }
    case 'replace':
      if (error === null) files.set(effect.file, effect.bytes.slice())
      return { kind: 'storageDone', token, error }
    case 'remove':
      if (error === null) for (const file of effect.files ?? [...files.keys()]) files.delete(file)
      return { kind: 'storageDone', token, error }
    case 'rename':
      for (const { from, to } of error === null ? effect.renames : []) {
        files.set(to, files.get(from) ?? new Uint8Array(0))
        files.delete(from)
      }
      return { kind: 'storageDone', token, error }
    case 'compact': {
      const outcome = cleanLog(effect.order, {
        read: (file, position, sizeBytes) => (files.get(file) ?? new Uint8Array(0)).slice(position, position + sizeBytes),
        write: (file, bytes) => files.set(file, Uint8Array.from([...(files.get(file) ?? []), ...bytes])),
        drop: (file) => files.delete(file),
      })
      return { kind: 'compacted', token, cleaned: outcome.ok ? outcome.cleaned : null, error: outcome.ok ? null : outcome.error }
    }
    case 'list': {
      const stats = [...files].map(([name, { length }]) => ({ name, sizeBytes: length }))
      return { kind: 'listed', token, files: stats.toSorted((a, b) => (a.name < b.name ? -1 : 1)), error }
    }
    case 'listLogs':
      return { kind: 'logsListed', token, logs: [...disk.logs.keys()].toSorted() }
  }
}

/** A file that is gone is read as long as it is open. */
function readFrom(
  files: Files,
  { file, position, sizeBytes }: ReadEffect,
  failure: StorageError | null,
): Pick<MessageOf<'readCompleted'>, 'records' | 'error'> {
  const bytes = files.get(file)?.slice(position, position + sizeBytes) ?? null
  return { records: failure === null || failure === 'gone' ? bytes : null, error: bytes === null ? 'io' : failure }
}

/** The files of one log directory, made if absent. */
export function filesOf(disk: Disk, log: string): Files {
  const known = disk.logs.get(log)
  if (known !== undefined) return known
  const files: Files = new Map()
  disk.logs.set(log, files)
  return files
}

/** What is damaged becomes sound, or stays the same but for the leader epoch: that no CRC covers. */
function isMending(bytes: Uint8Array, known: Uint8Array): boolean {
  if (isSound(bytes) && !isSound(known)) return true
  return bytes.every((byte, i) => byte === known[i] || (i >= FIELD.leaderEpoch && i < FIELD.magic))
}

function isSound(bytes: Uint8Array): boolean {
  return wholeBatchSize(bytes, 0) === bytes.length && checkBatch(bytes, 0, bytes.length, 'sparse').ok
}
