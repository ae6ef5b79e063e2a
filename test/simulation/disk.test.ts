import { describe, expect, test } from 'vitest'
import type { StorageEffect } from '../../actors/effect.ts'
import type { StorageAnswer } from '../../protocol/messages/storage.ts'
import { Disk } from '../../simulation/disk.ts'
import { rotBytes } from '../../simulation/disk-file.ts'
import { Faults, noFaults } from '../../simulation/faults.ts'
import type { FaultOptions } from '../../simulation/faults.ts'
import { World } from '../../simulation/world.ts'

const FILE = '00000000000000000000.log'

describe('a simulated disk', () => {
  test('answers in the order of the effects and shows what was appended', () => {
    const { answers, disk, world } = newDisk()
    submit(disk, answers, append(0, 'abc'), append(3, 'def'), { kind: 'sync', log: 'l', file: FILE, token: 3 }, read(1, 10))
    world.runUntil(1_000_000)
    expect(answers.map(({ kind }) => kind)).toEqual(['appended', 'appended', 'synced', 'readCompleted'])
    expect(answers[2]).toMatchObject({ sizeBytes: 6, error: null })
    expect(answers[3]).toMatchObject({ records: bytes('bcdef') })
  })

  test('copies the bytes that it borrows', () => {
    const { answers, disk, world } = newDisk()
    const borrowed = bytes('abc')
    submit(disk, answers, { ...append(0, ''), bytes: borrowed })
    borrowed.fill(0)
    submit(disk, answers, read(0, 3))
    world.runUntil(1_000_000)
    expect(answers[1]).toMatchObject({ records: bytes('abc') })
  })

  test('a kill keeps the page cache', () => {
    const { answers, disk, world } = newDisk()
    submit(disk, answers, append(0, 'abc'))
    world.runUntil(1_000_000)
    disk.crash(false)
    expect(disk.files('l').get(FILE)?.sizeBytes).toBe(3)
  })

  test('a power loss keeps what is synced, and over many seeds both keeps and takes the rest', () => {
    const sizes = new Set<number>()
    for (let seed = 1; seed <= 50; seed++) {
      const { answers, disk, world } = newDisk(seed)
      submit(disk, answers, append(0, 'abc'), { kind: 'sync', log: 'l', file: FILE, token: 2 }, append(3, 'def'))
      world.runUntil(1_000_000)
      disk.crash(true)
      sizes.add(disk.files('l').get(FILE)?.sizeBytes ?? -1)
    }
    expect([...sizes].toSorted((a, b) => a - b)).toEqual([3, 6])
  })

  test('a file that was never synced may vanish', () => {
    const isThere = new Set<boolean>()
    for (let seed = 1; seed <= 50; seed++) {
      const { answers, disk, world } = newDisk(seed)
      submit(disk, answers, append(0, 'abc'))
      world.runUntil(1_000_000)
      disk.crash(true)
      isThere.add(disk.files('l').has(FILE))
    }
    expect(isThere.size).toBe(2)
  })

  test('after a failed sync, a later one does not bring back what was lost', () => {
    const { answers, disk, world, faults } = newDisk(1, { syncError: 1_000_000 })
    submit(disk, answers, append(0, 'abc'), { kind: 'sync', log: 'l', file: FILE, token: 2 })
    world.runUntil(1_000_000)
    faults.active = false
    submit(disk, answers, { kind: 'sync', log: 'l', file: FILE, token: 3 })
    world.runUntil(2_000_000)
    expect(answers.map((answer) => 'error' in answer && answer.error)).toEqual([null, 'io', null])
    expect(disk.files('l').get(FILE)?.durableBytes).toBe(0)
  })

  test('what a failed sync has lost is durable again when it is written again and synced', () => {
    const { answers, disk, faults, world } = newDisk(1, { syncError: 1_000_000 })
    submit(disk, answers, append(0, 'abcdef'), { kind: 'sync', log: 'l', file: FILE, token: 2 })
    world.runUntil(1_000_000)
    faults.active = false
    for (const [position, text, durable] of [
      [3, 'def', 0],
      [0, 'ab', 2],
      [2, 'cdef', 6],
    ] as const) {
      submit(disk, answers, { kind: 'rewrite', log: 'l', file: FILE, position, bytes: bytes(text), token: 3 })
      submit(disk, answers, { kind: 'sync', log: 'l', file: FILE, token: 4 })
      world.runUntil(world.nowMicros + 1_000_000)
      expect(disk.files('l').get(FILE)?.durableBytes).toBe(durable)
    }
    submit(disk, answers, { kind: 'rewrite', log: 'l', file: FILE, position: 0, bytes: bytes('x'), token: 5 })
    world.runUntil(world.nowMicros + 1_000_000)
    expect(world.violation?.code).toBe('ASSERT')
  })

  test('a replaced file comes back old, new or not at all, but as it is once it is synced', () => {
    const contents = { unsynced: new Set<number>(), synced: new Set<number>() }
    for (let seed = 1; seed <= 50; seed++) {
      for (const kind of ['unsynced', 'synced'] as const) {
        const { answers, disk, world } = newDisk(seed)
        submit(disk, answers, { kind: 'replace', log: 'l', file: FILE, bytes: bytes('abc'), token: 1 })
        if (kind === 'synced') submit(disk, answers, { kind: 'sync', log: 'l', file: FILE, token: 2 })
        world.runUntil(1_000_000)
        disk.crash(true)
        contents[kind].add(disk.files('l').get(FILE)?.sizeBytes ?? -1)
      }
    }
    expect([...contents.unsynced].toSorted((a, b) => a - b)).toEqual([-1, 3])
    expect([...contents.synced]).toEqual([3])
  })

  test('what is written over rot, and cut before it is synced, is gone', () => {
    const { answers, disk, world } = newDisk()
    submit(disk, answers, append(0, 'abcdef'), { kind: 'sync', log: 'l', file: FILE, token: 2 })
    world.runUntil(1_000_000)
    const file = disk.files('l').get(FILE)!
    rotBytes(file, 4, bytes('x'))
    submit(disk, answers, { kind: 'rewrite', log: 'l', file: FILE, position: 3, bytes: bytes('def'), token: 3 })
    submit(
      disk,
      answers,
      { kind: 'truncate', log: 'l', file: FILE, sizeBytes: 3, token: 4 },
      { kind: 'sync', log: 'l', file: FILE, token: 5 },
    )
    submit(disk, answers, read(0, 10))
    world.runUntil(2_000_000)
    expect(answers.at(-1)).toMatchObject({ records: bytes('abc') })
  })

  test('a full disk tears the file that is replaced', () => {
    const { answers, disk, world } = newDisk()
    disk.fullUntil = 1_000_000
    submit(disk, answers, { kind: 'replace', log: 'l', file: FILE, bytes: bytes('abc'), token: 1 })
    world.runUntil(1_000_000)
    expect(answers).toEqual([{ kind: 'storageDone', token: 1, error: 'full' }])
    expect(disk.files('l').get(FILE)?.sizeBytes).toBeLessThan(3)
  })

  test('a full disk fails appends, with some of the bytes or none, and truncation mends the file', () => {
    const { answers, disk, world } = newDisk()
    submit(disk, answers, append(0, 'abc'))
    world.runUntil(1_000_000)
    disk.fullUntil = 2_000_000
    submit(disk, answers, append(3, 'def'))
    world.runUntil(2_000_000)
    submit(disk, answers, { kind: 'truncate', log: 'l', file: FILE, sizeBytes: 3, token: 3 }, append(3, 'ghi'), read(0, 10))
    world.runUntil(3_000_000)
    expect(answers[1]).toMatchObject({ kind: 'appended', error: 'full' })
    expect(answers[4]).toMatchObject({ records: bytes('abcghi') })
  })
})

function newDisk(seed = 1, options: Partial<FaultOptions> = {}): { world: World; disk: Disk; faults: Faults; answers: StorageAnswer[] } {
  const world = new World(seed)
  const faults = new Faults(seed, { ...noFaults(), ...options })
  return { world, faults, disk: new Disk(world, { node: 0, crashesAt: () => false }, faults), answers: [] }
}

function submit(disk: Disk, answers: StorageAnswer[], ...effects: readonly StorageEffect[]): void {
  for (const effect of effects) disk.submit(effect, (answer) => answers.push(answer))
}

function append(position: number, text: string): Extract<StorageEffect, { kind: 'append' }> {
  return { kind: 'append', log: 'l', file: FILE, position, bytes: bytes(text), token: 1 }
}

function read(position: number, sizeBytes: number): StorageEffect {
  return { kind: 'read', log: 'l', file: FILE, position, sizeBytes, token: 1 }
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(new TextEncoder().encode(text))
}
