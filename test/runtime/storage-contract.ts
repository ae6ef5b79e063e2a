/**
 * What every storage owes to the hosts, as one suite: the same tests run against files and against memory.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StorageEffect } from '../../actors/effect.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { StorageAnswer } from '../../protocol/messages/storage.ts'
import type { Storage } from '../../runtime/storage.ts'
import { logOf, orderOf, written } from '../protocol/cleaning-support.ts'

/** An effect without its token and log. */
export type Wish = StorageEffect extends infer Effect ? (Effect extends StorageEffect ? Omit<Effect, 'token' | 'log'> : never) : never

/** Asks for something in the log `t-0.1`; resolves with the answer. */
export function ask<Kind extends StorageAnswer['kind']>(storage: Storage, wish: Wish, kind: Kind, log = 't-0.1'): Promise<MessageOf<Kind>> {
  return new Promise((resolve, reject) => {
    storage.perform({ log, token: 7, ...wish } as StorageEffect, (answer) => {
      if (answer.kind === kind) resolve(answer as MessageOf<Kind>)
      else reject(new Error(`${answer.kind} instead of ${kind}`))
    })
    storage.startSyncs()
  })
}

/** The content of a file, or of a part of it. */
export async function read(storage: Storage, file: string, position = 0, sizeBytes = 1e6): Promise<Uint8Array> {
  return (await ask(storage, { kind: 'read', file, position, sizeBytes }, 'readCompleted')).records ?? new Uint8Array(0)
}

/** Bytes that count from `first` on. */
export function counting(sizeBytes: number, first = 0): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (first + i * 7) & 0xff)
}

/** Runs the suite; each test has a storage of its own. */
export function describeStorage(newStorage: () => Storage): void {
  describe('a file', () => testFile(newStorage))
  describe('the content of a file', () => testContent(newStorage))
  describe('a directory', () => testDirectory(newStorage))
  describe('a log', () => testNames(newStorage))
  describe('answers', () => testAnswers(newStorage))
}

function testFile(newStorage: () => Storage): void {
  test('is read back as it was appended', async () => {
    const storage = newStorage()
    expect(await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(10) }, 'appended')).toEqual({
      kind: 'appended',
      token: 7,
      error: null,
    })
    await ask(storage, { kind: 'append', file: 'a', position: 10, bytes: counting(5, 70) }, 'appended')
    expect(await read(storage, 'a')).toEqual(counting(15))
    expect(await read(storage, 'a', 3, 4)).toEqual(counting(4, 21))
  })

  test('is read short at its end, and gives nothing behind it', async () => {
    const storage = newStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(10) }, 'appended')
    expect(await read(storage, 'a', 8, 100)).toEqual(counting(2, 56))
    expect((await read(storage, 'a', 10, 100)).length + (await read(storage, 'a', 99, 1)).length).toBe(0)
    expect((await read(storage, 'none')).length).toBe(0)
  })

  test('does not change with the bytes that were lent for an append', async () => {
    const storage = newStorage()
    const bytes = counting(10)
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes }, 'appended')
    bytes.fill(0)
    expect(await read(storage, 'a')).toEqual(counting(10))
    ;(await read(storage, 'a')).fill(0)
    expect(await read(storage, 'a')).toEqual(counting(10))
  })

  test('is the same after a rewrite, which makes no file', async () => {
    const storage = newStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(10) }, 'appended')
    const bytes = counting(10).slice(3, 8)
    expect(await ask(storage, { kind: 'rewrite', file: 'a', position: 3, bytes }, 'storageDone')).toMatchObject({ error: null })
    expect(await read(storage, 'a')).toEqual(counting(10))
    await ask(storage, { kind: 'append', file: 'a', position: 10, bytes: counting(5, 70) }, 'appended')
    expect(await read(storage, 'a')).toEqual(counting(15))
    await ask(storage, { kind: 'rewrite', file: 'none', position: 0, bytes }, 'storageDone')
    expect((await ask(storage, { kind: 'list' }, 'listed')).files.map(({ name }) => name)).toEqual(['a'])
  })

  test('is replaced whole', async () => {
    const storage = newStorage()
    for (const bytes of [counting(3, 9), counting(100), counting(0), counting(7)]) {
      expect(await ask(storage, { kind: 'replace', file: 'c', bytes }, 'storageDone')).toEqual({
        kind: 'storageDone',
        token: 7,
        error: null,
      })
      expect(await read(storage, 'c')).toEqual(bytes)
    }
  })
}

