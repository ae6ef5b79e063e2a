/**
 * The architecture as a test: the rooms and who may import whom, the purity of the engine, sizes with a ratchet that may only shrink, headers and
 * doc comments. It also proves itself: each rule is shown a bad sample, and each room must really have been read.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  PURE_ROOMS,
  ROOM_IMPORTS,
  checkDeterminism,
  checkEmittedPaths,
  checkHeader,
  checkImports,
  checkLanguage,
  checkPurity,
  checkReminders,
  fileLines,
  functionLines,
  roomOf,
  undocumentedExports,
} from './tidy/rules.ts'
import { parseSource, readSources } from './tidy/source.ts'
import type { Finding } from './tidy/source.ts'

/** What exceeds a stop today, by `path` or `path#name`. Entries may shrink or go, never grow or come: the count below is the other half of the lock. */
interface Ratchet {
  readonly files: Readonly<Record<string, number>>
  readonly functions: Readonly<Record<string, number>>
  readonly undocumented: readonly string[]
}

/** How many entries the ratchet may have: lower it whenever one goes. */
const RATCHET_ENTRIES_MAX = 0

/** Fewer files than this in a room, and the check has not really looked. */
const FILES_MIN: Readonly<Record<string, number>> = {
  protocol: 20,
  partitions: 8,
  coordinator: 3,
  actors: 6,
  runtime: 12,
  simulation: 8,
  edge: 12,
  testing: 8,
  test: 30,
  bench: 3,
  examples: 3,
  scripts: 2,
}

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = Object.keys(FILES_MIN).flatMap((directory) => readSources(root, directory))
const rooms = sources.filter(({ path }) => roomOf(path) !== null)
const outsideTests = sources.filter(({ path }) => !path.endsWith('.test.ts'))
const ratchet = JSON.parse(readFileSync(new URL('tidy-ratchet.json', import.meta.url), 'utf8')) as Ratchet

describe('the code base', () => {
  test.each(Object.entries(FILES_MIN))('has really been read: %s holds at least %i files', (directory, count) => {
    const read = sources.filter(({ path }) => path.startsWith(`${directory}/`))
    expect(read.length).toBeGreaterThanOrEqual(count)
    expect(read.reduce((sum, { text }) => sum + text.length, 0)).toBeGreaterThan(count * 200)
  })

  test('has no source directory that nobody checks', () => {
    const directories = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    const unchecked = directories.map(({ name }) => name).filter((name) => !Object.hasOwn(FILES_MIN, name))
    expect(unchecked.filter((name) => !['node_modules', 'dist', 'data', 'docs', 'coverage'].includes(name))).toEqual([])
  })

  test('imports along the table of rooms', () => expectNone(rooms.flatMap(checkImports)))
  test('is pure from protocol to actors', () => expectNone(rooms.flatMap(checkPurity)))
  test('draws no unseeded numbers in the simulator', () => expectNone(rooms.flatMap(checkDeterminism)))
  test('has no any, enum, namespace, default export or inheritance', () => expectNone(sources.flatMap(checkLanguage)))
  test('has no paths that break when it is built', () => expectNone(sources.flatMap(checkEmittedPaths)))
  test('has no reminders', () => expectNone(sources.filter(({ path }) => !path.startsWith('test/tidy')).flatMap(checkReminders)))
  test('says at the top of each file what it decides', () => expectNone(outsideTests.flatMap(checkHeader)))
})

describe('the ratchet', () => {
  test('holds for files', () => {
    const big = sources.map((file) => [file.path, fileLines(file)] as const).filter(([, lines]) => lines > FILE_LINES_MAX)
    expect(Object.fromEntries(big)).toEqual(ratchet.files)
  })

  test('holds for functions', () => {
    const big = sources.flatMap((file) => functionLines(file).map(({ name, lines }) => [`${file.path}#${name}`, lines] as const))
    expect(Object.fromEntries(big.filter(([, lines]) => lines > FUNCTION_LINES_MAX))).toEqual(ratchet.functions)
  })

  test('holds for exports without a doc comment', () => {
    const bare = outsideTests.flatMap((file) => undocumentedExports(file).map(({ name }) => `${file.path}#${name}`))
    expect(bare).toEqual(ratchet.undocumented)
  })

  test('only shrinks', () => {
    const count = Object.keys(ratchet.files).length + Object.keys(ratchet.functions).length + ratchet.undocumented.length
    expect(count, 'lower RATCHET_ENTRIES_MAX when an entry goes; never raise it').toBe(RATCHET_ENTRIES_MAX)
  })
})

