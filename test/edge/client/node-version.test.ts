// The oldest Node that this runs on is the one that package.json names.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkNodeVersion } from '../../../edge/client/node-version.ts'

test.each(['22.18.0', '22.20.1', '24.0.0', '26.1.0-nightly', process.versions.node])('Node %s is new enough', (version) => {
  expect(() => checkNodeVersion(version)).not.toThrow()
})

test.each(['22.17.9', '20.20.2', '18.0.0'])('Node %s is too old, and is told what is needed', (version) => {
  const message = `odradek needs Node 22.18 or newer, this is ${version}`
  expect(() => checkNodeVersion(version)).toThrow(expect.objectContaining({ name: 'UNSUPPORTED_VERSION', message }))
})

test('package.json says the same', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { engines: unknown }
  expect(engines).toEqual({ node: '>=22.18' })
})
