// Mutants of the checkers: histories with the smallest damage that breaks a promise, and checkers that are switched off one by one.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readSources, walk } from '../tidy/source.ts'
import type { SyntaxNode } from '../tidy/source.ts'
import { damagedHistories } from './damaged/all.ts'
import { PROMISES } from '../../simulation/promises.ts'

describe('a history', () => {
  test.each(damagedHistories)('is sound, until $what: $code', ({ code, play }) => {
    expect(play(false)).toBeNull()
    expect(play(true)).toBe(code)
  })
})

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The codes that the documentation explains. */
const explained = readFileSync(new URL('../../docs/simulation.md', import.meta.url), 'utf8')
  .split('\n')
  .flatMap((line) => /^\| ([A-Z0-9]{2,6}(?:, [A-Z0-9]{2,6})*) \| [^|]+ \|$/.exec(line)?.[1]?.split(', ') ?? [])

/** The codes that a promise is said to be broken with, where they stand in the source: `fail('LOST', …)`, `fail(isOld ? 'BACK' : 'GONE', …)`. */
function codesInSource(): Set<string> {
  const codes = new Set<string>()
  for (const { path, program } of readSources(root, 'simulation')) {
    if (path.startsWith('simulation/mutants/')) continue
    walk(program, (node) => {
      const callee = node['callee'] as SyntaxNode | undefined
      if (node.type !== 'CallExpression' || (callee?.['property'] as SyntaxNode | undefined)?.['name'] !== 'fail') return
      const [code] = node['arguments'] as readonly SyntaxNode[]
      for (const value of code === undefined ? [] : valuesOf(code)) codes.add(value)
    })
  }
  return codes
}

function valuesOf(node: SyntaxNode): string[] {
  if (node.type === 'Literal') return [String(node['value'])]
  return node.type === 'ConditionalExpression'
    ? [...valuesOf(node['consequent'] as SyntaxNode), ...valuesOf(node['alternate'] as SyntaxNode)]
    : []
}

describe('every promise', () => {
  const damaged = new Set(damagedHistories.map(({ code }) => code))

  test('is broken by a damaged history', () => {
    expect(explained.length).toBeGreaterThan(25)
    expect(explained.filter((code) => !damaged.has(code))).toEqual([])
  })

  test('is said in a few words where it is broken', () => {
    expect(Object.keys(PROMISES).toSorted()).toEqual(explained.toSorted())
  })

  test('that can be said to be broken is explained', () => {
    const inSource = codesInSource()
    expect(inSource.size).toBeGreaterThan(20)
    expect([...inSource].filter((code) => !explained.includes(code))).toEqual([])
  })

  test(
    'is watched over wherever a checker says so: each place that is switched off is missed by a history',
    { timeout: 60_000 },
    async () => {
      const program = fileURLToPath(new URL('damaged/main.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(process.execPath, [program])
      const { places, unmissed } = JSON.parse(stdout) as { readonly places: number; readonly unmissed: readonly string[] }
      expect(places).toBeGreaterThan(75)
      expect(unmissed).toEqual([])
    },
  )
})
