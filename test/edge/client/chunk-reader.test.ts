// Segment files are read with few descriptors, and a deleted file is let go.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ChunkReader } from '../../../edge/client/chunk-reader.ts'
import type { RestRange } from '../../../edge/client/chunk-reader.ts'
import { batchOf, input } from '../../protocol/record-batch-support.ts'
import { openBelow, temporaryDirectory } from './support.ts'

const OPEN_FILES_MAX = 64
const BATCH = batchOf([input(1, null, 'one')])

/** Elsewhere nothing says which files are open. */
const linux = test.skipIf(!existsSync('/proc/self/fd'))

interface Stage {
  readonly reader: ChunkReader
  readonly path: (name: string) => string
  readonly write: (name: string) => void
  /** Whether there was a batch. */
  readonly read: (name: string) => boolean
  readonly passMillis: (millis: number) => void
  /** Names of the files that this process has open; a deleted one says so. */
  readonly open: () => string[]
}

function stage(): Stage {
  const directory = temporaryDirectory()
  let now = 0
  const reader = new ChunkReader(
    () => directory,
    () => now,
  )
  onTestFinished(() => reader.close())
  return {
    reader,
    path: (name) => join(directory, name),
    write: (name) => writeFileSync(join(directory, name), BATCH),
    read: (name) => reader.read(0, { path: name, position: 0, sizeBytes: BATCH.length, availableBytes: BATCH.length }, 0) !== null,
    passMillis: (millis) => void (now += millis),
    open: () => openBelow(directory),
  }
}

linux('the files that were used longest ago are closed first', () => {
  const { write, read, open } = stage()
  const names = Array.from({ length: OPEN_FILES_MAX + 1 }, (_, index) => `segment-${index}`)
  for (const name of names) write(name)
  for (const name of names.slice(0, OPEN_FILES_MAX)) expect(read(name)).toBe(true)
  read('segment-0')
  read(`segment-${OPEN_FILES_MAX}`)
  expect(open()).toHaveLength(OPEN_FILES_MAX)
  expect(open()).toContain('segment-0')
  expect(open()).not.toContain('segment-1')
})

linux('a deleted file that nobody reads any more is closed when another is read', () => {
  const { path, write, read, passMillis, open } = stage()
  for (const name of ['a', 'b', 'c']) write(name)
  for (const name of ['a', 'b', 'c']) read(name)
  rmSync(path('a'))
  passMillis(999)
  read('c')
  expect(open()).toEqual(['a (deleted)', 'b', 'c'])
  passMillis(1)
  read('c')
  expect(open()).toEqual(['b', 'c'])
})

linux('a deleted file is gone, and a new one of its name is opened', () => {
  const { path, write, read, open } = stage()
  for (const name of ['a', 'b']) write(name)
  for (const name of ['a', 'b']) read(name)
  rmSync(path('a'))
  expect(read('a')).toBe(false)
  expect(open()).toEqual(['b'])
  write('new')
  renameSync(path('new'), path('a'))
  expect(read('a')).toBe(true)
  expect(open()).toEqual(['a', 'b'])
})

linux('what follows a chunk is not read in another file of that name', () => {
  const { reader, path } = stage()
  const write = (name: string): void => writeFileSync(path(name), Buffer.concat([BATCH, BATCH]))
  write('a')
  const range = { path: 'a', position: 0, sizeBytes: BATCH.length, availableBytes: 2 * BATCH.length }
  const restOf = (): RestRange => reader.read(0, range, 0)!.rest!
  const rest = restOf()
  expect(reader.read(0, rest, 0)).not.toBeNull()
  write('new')
  renameSync(path('new'), path('a'))
  expect(reader.read(0, rest, 0)).toBeNull()
  expect(reader.read(0, restOf(), 0)).not.toBeNull()
})
