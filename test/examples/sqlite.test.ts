// Exactly once into a database: killed again and again, the example has counted each payment in the log once.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { json, open, string } from '../../edge/client/index.ts'
import { temporaryDirectory } from '../edge/client/support.ts'

const program = fileURLToPath(new URL('../../examples/sqlite.ts', import.meta.url))

/** Runs it; kills it after a while, unless it is to end by itself. */
async function run(directory: string, killAfterMillis: number | null): Promise<string> {
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  const ended = once(child, 'close')
  if (killAfterMillis !== null) await Promise.race([ended, sleep(killAfterMillis).then(() => child.kill('SIGKILL'))])
  await ended
  return output
}

test('a payment is counted once, whenever the process is killed', async () => {
  const directory = temporaryDirectory()
  for (const millis of [250, 300, 350, 400, 500]) await run(directory, millis)
  expect(await run(directory, null)).toContain('each counted once')
  const counted = new Map<string, number>()
  await using cluster = await open(join(directory, 'log'))
  const consumer = cluster.consumer({ key: string, value: json<{ cents: number }>() })
  consumer.assign([0, 1, 2].map((partition) => ({ topic: 'payments', partition })))
  for (let records = await consumer.poll(); records.length > 0; records = await consumer.poll({ timeoutMillis: 200 }))
    for (const { key, value } of records) counted.set(key ?? '', (counted.get(key ?? '') ?? 0) + (value?.cents ?? 0))
  const database = new DatabaseSync(join(directory, 'ledger.sqlite'))
  const rows = database.prepare('select account, cents from balances').all()
  expect(new Map(rows.map((row) => [row['account'], row['cents']]))).toEqual(counted)
  database.close()
}, 60_000)
