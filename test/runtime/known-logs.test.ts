// Which log directories a node has made, across its lives.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnownLogs } from '../../runtime/known-logs.ts'

let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-logs-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

test('what was made is known in the next life, and what was removed is not', () => {
  const logs = new KnownLogs(directory, [])
  for (const name of ['t-0.1', 't-1.1', '-u-0.2']) logs.note(name)
  logs.forget('t-0.1')
  logs.note('t-1.1')
  const again = new KnownLogs(directory, ['of-a-former-version-0.3'])
  expect(['t-0.1', 't-1.1', '-u-0.2', 'of-a-former-version-0.3'].map((name) => again.has(name))).toEqual([false, true, true, true])
})

test('what topics that come and go leave is not kept for ever', () => {
  const logs = new KnownLogs(directory, ['t-0.1'])
  for (let i = 0; i < 600; i++) {
    logs.note(`u-0.${i}`)
    logs.forget(`u-0.${i}`)
  }
  expect(new KnownLogs(directory, []).has('t-0.1')).toBe(true)
  expect(readFileSync(join(directory, 'logs'), 'utf8')).toBe('+t-0.1\n')
})
