/**
 * The files of one cleaning, on a thread of the job pool: inputs are read, outputs written through a buffer and synced at the end. If nothing comes of the
 * cleaning, no output is left.
 */
import { closeSync, fdatasyncSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { cleanLog } from '../protocol/log-cleaner.ts'
import type { CleanerFiles, CleaningOutcome } from '../protocol/log-cleaner.ts'
import type { CleaningOrder } from '../protocol/cleaning.ts'
import { nodeCompressor } from './compressor.ts'
import { storageErrorOf } from './disk-errors.ts'

/** Outputs are written in pieces of that size. */
const WRITE_BYTES = 1024 * 1024

interface OutputFile {
  readonly fd: number
  readonly buffer: Uint8Array
  used: number
}

/** Cleans files of a directory. Never throws: what the operating system says becomes an outcome. */
export function cleanFiles(directory: string, order: CleaningOrder): CleaningOutcome {
  const files = new CleaningFiles(directory)
  try {
    const outcome = cleanLog(order, files, nodeCompressor)
    if (outcome.ok) files.finish()
    else files.abandon()
    return outcome
  } catch (error) {
    files.abandon()
    return { ok: false, error: storageErrorOf(error) === 'full' ? 'full' : 'io' }
  } finally {
    files.close()
  }
}

class CleaningFiles implements CleanerFiles {
  readonly #directory: string
  readonly #inputs: Map<string, number> = new Map()
  readonly #outputs: Map<string, OutputFile> = new Map()
  #chunk: Uint8Array = new Uint8Array(0)

  constructor(directory: string) {
    this.#directory = directory
  }

  read(file: string, position: number, sizeBytes: number): Uint8Array {
    let fd = this.#inputs.get(file)
    if (fd === undefined) this.#inputs.set(file, (fd = openSync(`${this.#directory}/${file}`, 'r')))
    if (this.#chunk.length < sizeBytes) this.#chunk = new Uint8Array(sizeBytes)
    let count = 0
    for (let read = 1; read > 0 && count < sizeBytes; count += read)
      read = readSync(fd, this.#chunk, count, sizeBytes - count, position + count)
    return this.#chunk.subarray(0, count)
  }

  write(file: string, bytes: Uint8Array): void {
    const output = this.#output(file)
    if (output.used + bytes.length > output.buffer.length) writeOut(output)
    if (bytes.length > output.buffer.length) return writeAll(output.fd, bytes)
    output.buffer.set(bytes, output.used)
    output.used += bytes.length
  }

  drop(file: string): void {
    const output = this.#outputs.get(file)
    if (output === undefined) return
    this.#outputs.delete(file)
    closeSync(output.fd)
    unlinkSync(`${this.#directory}/${file}`)
  }

  /** What was written outlives a power loss. */
  finish(): void {
    for (const output of this.#outputs.values()) {
      writeOut(output)
      fdatasyncSync(output.fd)
    }
  }

  /** Leaves no output. */
  abandon(): void {
    for (const file of [...this.#outputs.keys()]) {
      try {
        this.drop(file)
      } catch {
        // Its directory is gone, or it cannot be removed: then the next recovery does it.
      }
    }
  }

  close(): void {
    for (const { fd } of this.#outputs.values()) closeSync(fd)
    for (const fd of this.#inputs.values()) closeSync(fd)
  }

  #output(file: string): OutputFile {
    const known = this.#outputs.get(file)
    if (known !== undefined) return known
    const output = { fd: openSync(`${this.#directory}/${file}`, 'w', 0o644), buffer: new Uint8Array(WRITE_BYTES), used: 0 }
    this.#outputs.set(file, output)
    return output
  }
}

function writeOut(output: OutputFile): void {
  writeAll(output.fd, output.buffer.subarray(0, output.used))
  output.used = 0
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written, bytes.length - written)
}