function testContent(newStorage: () => Storage): void {
  test('is what was appended and cut, whatever the sizes', async () => {
    const step = fc.record({ kind: fc.constantFrom('append', 'append', 'truncate', 'read'), size: fc.nat({ max: 100_000 }), at: fc.nat() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const storage = newStorage()
        let model = new Uint8Array(0)
        for (const { kind, size, at } of steps) {
          const position = at % (model.length + 1)
          if (kind === 'append') {
            await ask(storage, { kind, file: 'a', position: model.length, bytes: counting(size, at) }, 'appended')
            model = Uint8Array.from([...model, ...counting(size, at)])
          } else if (kind === 'truncate' && model.length > 0) {
            await ask(storage, { kind, file: 'a', sizeBytes: position }, 'storageDone')
            model = model.slice(0, position)
          } else expect(Buffer.compare(await read(storage, 'a', position, size), model.subarray(position, position + size))).toBe(0)
        }
        expect(Buffer.compare(await read(storage, 'a', 0, 2e6), model)).toBe(0)
        await storage.close()
      }),
      { numRuns: 15, seed: 1883 },
    )
  })
}

function testDirectory(newStorage: () => Storage): void {
  test('lists its files by name, with their sizes', async () => {
    const storage = newStorage()
    expect(await ask(storage, { kind: 'list' }, 'listed')).toEqual({ kind: 'listed', token: 7, files: [], error: null })
    await ask(storage, { kind: 'append', file: 'b', position: 0, bytes: counting(10) }, 'appended')
    await ask(storage, { kind: 'replace', file: 'a', bytes: counting(3) }, 'storageDone')
    await ask(storage, { kind: 'truncate', file: 'b', sizeBytes: 4 }, 'storageDone')
    expect((await ask(storage, { kind: 'list' }, 'listed')).files).toEqual([
      { name: 'a', sizeBytes: 3 },
      { name: 'b', sizeBytes: 4 },
    ])
  })

  test('loses files that are removed; those that are not there are gone already', async () => {
    const storage = newStorage()
    for (const file of ['a', 'b', 'c']) await ask(storage, { kind: 'append', file, position: 0, bytes: counting(10) }, 'appended')
    expect(await ask(storage, { kind: 'remove', files: ['a', 'x', 'c'] }, 'storageDone')).toMatchObject({ error: null })
    expect((await ask(storage, { kind: 'list' }, 'listed')).files.map(({ name }) => name)).toEqual(['b'])
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(2, 5) }, 'appended')
    expect(await read(storage, 'a')).toEqual(counting(2, 5))
  })

  test('is listed among the others until it is removed', async () => {
    const storage = newStorage()
    for (const log of ['b-0.2', 'a-10.1', 'a-9.1'])
      await ask(storage, { kind: 'append', file: 'f', position: 0, bytes: counting(1) }, 'appended', log)
    expect((await ask(storage, { kind: 'listLogs' }, 'logsListed')).logs).toEqual(['a-10.1', 'a-9.1', 'b-0.2'])
    expect(await ask(storage, { kind: 'remove', files: null }, 'storageDone', 'a-9.1')).toMatchObject({ error: null })
    expect((await ask(storage, { kind: 'listLogs' }, 'logsListed')).logs).toEqual(['a-10.1', 'b-0.2'])
    expect((await ask(storage, { kind: 'list' }, 'listed', 'a-9.1')).files).toEqual([])
  })
}

