import { expect, test } from 'vitest'
import { Random } from '../../simulation/random.ts'

test('a generator is a function of its seed and its purpose', () => {
  expect(draws(new Random(7, 'network'))).toEqual(draws(new Random(7, 'network')))
  expect(draws(new Random(7, 'network'))).not.toEqual(draws(new Random(8, 'network')))
  expect(draws(new Random(7, 'network'))).not.toEqual(draws(new Random(7, 'disk/0')))
  expect(draws(new Random(7 + 2 ** 32, 'network'))).not.toEqual(draws(new Random(7, 'network')))
})

test('draws are the same on every machine', () => {
  expect(draws(new Random(1, 'golden'))).toMatchInlineSnapshot(`
    [
      2007266402,
      1337730852,
      2101329951,
      250762656,
      3432884578,
      4002995819,
      2742833554,
      1753241532,
    ]
  `)
})

test('bounded draws stay in their bounds and reach both ends', () => {
  const random = new Random(3, 'bounds')
  const seen = new Set(Array.from({ length: 1000 }, () => random.between(-2, 2)))
  expect([...seen].toSorted((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2])
})

test('exponential draws have about their mean and are never 0', () => {
  const random = new Random(5, 'waiting')
  const waits = Array.from({ length: 20_000 }, () => random.exponential(1000))
  expect(Math.min(...waits)).toBeGreaterThan(0)
  expect(waits.reduce((sum, wait) => sum + wait, 0) / waits.length).toBeGreaterThan(950)
  expect(waits.reduce((sum, wait) => sum + wait, 0) / waits.length).toBeLessThan(1050)
})

test('a share of nothing never strikes, a share of everything always', () => {
  const random = new Random(9, 'share')
  expect(Array.from({ length: 100 }, () => random.perMillion(0))).not.toContain(true)
  expect(Array.from({ length: 100 }, () => random.perMillion(1_000_000))).not.toContain(false)
})

function draws(random: Random): number[] {
  return Array.from({ length: 8 }, () => random.next())
}
