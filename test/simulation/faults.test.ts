// The fault atlas says what is in the source, and nothing else.

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FAULT_KINDS, FAULT_RANGES } from '../../simulation/faults.ts'
import { mutants } from '../../simulation/mutants/catalogue.ts'

interface Entry {
  readonly kind: string
  readonly what: string
  readonly from: string
  readonly to: string
  readonly attacks: string
  readonly found: string
}

const root = new URL('../../', import.meta.url)
const atlas = readFileSync(new URL('docs/faults.md', root), 'utf8')
const properties = readFileSync(new URL('docs/simulation.md', root), 'utf8')
const source = readFileSync(new URL('simulation/faults.ts', root), 'utf8')

const entries: readonly Entry[] = atlas.split('\n').flatMap((line) => {
  const [, kind, what = '', from = '', to = '', attacks = '', found = ''] = line.split('|').map((cell) => cell.trim())
  const name = /^`(\w+)`$/.exec(kind ?? '')?.[1]
  return name === undefined ? [] : [{ kind: name, what, from, to, attacks, found }]
})

/** What the numbers of a kind are: the source says so above its option. */
function unitOf(kind: string): string {
  const comment = new RegExp(String.raw`/\*\* (\w+)[^\n]*\*/\n  readonly ${kind}: number`).exec(source)?.[1]
  return comment === 'Share' ? ' per million' : comment === 'Mean' ? ' ms' : ''
}

/** Their finds are those of other kinds, too. */
const UNPROVEN = ['clockDrift', 'lateTimer', 'queueOverflow', 'rebalanceStorm']

describe('the fault atlas', () => {
  test('has a find for every kind but a few', () => {
    expect(entries.flatMap(({ kind, found }) => (found === '—' ? [kind] : [])).toSorted()).toEqual(UNPROVEN)
  })

  test('has every kind, once, and nothing else', () => {
    expect(entries.map(({ kind }) => kind).toSorted()).toEqual([...FAULT_KINDS].toSorted())
  })

  test.each(entries)('says between which numbers $kind is drawn', ({ kind, from, to }) => {
    const [weak, strong] = FAULT_RANGES[kind as (typeof FAULT_KINDS)[number]]
    const unit = unitOf(kind)
    expect([from, to]).toEqual(unit === '' ? ['off', 'on'] : [`${weak}${unit}`, `${strong}${unit}`])
  })

  test.each(entries)('says what $kind does, what it attacks, and what it has found', ({ what, attacks, found }) => {
    expect(what.length).toBeGreaterThan(20)
    const codes = attacks.split(': ').at(-1)?.split(', ') ?? []
    expect(codes.filter((code) => !new RegExp(String.raw`^\| (?:[A-Z0-9]+, )*${code}(?:, [A-Z0-9]+)* \|`, 'm').test(properties))).toEqual(
      [],
    )
    const [ids = '', seeds] = found.split(/(?:, )?seeds? /)
    const names = ids.split(', ').flatMap((id) => (id === '' ? [] : id.replaceAll(/[()]/g, '')))
    if (found === '—') return
    expect(names.length + (seeds === undefined ? 0 : 1)).toBeGreaterThan(0)
    expect(names.filter((id) => !mutants.some((mutant) => mutant.id === id))).toEqual([])
    for (const seed of seeds?.split(', ') ?? []) expect(existsSync(new URL(`test/seeds/${seed}.json`, root)), seed).toBe(true)
  })
})
