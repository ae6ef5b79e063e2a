// The option `record`: where a cluster may record, and what is said where it may not.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { open } from '../../../edge/client/index.ts'
import { failureOf, openCluster, temporaryDirectory } from './support.ts'

test('a cluster records into a directory of its own, a file for each thread', async () => {
  const base = temporaryDirectory()
  const cluster = await openCluster(join(base, 'data'), { nodes: 2, record: join(base, 'deep/recording') })
  expect(readdirSync(join(base, 'deep/recording'))).toEqual(['thread-0.recording', 'thread-1.recording', 'thread-2.recording'])
  await cluster.close()
  const inMemory = await openCluster(':memory:', { record: join(base, 'memory') })
  await inMemory.close()
  expect(readdirSync(join(base, 'memory'))).toEqual(['thread-0.recording'])
})

test('a cluster that is not to record makes no file, and does nothing of it', async () => {
  const base = temporaryDirectory()
  const cluster = await openCluster(join(base, 'data'))
  await cluster.close()
  expect(readdirSync(base)).toEqual(['data'])
})

test('one recording is one directory', async () => {
  const base = temporaryDirectory()
  await (await openCluster(join(base, 'data'), { record: join(base, 'recording') })).close()
  const again = await failureOf(() => open(join(base, 'data'), { record: join(base, 'recording') }))
  expect([again.name, again.message]).toEqual([
    'FOREIGN_DIRECTORY',
    expect.stringContaining('recording holds another recording: open option record must'),
  ])
  mkdirSync(join(base, 'notes'))
  writeFileSync(join(base, 'notes/mine.txt'), 'mine')
  const foreign = await failureOf(() => open(join(base, 'data'), { record: join(base, 'notes') }))
  expect([foreign.name, foreign.message]).toEqual(['FOREIGN_DIRECTORY', expect.stringContaining('notes holds mine.txt')])
  const file = await failureOf(() => open(join(base, 'data'), { record: join(base, 'notes/mine.txt') }))
  expect(file.name).toBe('FOREIGN_DIRECTORY')
  // The data is not held by those that failed.
  await (await openCluster(join(base, 'data'))).close()
})

test.each([
  [7, 'open option record must be a string, not 7'],
  ['', 'open option record must name a directory, not ""'],
])('%j is no directory to record to', async (record, message) => {
  const error = await failureOf(() => open(':memory:', { record: record as string }))
  expect([error.name, error.message]).toEqual(['INVALID_OPTION', message])
})

test.each(['data', 'data/recording', '.'])('neither data nor recording lies in the other: %s', async (record) => {
  const base = temporaryDirectory()
  const error = await failureOf(() => open(join(base, 'data'), { record: join(base, record) }))
  expect(error.name).toBe('INVALID_OPTION')
  expect(error.message).toContain('must name a directory beside the data directory')
  expect(existsSync(join(base, 'data'))).toBe(false)
})
