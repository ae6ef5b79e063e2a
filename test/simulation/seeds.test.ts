import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runSeed } from '../../simulation/run.ts'

/** One seed with the reason why it is kept. */
interface KeptSeed {
  readonly seed: number
  /** Of a cluster in small. */
  readonly small?: true
  readonly why: string
}

const directory = new URL('../seeds/', import.meta.url)
const kept = readdirSync(directory).map((name) => JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as KeptSeed)

describe('a seed that once found a bug', () => {
  test.each(kept.filter(({ small }) => small !== true))('$seed stays clean: $why', ({ seed }) => {
    expect(runSeed(seed).violation).toBeNull()
  })

  test.each(kept.filter(({ small }) => small === true))('$seed in small stays clean: $why', ({ seed }) => {
    expect(runSeed(seed, { small: true }).violation).toBeNull()
  })
})