function testNames(newStorage: () => Storage): void {
  test('loses files later, but their names are free at once', async () => {
    const storage = newStorage()
    for (const file of ['a', 'b']) await ask(storage, { kind: 'append', file, position: 0, bytes: counting(10) }, 'appended')
    const removed = ask(storage, { kind: 'remove', files: ['a', 'x'], later: true }, 'storageDone')
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(2, 5) }, 'appended')
    expect(await removed).toMatchObject({ error: null })
    expect((await ask(storage, { kind: 'list' }, 'listed')).files.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(await read(storage, 'a')).toEqual(counting(2, 5))
  })

  test('has files under other names when they are renamed', async () => {
    const storage = newStorage()
    for (const file of ['a', 'b']) await ask(storage, { kind: 'append', file, position: 0, bytes: counting(10) }, 'appended')
    const renames = [
      { from: 'a', to: 'c' },
      { from: 'b', to: 'a' },
    ]
    expect(await ask(storage, { kind: 'rename', renames }, 'storageDone')).toMatchObject({ error: null })
    expect((await ask(storage, { kind: 'list' }, 'listed')).files.map(({ name }) => name)).toEqual(['a', 'c'])
    await ask(storage, { kind: 'append', file: 'c', position: 10, bytes: counting(5, 70) }, 'appended')
    expect(await read(storage, 'c')).toEqual(counting(15))
  })

  test('has segments cleaned into new files; the old ones stay', async () => {
    const storage = newStorage()
    const log = logOf([written(['a=1', 'b=1'])], [written(['a=2'])])
    for (const [file, bytes] of log.files) await ask(storage, { kind: 'append', file, position: 0, bytes }, 'appended')
    const { cleaned, error } = await ask(storage, { kind: 'compact', order: orderOf(log) }, 'compacted')
    expect(error).toBeNull()
    expect(cleaned).toMatchObject({ cleanedOffset: 3, outputs: [{ file: '0.cleaned', baseOffset: 0, endOffset: 3 }] })
    expect((await read(storage, '0.cleaned')).length).toBe(cleaned?.outputs[0]?.sizeBytes)
    expect((await ask(storage, { kind: 'list' }, 'listed')).files.map(({ name }) => name)).toEqual(['0.cleaned', '0.log', '2.log'])
    const damaged = orderOf(log, { inputs: orderOf(log).inputs.map((input) => ({ ...input, endOffset: 99, outputFile: 'other' })) })
    expect(await ask(storage, { kind: 'compact', order: damaged }, 'compacted')).toMatchObject({ cleaned: null, error: 'damaged' })
    expect((await ask(storage, { kind: 'list' }, 'listed')).files).toHaveLength(3)
  })
}

function testAnswers(newStorage: () => Storage): void {
  test('come in the order of the effects', () => {
    const storage = newStorage()
    const tokens: number[] = []
    const wishes: Wish[] = [
      { kind: 'append', file: 'a', position: 0, bytes: counting(5) },
      { kind: 'read', file: 'a', position: 0, sizeBytes: 5 },
      { kind: 'truncate', file: 'a', sizeBytes: 1 },
      { kind: 'list' },
      { kind: 'replace', file: 'c', bytes: counting(5) },
      { kind: 'remove', files: ['a'] },
      { kind: 'listLogs' },
    ]
    wishes.forEach((wish, token) => {
      storage.perform({ log: 't-0.1', ...wish, token } as StorageEffect, (answer) => void tokens.push(answer.token))
    })
    expect(tokens).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  test('to a sync say how much of the file it was for', async () => {
    const storage = newStorage()
    await ask(storage, { kind: 'append', file: 'a', position: 0, bytes: counting(10) }, 'appended')
    const first = ask(storage, { kind: 'sync', file: 'a' }, 'synced')
    await ask(storage, { kind: 'append', file: 'a', position: 10, bytes: counting(10) }, 'appended')
    expect(await first).toEqual({ kind: 'synced', token: 7, file: 'a', sizeBytes: 10, error: null })
    expect((await ask(storage, { kind: 'sync', file: 'a' }, 'synced')).sizeBytes).toBe(20)
    expect(storage.pendingSyncs).toBe(0)
  })

  test('to syncs of one cycle come to all who asked', async () => {
    const storage = newStorage()
    for (const file of ['a', 'b']) await ask(storage, { kind: 'append', file, position: 0, bytes: counting(10) }, 'appended')
    const answers = await new Promise<StorageAnswer[]>((resolve) => {
      const got: StorageAnswer[] = []
      ;['a', 'b', 'a', 'a'].forEach((file, token) => {
        storage.perform({ kind: 'sync', log: 't-0.1', file, token }, (answer) => {
          if (got.push(answer) === 4) resolve(got)
        })
      })
      storage.startSyncs()
    })
    expect(answers.map(({ token }) => token).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    expect(answers.filter((answer) => answer.kind === 'synced' && answer.file === 'a').map(({ token }) => token)).toEqual([0, 2, 3])
  })
}