describe('a rule finds', () => {
  test.each([
    ['protocol/a.ts', '../partitions/log.ts'],
    ['partitions/a.ts', '../coordinator/quorum.ts'],
    ['coordinator/groups/a.ts', '../../actors/actor.ts'],
    ['actors/a.ts', '../runtime/codec.ts'],
    ['runtime/a.ts', '../actors/replica.ts'],
    ['runtime/a.ts', '../partitions/log.ts'],
    ['simulation/a.ts', '../runtime/storage.ts'],
    ['edge/client/a.ts', '../../partitions/log.ts'],
    ['edge/client/a.ts', '../../test/helper.ts'],
    ['protocol/a.ts', 'msgpackr'],
    ['actors/a.ts', 'node:fs'],
  ])('that %s imports %s', (path, specifier) => {
    const forms = [
      `import { x } from '${specifier}'`,
      `import type { X } from '${specifier}'`,
      `export { x } from '${specifier}'`,
      `export * from '${specifier}'`,
      `const x = await import('${specifier}')`,
      `type X = import('${specifier}').X`,
      `const x = new URL('${specifier}', import.meta.url)`,
    ]
    for (const form of forms) expect(checkImports(parseSource(path, form)), form).toHaveLength(1)
  })

  test.each([
    ['runtime/a.ts', '../actors/actor.ts'],
    ['runtime/a.ts', '../actors/effect.ts'],
    ['simulation/a.ts', '../runtime/codec.ts'],
    ['edge/cli/a.ts', '../client/index.ts'],
    ['edge/cli/a.ts', 'commander'],
    ['test/a.ts', '../partitions/log.ts'],
  ])('nothing where %s imports %s', (path, specifier) => {
    expect(checkImports(parseSource(path, `import { x } from '${specifier}'`))).toEqual([])
    expect(checkImports(parseSource(path, "const root = new URL('../../', import.meta.url)"))).toEqual([])
  })

  test.each([
    'const now = Date.now()',
    'const x = Math.random()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'queueMicrotask(f)',
    'const x = process.pid',
    'const x = performance.now()',
    'const x = Buffer.alloc(1)',
    'async function f() {}',
    'const f = async () => 1',
    'function f(): Promise<void> {}',
    'const x = { async f() {} }',
    'const x = { process }',
    'const x = globalThis.Date',
    'await x',
  ])('%s in a pure room, and only there', (text) => {
    for (const room of PURE_ROOMS) expect(checkPurity(parseSource(`${room}/a.ts`, text))).not.toEqual([])
    expect(checkPurity(parseSource('runtime/a.ts', text))).toEqual([])
  })

  test('nothing impure in words that only look like it', () => {
    const text =
      '// Date\nconst x = { process: 1, "Date": 2 }; const y = x.process + x.performance + "setTimeout"; const z = Math.max(1, 2)'
    expect(checkPurity(parseSource('protocol/a.ts', text))).toEqual([])
  })

  test('Math.random in the simulator', () => {
    expect(checkDeterminism(parseSource('simulation/a.ts', 'const x = Math.random()'))).toHaveLength(1)
  })

  test.each(['let x: any', 'enum E { A }', 'namespace N { const x = 1 }', 'class A extends B {}', 'export default 1'])('%s', (text) => {
    expect(checkLanguage(parseSource('edge/a.ts', text))).toHaveLength(1)
    expect(checkLanguage(parseSource('edge/a.ts', 'class A extends Error {}; let x: unknown'))).toEqual([])
  })

  test('a path that breaks when it is built', () => {
    expect(checkEmittedPaths(parseSource('runtime/a.ts', "new Worker(new URL('./worker.ts', import.meta.url))"))).toHaveLength(1)
    expect(
      checkEmittedPaths(parseSource('runtime/a.ts', "import { x } from './x.ts'; export * from '../y.ts'; await import('./z.ts')")),
    ).toEqual([])
  })

  test('a reminder', () => {
    expect(checkReminders(parseSource('edge/a.ts', '// TODO later\nconst x = "TODO"'))).toHaveLength(1)
  })

  test('a file without a header', () => {
    const header = '/** What this file decides, in one sentence that is long enough. */'
    expect(checkHeader(parseSource('edge/a.ts', 'const x = 1'))).toHaveLength(1)
    expect(checkHeader(parseSource('edge/a.ts', `const x = 1\n${header}`))).toHaveLength(1)
    expect(checkHeader(parseSource('edge/a.ts', '// short\nconst x = 1'))).toHaveLength(1)
    expect(checkHeader(parseSource('edge/a.ts', `${header}\nconst x = 1`))).toEqual([])
    expect(checkHeader(parseSource('edge/a.ts', `#!/usr/bin/env node\n${header}\nconst x = 1`))).toEqual([])
  })

  test('an export without a doc comment', () => {
    const text =
      'export const a = 1\n/** b. */\nexport const b = 1\n// c\nexport function c() {}\n/** d */\n\nconst x = 1\nexport type D = 1\n/***/export class E {}'
    expect(undocumentedExports(parseSource('edge/a.ts', text)).map(({ name }) => name)).toEqual(['a', 'c', 'D', 'E'])
  })

  test('big files and functions', () => {
    const body = 'x()\n'.repeat(FUNCTION_LINES_MAX)
    const file = parseSource(
      'edge/a.ts',
      `function f() {\n${body}}\nconst o = { m() {\n${body}} }\ndescribe('s', () => {\n${body}})\ntest('t', () => {\n${body}})`,
    )
    expect(
      functionLines(file)
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map(({ name }) => name),
    ).toEqual(['f', 'm', '(callback of test)'])
    expect(fileLines(parseSource('edge/a.ts', 'x()\n'.repeat(FILE_LINES_MAX + 1)))).toBe(FILE_LINES_MAX + 1)
  })

  test('every room in the table', () => {
    expect(Object.keys(ROOM_IMPORTS).every((room) => Object.hasOwn(FILES_MIN, room))).toBe(true)
  })
})

function expectNone(findings: readonly Finding[]): void {
  expect(findings.map(({ path, line, message }) => `${path}:${line} ${message}`)).toEqual([])
}
