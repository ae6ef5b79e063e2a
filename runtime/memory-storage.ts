/**
 * Storage for `:memory:`: the same contract, nothing outlives the process. Files are lists of blocks, so that appending never
 * copies what is there.
 */
import type { AppendEffect, CompactEffect, ReadEffect, StorageEffect } from '../actors/effect.ts'
import { unreachable } from '../protocol/assert.ts'
import { cleanLog } from '../protocol/log-cleaner.ts'
import type { Compacted } from '../protocol/messages/storage.ts'
import { nodeCompressor } from './compressor.ts'
import type { Answer, Storage } from './storage.ts'

interface MemoryFile {
  readonly blocks: Uint8Array[]
  sizeBytes: number
}

const BLOCK_BYTES = 64 * 1024

/** Storage that forgets. See the header. */
export class MemoryStorage implements Storage {
  readonly pendingSyncs = 0
  readonly #logs: Map<string, Map<string, MemoryFile>> = new Map()

  perform(effect: StorageEffect, answer: Answer): void {
    const files = 'log' in effect ? this.#logs.get(effect.log) : undefined
    switch (effect.kind) {
      case 'append':
        this.#append(effect)
        return answer({ kind: 'appended', token: effect.token, error: null })
      case 'read':
        return answer({ kind: 'readCompleted', token: effect.token, records: readFile(files?.get(effect.file), effect), error: null })
      case 'sync':
        return answer({
          kind: 'synced',
          token: effect.token,
          file: effect.file,
          sizeBytes: files?.get(effect.file)?.sizeBytes ?? 0,
          error: null,
        })
      case 'rewrite':
        // Memory drops nothing.
        break
      case 'truncate':
        truncateFile(files?.get(effect.file), effect.sizeBytes)
        break
      case 'replace':
        this.#files(effect.log).set(effect.file, { blocks: [effect.bytes.slice()], sizeBytes: effect.bytes.length })
        break
      case 'remove':
        if (effect.files === null) this.#logs.delete(effect.log)
        else for (const file of effect.files) files?.delete(file)
        break
      case 'rename':
        for (const { from, to } of effect.renames) renameFile(files, from, to)
        break
      case 'compact':
        return answer({ kind: 'compacted', token: effect.token, ...this.#compact(effect) })
      case 'list': {
        const stats = [...(files ?? [])].map(([name, { sizeBytes }]) => ({ name, sizeBytes }))
        return answer({ kind: 'listed', token: effect.token, files: stats.toSorted((a, b) => (a.name < b.name ? -1 : 1)), error: null })
      }
      case 'listLogs':
        return answer({ kind: 'logsListed', token: effect.token, logs: [...this.#logs.keys()].toSorted() })
      default:
        return unreachable(effect)
    }
    answer({ kind: 'storageDone', token: effect.token, error: null })
  }

  startSyncs(): void {
    // Every sync is answered at once: there is nothing to make durable.
  }

  close(): Promise<void> {
    this.#logs.clear()
    return Promise.resolve()
  }

  /** On this thread: memory cannot be handed to another one without a copy of all of it. */
  #compact({ log, order }: CompactEffect): Pick<Compacted, 'cleaned' | 'error'> {
    const files = this.#files(log)
    const outcome = cleanLog(
      order,
      {
        read: (file, position, sizeBytes) => readFile(files.get(file), { position, sizeBytes }),
        write: (file, bytes) => this.#append({ log, file, bytes }),
        drop: (file) => files.delete(file),
      },
      nodeCompressor,
    )
    if (outcome.ok) return { cleaned: outcome.cleaned, error: null }
    for (const { outputFile } of order.inputs) files.delete(outputFile)
    return { cleaned: null, error: outcome.error }
  }

  #files(log: string): Map<string, MemoryFile> {
    const known = this.#logs.get(log)
    if (known !== undefined) return known
    const files = new Map<string, MemoryFile>()
    this.#logs.set(log, files)
    return files
  }

  #append({ log, file, bytes }: Pick<AppendEffect, 'log' | 'file' | 'bytes'>): void {
    const files = this.#files(log)
    let open = files.get(file)
    if (open === undefined) files.set(file, (open = { blocks: [], sizeBytes: 0 }))
    for (let taken = 0; taken < bytes.length;) {
      const used = open.sizeBytes % BLOCK_BYTES
      if (used === 0) open.blocks.push(new Uint8Array(BLOCK_BYTES))
      const piece = bytes.subarray(taken, taken + BLOCK_BYTES - used)
      open.blocks[open.blocks.length - 1]?.set(piece, used)
      open.sizeBytes += piece.length
      taken += piece.length
    }
  }
}

function renameFile(files: Map<string, MemoryFile> | undefined, from: string, to: string): void {
  const file = files?.get(from)
  if (file === undefined) return
  files?.delete(from)
  files?.set(to, file)
}

function truncateFile(file: MemoryFile | undefined, sizeBytes: number): void {
  if (file === undefined) return
  file.sizeBytes = sizeBytes
  file.blocks.length = Math.ceil(sizeBytes / BLOCK_BYTES)
}

function readFile(file: MemoryFile | undefined, { position, sizeBytes }: Pick<ReadEffect, 'position' | 'sizeBytes'>): Uint8Array {
  if (file === undefined) return new Uint8Array(0)
  const bytes = new Uint8Array(Math.max(0, Math.min(sizeBytes, file.sizeBytes - position)))
  const blockBytes = file.blocks[0]?.length ?? BLOCK_BYTES
  for (let filled = 0; filled < bytes.length;) {
    const from = (position + filled) % blockBytes
    const piece =
      file.blocks[Math.floor((position + filled) / blockBytes)]?.subarray(from, from + bytes.length - filled) ??
      new Uint8Array(bytes.length - filled)
    bytes.set(piece, filled)
    filled += piece.length
  }
  return bytes
}
