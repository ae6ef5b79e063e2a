import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../examples/emergency.ts', import.meta.url))
let directory = ''

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'odradek-emergency-')), 'data')
})

afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

test('raises all alerts, tells what survived, and goes on with the next week', () => {
  const first = run()
  expect(first).toContain('The log is empty.')
  expect(first).toContain('acknowledged   1,707 events')
  expect(alertsIn(first)).toHaveLength(31)
  const second = run()
  expect(second).toContain('Survived from before: 1,707 events, 31 alerts.')
  expect(second).toContain('Run 2: the same week, a week later.')
  expect(alertsIn(second).length).toBeGreaterThanOrEqual(31)
}, 60_000)

test('loses nothing that was acknowledged to kill -9, and completes the week', async () => {
  const killed = spawn(process.execPath, [main, '--directory', directory, '--seconds', '6'])
  const acknowledged = await acknowledgedAfter(killed.stdout, 2)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  const output = run()
  const survived = Number(/Survived from before: ([\d,]+) events/.exec(output)?.[1]?.replaceAll(',', ''))
  expect(survived).toBeGreaterThanOrEqual(acknowledged)
  expect(output).toContain(`Run 1 was interrupted after ${survived.toLocaleString('en-US')} events`)
  expect(run()).toContain('Survived from before: 1,707 events')
}, 60_000)

test('ends cleanly on Ctrl-C', async () => {
  const child = spawn(process.execPath, [main, '--directory', directory])
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await acknowledgedAfter(child.stdout, 1)
  child.kill('SIGINT')
  expect((await once(child, 'exit'))[0]).toBe(0)
  expect(output).toContain('Interrupted; nothing acknowledged is lost.')
}, 60_000)

function run(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--directory', directory, '--seconds', '1'], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

function alertsIn(output: string): string[] {
  return output.split('\n').filter((line) => /SEVERE|SWARM/.test(line))
}

/** What the n-th line of progress says. */
async function acknowledgedAfter(stream: NodeJS.ReadableStream, lines: number): Promise<number> {
  let seen = 0
  for await (const line of createInterface(stream)) {
    const match = /([\d,]+) of [\d,]+ acknowledged/.exec(line)
    if (match !== null) seen += 1
    if (seen === lines) return Number(match?.[1]?.replaceAll(',', ''))
  }
  throw new Error('it ended too early')
}
