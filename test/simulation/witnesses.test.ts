// Mutants that the random search does not find: for each, a test that is red with it, and green without it as long as all tests are.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { mutants } from '../../simulation/mutants/catalogue.ts'
import { elsewhere } from '../../simulation/mutants/elsewhere.ts'
import { figuresOf, killRateLine, verdictsOf } from '../../simulation/mutants/figures.ts'
import { isNoticed } from '../../simulation/mutants/witness.ts'
import { WITNESSES } from '../../simulation/mutants/witnesses.ts'

const unfound = mutants.filter(({ seedsToFind }) => seedsToFind === 0).map(({ id }) => id)

describe('the catalogue', () => {
  const figures = figuresOf(verdictsOf(mutants, WITNESSES), elsewhere)

  test('has nothing that neither a test nor the search finds', () => expect(figures.missed).toEqual([]))

  test('has witnesses of mutants that there are', () => {
    const ids = new Set(mutants.map(({ id }) => id))
    expect(Object.keys(WITNESSES).filter((id) => !ids.has(id))).toEqual([])
  })

  test('says why a known bug has no place here, and has no mutant of that name then', () => {
    const ids = new Set([...mutants, ...elsewhere].map(({ id }) => id))
    expect(ids.size).toBe(mutants.length + elsewhere.length)
    expect(elsewhere.filter(({ why }) => why.length < 40)).toEqual([])
  })

  test('has the kill rate that README says', () => {
    expect(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')).toContain(`\n${killRateLine(figures)}\n`)
  })
})

test.each(unfound)('%s is noticed', { timeout: 60_000 }, async (id) => expect(await isNoticed(id)).toBe(true))
