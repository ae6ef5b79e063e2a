/** Open files are few: the one used longest ago goes first, never one whose sync is under way. */
import { existsSync, fstatSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OpenFiles } from '../../runtime/open-files.ts'
import type { OpenFile } from '../../runtime/open-files.ts'

let directory: string
let files: OpenFiles

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-open-'))
  files = new OpenFiles(3)
})

afterEach(() => {
  files.closeAll()
  rmSync(directory, { recursive: true, force: true })
})

function open(name: string): OpenFile {
  return files.open(join(directory, name), true)
}

/** Numbers of descriptors are used again: it is still that file's only if it leads to the same file. */
function isOpen({ fd, path }: OpenFile): boolean {
  try {
    return fstatSync(fd).ino === statSync(path).ino
  } catch {
    return false
  }
}

describe('a file', () => {
  test('is opened once', () => {
    expect(open('a')).toBe(open('a'))
  })

  test('is made with its directory, and whoever makes it hears of it once', () => {
    const made: string[] = []
    const path = join(directory, 'x', 'a')
    for (let i = 0; i < 2; i++) files.open(path, true, (one) => void made.push(one))
    files.close(path)
    files.open(path, true, (one) => void made.push(one))
    expect(made).toEqual([path])
  })

  test('is not made by somebody who only reads', () => {
    const path = join(directory, 'x', 'a')
    expect(() => files.open(path, false)).toThrow('ENOENT')
    expect(existsSync(join(directory, 'x'))).toBe(false)
  })

  test('that was there tells its size', () => {
    writeFileSync(join(directory, 'a'), 'twelve bytes')
    expect(open('a').sizeBytes).toBe(12)
  })
})

describe('when there are too many', () => {
  test('the one used longest ago is closed', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(open)
    open('a')
    open('d')
    expect([a!, b!, c!].map(isOpen)).toEqual([true, false, true])
  })

  test('one whose sync is under way stays, even if all are such', () => {
    const three = ['a', 'b', 'c'].map(open)
    for (const file of three) file.syncs = 1
    open('d')
    expect(three.map(isOpen)).toEqual([true, true, true])
    three[1]!.syncs = 0
    open('e')
    expect(three.map(isOpen)).toEqual([true, false, true])
  })
})

describe('closing', () => {
  test('a directory closes what is in it, and not its neighbour of a longer name', () => {
    const [a, b] = [open('logs/a'), open('logs-2/a')]
    files.closeAllIn(join(directory, 'logs'))
    expect([a, b].map(isOpen)).toEqual([false, true])
  })

  test('all closes all, and they may be opened again', () => {
    const a = open('a')
    files.closeAll()
    expect(isOpen(a)).toBe(false)
    expect(isOpen(open('a'))).toBe(true)
  })
})
