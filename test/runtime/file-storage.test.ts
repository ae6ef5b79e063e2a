/** Storage in real files keeps the contract of all storages, outlives its process, and turns errors of the operating system into answers. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileStorage } from '../../runtime/file-storage.ts'
import { JobPool } from '../../runtime/jobs.ts'
import { ask, counting, describeStorage, read } from './storage-contract.ts'
import type { Wish } from './storage-contract.ts'

let directory: string
let storages: FileStorage[] = []
let count = 0

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-storage-'))
})

afterEach(async () => {
  for (const storage of storages) await storage.close()
  storages = []
  rmSync(directory, { recursive: true, force: true })
})

const jobs = new JobPool()

afterAll(() => jobs.close())

/** A storage in a node directory; a new one unless it is named. */
function newStorage(node = `node-${count++}`): FileStorage {
  const storage = new FileStorage(join(directory, node), jobs)
  storages.push(storage)
  return storage
}

/** What a program beside this one prints that is run under a limit of the shell. */
async function runLimited(limit: string, program: string): Promise<unknown> {
  const path = fileURLToPath(new URL(program, import.meta.url))
  const { stdout } = await promisify(execFile)('sh', ['-c', `${limit}; exec "$0" "$@"`, process.execPath, path, join(directory, 'n')])
  return JSON.parse(stdout)
}

describeStorage(newStorage)

describe('files', () => {
  test('lie where the layout says, and are found by the next process', async () => {
    const storage = newStorage('n')
    await ask(storage, { kind: 'append', file: '00000000000000000000.log', position: 0, bytes: counting(9) }, 'appended')
    expect(new Uint8Array(readFileSync(join(directory, 'n', 't-0.1', '00000000000000000000.log')))).toEqual(counting(9))
    expect(await read(newStorage('n'), '00000000000000000000.log')).toEqual(counting(9))
  })

  test('that are not of a log are not listed as one', async () => {
    const storage = newStorage('n')
    for (const name of ['notes', 'a-1', 'a-1.2', '.lock', 'a-x.1']) mkdirSync(join(directory, 'n', name), { recursive: true })
    expect((await ask(storage, { kind: 'listLogs' }, 'logsListed')).logs).toEqual(['a-1.2'])
  })

  test('are cut on disk, too', async () => {
    const storage = newStorage('n')
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')
    await ask(storage, { kind: 'truncate', file: 'a', sizeBytes: 4 }, 'storageDone')
    expect(new Uint8Array(readFileSync(join(directory, 'n', 't-0.1', 'a')))).toEqual(counting(4))
  })

  test('that somebody else removes while they are open are gone: what was written is read, and no sync counts', async () => {
    const told: string[] = []
    const storage = new FileStorage(join(directory, 'n'), jobs, { onError: (error) => void told.push(error.message) })
    storages.push(storage)
    const path = join(directory, 'n', 't-0.1', 'a')
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')
    for (let i = 0; i < 2; i++) expect(await ask(storage, { kind: 'sync', file: 'a' }, 'synced')).toMatchObject({ error: null })
    rmSync(path)
    const found = await ask(storage, { kind: 'read', file: 'a', position: 0, sizeBytes: 9 }, 'readCompleted')
    expect(found).toMatchObject({ records: counting(9), error: 'gone' })
    expect(await ask(storage, { kind: 'sync', file: 'a' }, 'synced')).toMatchObject({ error: 'gone' })
    expect(told).toEqual([`the disk with ${join(directory, 'n')} failed: ${path} was removed while it was open`])
    // The descriptor is given up: nothing is in the way of who begins anew, and nobody goes on in the middle of a file that is not there.
    const later = await ask(storage, { kind: 'read', file: 'a', position: 0, sizeBytes: 9 }, 'readCompleted')
    expect(later).toMatchObject({ records: null, error: 'gone' })
    expect(await ask(storage, { kind: 'append', file: 'a', position: 9, bytes: counting(9) }, 'appended')).toMatchObject({ error: 'gone' })
    expect(existsSync(path)).toBe(false)
    expect(await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')).toMatchObject({ error: null })
    expect(new Uint8Array(readFileSync(path))).toEqual(counting(9))
  })

  test('are not made in a directory that nobody says whose it is: where the one of the node is gone, so is what is asked for', async () => {
    const told: string[] = []
    const storage = new FileStorage(join(directory, 'n'), jobs, { onError: (error) => void told.push(error.message) })
    storages.push(storage)
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')
    rmSync(join(directory, 'n'), { recursive: true })
    expect(await ask(storage, { kind: 'append', file: 'b', position: 0, bytes: counting(9) }, 'appended')).toMatchObject({ error: 'gone' })
    expect(await ask(storage, { kind: 'replace', file: 'c', bytes: counting(9) }, 'storageDone')).toMatchObject({ error: 'gone' })
    expect(existsSync(join(directory, 'n'))).toBe(false)
    expect(told).toEqual([`the disk with ${join(directory, 'n')} failed: ${join(directory, 'n')} was removed while it was open`])
    // Whoever hears of it makes another one.
    mkdirSync(join(directory, 'n'))
    expect(await ask(storage, { kind: 'append', file: 'b', position: 0, bytes: counting(9) }, 'appended')).toMatchObject({ error: null })
  })

  test('that are removed here while a sync is under way were synced', async () => {
    const storage = newStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')
    await ask(storage, { kind: 'sync', file: 'a' }, 'synced')
    const synced = ask(storage, { kind: 'sync', file: 'a' }, 'synced')
    storage.startSyncs()
    await ask(storage, { kind: 'remove', files: ['a'] }, 'storageDone')
    expect(await synced).toMatchObject({ error: null, sizeBytes: 9 })
  })

  test('of a thousand logs do not take a thousand descriptors', async () => {
    const storage = newStorage()
    const open = (): number => readdirSync('/proc/self/fd').length
    const before = open()
    for (let i = 0; i < 1000; i++)
      await ask(storage, { kind: 'append', file: 'f', position: 0, bytes: counting(8, i) }, 'appended', `t-${i}.1`)
    expect(open() - before).toBeLessThanOrEqual(256)
    expect((await ask(storage, { kind: 'sync', file: 'f' }, 'synced', 't-0.1')).error).toBeNull()
    const first = await ask(storage, { kind: 'read', file: 'f', position: 0, sizeBytes: 8 }, 'readCompleted', 't-1.1')
    expect(first.records).toEqual(counting(8, 1))
    await storage.close()
    expect(open()).toBeLessThanOrEqual(before)
  })

  test('are closed to make room for others where the process may not have so many', async () => {
    expect(await runLimited('ulimit -n 50', './few-descriptors.ts')).toEqual({ errors: [null], told: [] })
  })

  test('with a sync under way are closed when it is answered', async () => {
    const before = readdirSync('/proc/self/fd').length
    const storage = newStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(9) }, 'appended')
    const synced = ask(storage, { kind: 'sync', file: 'a' }, 'synced')
    const renamed = ask(storage, { kind: 'rename', renames: [] }, 'storageDone')
    expect(storage.pendingSyncs).toBe(2)
    await storage.close()
    expect(storage.pendingSyncs).toBe(0)
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
    expect(await synced).toMatchObject({ error: null, sizeBytes: 9 })
    expect(await renamed).toMatchObject({ error: null })
  })
})

