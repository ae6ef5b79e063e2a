/** Storage in memory keeps the contract of all storages, and forgets. */
import { describe, expect, test } from 'vitest'
import { MemoryStorage } from '../../runtime/memory-storage.ts'
import { ask, counting, describeStorage, read } from './storage-contract.ts'

describeStorage(() => new MemoryStorage())

describe('memory', () => {
  test('is empty when it is closed', async () => {
    const storage = new MemoryStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(5) }, 'appended')
    await storage.close()
    expect((await ask(storage, { kind: 'listLogs' }, 'logsListed')).logs).toEqual([])
  })

  test('is not copied when a large file grows: what was read before stays as it was', async () => {
    const storage = new MemoryStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(200_000) }, 'appended')
    const before = await read(storage, 'a', 65_000, 2000)
    await ask(storage, { kind: 'append', file: 'a', position: 200_000, bytes: counting(10) }, 'appended')
    expect(before).toEqual(counting(200_000).subarray(65_000, 67_000))
    expect((await read(storage, 'a')).length).toBe(200_010)
  })
})
