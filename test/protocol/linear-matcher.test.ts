// Patterns in linear time: they match what JavaScript's own expressions match, or are refused.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern, matchingTopics, patternProblem } from '../../protocol/topic-pattern.ts'

const names = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'k', '0', '1', '.', '-', '_'), minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 8,
})
const flags = fc.constantFrom('', 'i', 'u', 'iu', 'm', 's', 'gy', 'd')

/** False: it is refused. */
function agrees(source: string, given: string, all: readonly string[]): boolean {
  const matcher = compilePattern({ source, flags: given })
  if (matcher === null) return false
  const own = new RegExp(source, given.replaceAll(/[gy]/g, ''))
  // Twice: what is remembered of the first name must not change the second.
  for (const name of [...all, ...all]) expect([name, source, given, matcher.test(name)]).toEqual([name, source, given, own.test(name)])
  return true
}

const ATOMS = [
  'a',
  'b',
  'A',
  '.',
  '\\.',
  '\\d',
  '\\w',
  '\\W',
  '\\s',
  '[ab]',
  '[^a]',
  '[a-c_]',
  '[]',
  '[^]',
  '[\\]a]',
  '\\x61',
  '\\u0061',
  '0',
  '-',
]
const atoms = fc.constantFrom(...ATOMS, '\u212a', '\u017f')
const assertions = fc.constantFrom('^', '$', '\\b', '\\B', '')
const quantifiers = fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '{2}', '{1,}', '{0,2}', '{0}', '{1,3}?')
const { expression } = fc.letrec<{ expression: string; part: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('part'),
    fc.tuple(tie('expression'), tie('expression')).map(([one, other]) => `${one}${other}`),
    fc.tuple(tie('expression'), tie('expression')).map(([one, other]) => `${one}|${other}`),
  ),
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    assertions,
    fc.tuple(atoms, quantifiers).map(([atom, quantifier]) => `${atom}${quantifier}`),
    fc.tuple(fc.constantFrom('(', '(?:'), tie('expression'), quantifiers).map(([open, inner, more]) => `${open}${inner})${more}`),
  ),
}))

describe('a pattern', () => {
  test('of the allowed parts matches what the expression matches', () => {
    fc.assert(
      fc.property(expression, flags, names, (source, given, all) => {
        expect([source, agrees(source, given, all)]).toEqual([source, true])
      }),
      { numRuns: 2000 },
    )
    for (const flag of ['', 'i', 'u']) expect(agrees('^(?<what>a|b)+[.](?<n>k)$', flag, ['ab.k', 'a.k', 'b-k', 'A.K'])).toBe(true)
  })

  test('of any text matches what the expression matches, or is refused', () => {
    const unit = fc.constantFrom(...Array.from('ab01.*+?()[]{}|^$\\dwbBxup{,}-<>:=!kc'), '😀', '\\u{61}', '\\p{L}', '(?')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), flags, names, (source, given, all) => void agrees(source, given, all)),
      { numRuns: 10_000 },
    )
  })

  test.each([
    ['(a)\\1', '', 'refer back'],
    ['(?<n>a)\\k<n>', '', 'refer back'],
    ['a(?=b)', '', 'look ahead or behind'],
    ['a(?!b)', '', 'look ahead or behind'],
    ['(?<=a)b', '', 'look ahead or behind'],
    ['(?<!a)b', '', 'look ahead or behind'],
    ['[a--b]', 'v', 'flag v'],
    ['(?:a{100}){100}', '', 'more than 2000 parts'],
    ['(?:){1000000000}', '', 'more than 2000 parts'],
    ['a{1000000000}', '', 'more than 2000 parts'],
    ['(', '', 'regular expression'],
  ])('/%s/%s is refused', (source, given, reason) => {
    expect(patternProblem({ source, flags: given })).toContain(reason)
    expect(compilePattern({ source, flags: given })).toBeNull()
  })

  test.each(['^(a+)+$', '(a|aa)+$', '(a*)*b$', 'a*a*a*a*a*c', '(.*)*(.*)*c$', '^(?:a?){100}a{100}$', '(?:a|b)*a(?:a|b){60}c'])(
    '/%s/ takes no more than linear time',
    (source) => {
      const all = Array.from({ length: 200 }, (_, i) => `${'a'.repeat(240)}${String(i).padStart(4, '0')}b`)
      const began = performance.now()
      matchingTopics({ source, flags: '' }, all)
      // JavaScript's own takes minutes for one of them.
      expect(performance.now() - began).toBeLessThan(5000)
    },
  )
})

test('what must be there once does not double with each level', () => {
  const source = Array.from({ length: 30 }).reduce<string>((inner) => `(?:${inner})+`, 'a')
  expect(patternProblem({ source: `^${source}$`, flags: '' })).toBeNull()
  expect(matchingTopics({ source: `^${source}$`, flags: '' }, ['aaa', 'aab'])).toEqual(['aaa'])
})
