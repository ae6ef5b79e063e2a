/**
 * The documentation as a test: every `ts` block of README, CONTRIBUTING and docs/ runs, in a directory of its own; a `text` block right after it
 * is what it prints. Every `npm run` script, every file and every command of `odradek` that is mentioned exists.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { codeBlocks, commandsOf, filesOf, scriptsOf } from './docs/blocks.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const scratch = join(root, '.tmp', `docs-${process.pid}`)
const documents = ['README.md', 'CONTRIBUTING.md', ...markdownBelow('docs')]
const texts = documents.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const blocks = texts.flatMap(({ path, text }) => codeBlocks(path, text))
const programs = blocks.filter(({ language }) => language === 'ts')

beforeEach(() => {
  const before = process.cwd()
  const directory = mkdtempSync(join(tmpdir(), 'odradek-docs-'))
  process.chdir(directory)
  return () => {
    process.chdir(before)
    rmSync(directory, { recursive: true, force: true })
  }
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the documentation', () => {
  test('has programs', () => expect(programs.length).toBeGreaterThanOrEqual(3))

  test.each(programs)('runs: $name', async ({ name, code, output }) => {
    const printed: string[] = []
    const log = vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => void printed.push(parts.join(' ')))
    try {
      await import(/* @vite-ignore */ writeProgram(name, code))
    } finally {
      log.mockRestore()
    }
    if (output !== null) expect(printed.join('\n')).toBe(output.trim())
  })

  test('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const mentioned = texts.flatMap(({ text }) => scriptsOf(text))
    expect(mentioned.length).toBeGreaterThan(5)
    expect(mentioned.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  test('links to files that exist', () => {
    const links = texts.flatMap(({ path, text }) => filesOf(text).map((link) => join(dirname(path), link)))
    expect(links.length).toBeGreaterThan(5)
    expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([])
  })

  test('names commands that exist', () => {
    const commands = readdirSync(join(root, 'edge/cli')).map((name) => name.replace('.ts', ''))
    const mentioned = texts.flatMap(({ text }) => commandsOf(text))
    expect(mentioned.length).toBeGreaterThan(3)
    expect(mentioned.filter((name) => !commands.includes(name))).toEqual([])
  })
})

describe('a reader of documentation', () => {
  test('finds blocks, their language, and the output that follows', () => {
    const text = 'a\n```ts\nconst x = 1\n```\n\n```text\n1\n```\n\n```ts\ny\n```\nwords\n```text\nz\n```\n```\nplain\n```\n'
    const found = codeBlocks('a.md', text).map(({ language, code, output, line }) => [language, code, output, line])
    expect(found).toEqual([
      ['ts', 'const x = 1', '1', 2],
      ['text', '1', null, 6],
      ['ts', 'y', null, 10],
      ['text', 'z', null, 14],
      ['', 'plain', null, 17],
    ])
  })

  test('finds scripts, commands and links', () => {
    const text =
      '`npm run -s a:b -- X`, `npm start`\n```sh\nnpm ci && npm test\nodradek topics list | odradek produce x\n```\n[x](docs/a.md#b) [y](https://z)'
    expect(scriptsOf(text)).toEqual(['a:b', 'start', 'test'])
    expect(commandsOf(text)).toEqual(['topics', 'produce'])
    expect(filesOf(text)).toEqual(['docs/a.md'])
  })
})

function markdownBelow(directory: string): string[] {
  const names = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  return names.toSorted().map((name) => join(directory, name))
}

/** Programs are written inside the checkout, because there `odradek` means the sources. */
function writeProgram(name: string, code: string): string {
  mkdirSync(scratch, { recursive: true })
  const path = join(scratch, `${name.replaceAll(/[^a-zA-Z0-9]+/g, '-')}.ts`)
  writeFileSync(path, code)
  return pathToFileURL(path).href
}