describe('an error of the operating system', () => {
  test.each<[string, Wish, 'appended' | 'storageDone' | 'readCompleted' | 'synced' | 'listed']>([
    ['append', { kind: 'append', file: 'a', position: 0, bytes: counting(3) }, 'appended'],
    ['read', { kind: 'read', file: 'a', position: 0, sizeBytes: 3 }, 'readCompleted'],
    ['sync', { kind: 'sync', file: 'a' }, 'synced'],
    ['truncate', { kind: 'truncate', file: 'a', sizeBytes: 3 }, 'storageDone'],
    ['replace', { kind: 'replace', file: 'a', bytes: counting(3) }, 'storageDone'],
    ['remove', { kind: 'remove', files: ['a'] }, 'storageDone'],
    ['list', { kind: 'list' }, 'listed'],
  ])('at %s is answered: the directory of the log is a file', async (_, wish, kind) => {
    const storage = newStorage('n')
    writeFileSync(join(directory, 'n', 't-0.1'), 'in the way')
    expect(await ask(storage, wish, kind)).toMatchObject({ token: 7, error: 'io' })
  })

  test('for want of room says so', async () => {
    const storage = newStorage('n')
    mkdirSync(join(directory, 'n', 't-0.1'), { recursive: true })
    symlinkSync('/dev/full', join(directory, 'n', 't-0.1', 'a'))
    expect(await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(3) }, 'appended')).toMatchObject({ error: 'full' })
    expect(await ask(storage, { kind: 'replace', file: 'a', bytes: counting(3) }, 'storageDone')).toMatchObject({ error: 'full' })
  })

  test('is told once in a while in its own words, unless something is only missing', async () => {
    const told: string[] = []
    const storage = new FileStorage(join(directory, 'n'), jobs, { onError: (error) => void told.push(error.message) })
    storages.push(storage)
    expect(await ask(storage, { kind: 'read', file: 'a', position: 0, sizeBytes: 3 }, 'readCompleted')).toMatchObject({ error: 'gone' })
    expect(told).toEqual([])
    mkdirSync(join(directory, 'n', 't-0.1'), { recursive: true })
    symlinkSync('/dev/full', join(directory, 'n', 't-0.1', 'a'))
    for (let i = 0; i < 3; i++) await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(3) }, 'appended')
    expect(told).toEqual([`the disk with ${join(directory, 'n')} failed: ENOSPC: no space left on device, write`])
  })

  test('at a file of a directory that is listed is answered', async () => {
    const storage = newStorage('n')
    mkdirSync(join(directory, 'n', 't-0.1'), { recursive: true })
    symlinkSync('a', join(directory, 'n', 't-0.1', 'a'))
    expect(await ask(storage, { kind: 'list' }, 'listed')).toMatchObject({ token: 7, files: [], error: 'io' })
  })

  test('at the directory of all logs is answered: nothing is known that may go', async () => {
    writeFileSync(join(directory, 'n'), 'in the way')
    expect(await ask(newStorage('n'), { kind: 'listLogs' }, 'logsListed')).toMatchObject({ token: 7, logs: [] })
  })

  test('in the middle of a write leaves a part, which is listed and read alike', async () => {
    // A signal that is ignored is an error of the write.
    const said = await runLimited("trap '' XFSZ; ulimit -f 4", './half-write.ts')
    const { error, listed, read: found } = said as { error: string; listed: number; read: number }
    expect(error).toBe('full')
    expect(listed).toBeGreaterThan(100)
    expect(found).toBe(listed)
  })

  test('does not stand in the way of the next operation', async () => {
    const storage = newStorage('n')
    const inTheWay = join(directory, 'n', 't-0.1')
    writeFileSync(inTheWay, '')
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(3) }, 'appended')
    rmSync(inTheWay)
    expect(await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(3) }, 'appended')).toMatchObject({ error: null })
    expect(await ask(storage, { kind: 'sync', file: 'a' }, 'synced')).toMatchObject({ error: null, sizeBytes: 3 })
  })
})
