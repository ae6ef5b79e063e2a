// One process at a time holds a data directory, whatever others left behind.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openDataDirectory } from '../../../edge/client/data-directory.ts'
import { failureOf, temporaryDirectory } from './support.ts'

const PROCESSES = 4
const MILLIS = 2000

/**
 * Opens and releases in a loop. What is held is marked by a file that only one can make. `crash`: it does not release, but leaves a lock
 * (and sometimes a take-over) of a process that is dead, as if it had been killed.
 */
const CHILD = `
import { openDataDirectory } from ${JSON.stringify(new URL('../../../edge/client/data-directory.ts', import.meta.url).href)}
import { renameSync, unlinkSync, writeFileSync } from 'node:fs'
const [directory, marker, dead, crash] = process.argv.slice(1)
const leave = (name, owner) => {
  writeFileSync(marker + process.pid, owner + '\\n')
  renameSync(marker + process.pid, directory + '/' + name)
}
let held = 0
let refused = 0
for (const end = Date.now() + ${MILLIS}; Date.now() < end;) {
  let opened = null
  try {
    opened = openDataDirectory(directory, null, false)
  } catch (error) {
    if (error.name !== 'DIRECTORY_LOCKED') throw error
    refused++
    continue
  }
  writeFileSync(marker, '', { flag: 'wx' })
  held++
  unlinkSync(marker)
  if (crash !== 'crash' || held % 3 === 0) {
    opened.release()
    continue
  }
  const id = process.pid.toString(16) + '0' + held.toString(16)
  if (held % 3 === 1) leave('lock.takeover.' + dead + '.1.' + id, dead + ' 1 f' + id)
  leave('lock', dead + ' 1 ' + id)
}
console.log(JSON.stringify({ held, refused }))
`

test.each(['release', 'crash'])('several processes that open and %s never hold it together', { timeout: 30_000 }, async (end) => {
  const directory = temporaryDirectory()
  const marker = join(temporaryDirectory(), 'marker')
  const parameters = ['--input-type=module', '-e', CHILD, '--', join(directory, 'data'), marker, String(deadProcess()), end]
  const outcomes = await Promise.all(Array.from({ length: PROCESSES }, () => outputOf(parameters)))
  expect(outcomes.map(({ errors }) => errors).join('')).toBe('')
  const counts = outcomes.map(({ output }) => JSON.parse(output) as { held: number; refused: number })
  expect(counts.every(({ held }) => held > 0)).toBe(true)
  openDataDirectory(join(directory, 'data'), null, true).release()
  expect(readdirSync(join(directory, 'data'))).toEqual(['node-0', 'odradek.json'])
})

test('a lock and a take-over of dead processes are taken over', () => {
  const directory = temporaryDirectory()
  const dead = deadProcess()
  writeFileSync(join(directory, 'lock'), `${dead} 1 aa\n`)
  writeFileSync(join(directory, `lock.takeover.${dead}.1.aa`), `${dead} 1 bb\n`)
  writeFileSync(join(directory, `lock.takeover.${dead}.1.bb`), `${dead} 1 cc\n`)
  writeFileSync(join(directory, `lock.${dead}.bb`), `${dead} 1 bb\n`)
  const held = openDataDirectory(directory, null, false)
  expect(readFileSync(join(directory, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
  expect(readdirSync(directory)).toEqual(['lock', 'node-0', 'odradek.json'])
  held.release()
  expect(readdirSync(directory)).toEqual(['node-0', 'odradek.json'])
})

/** Elsewhere nothing says which processes are zombies. */
const linux = test.skipIf(!existsSync('/proc/self/stat'))

linux('a lock of a process that has ended, and whose parent has not asked for it, is taken over', async () => {
  // The shell's child ends, and the program that replaces the shell never waits for it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'])
  onTestFinished(() => void parent.kill())
  const [said] = (await once(parent.stdout, 'data')) as [Buffer]
  const zombie = Number(said.toString())
  const fields = await untilZombie(zombie)
  for (const started of ['-', fields[19]]) {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'lock'), `${zombie} ${started} aa\n`)
    openDataDirectory(directory, null, false).release()
    expect(readdirSync(directory)).toEqual(['node-0', 'odradek.json'])
  }
})

/** What the system tells of a process from its state on, when it is a zombie; the test's own time-out ends it. */
async function untilZombie(pid: number): Promise<string[]> {
  for (;;) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return fields
    await setImmediate()
  }
}

/** Whether a test may mount something that only its own child sees. */
const canMount = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp']).status === 0

test.skipIf(!canMount)('a data directory on a file system that is read-only is refused with what to do', async () => {
  const directory = temporaryDirectory()
  openDataDirectory(directory, null, false).release()
  const script = `
import { openDataDirectory } from ${JSON.stringify(new URL('../../../edge/client/data-directory.ts', import.meta.url).href)}
try {
  openDataDirectory(process.argv[1], null, false)
} catch (error) {
  console.log(error.name + ': ' + error.message)
}`
  const mounted = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$0" --input-type=module -e "$2" -- "$1"'
  const { output } = await outputOf(['-rm', 'sh', '-c', mounted, process.execPath, directory, script], 'unshare')
  expect(output).toMatch(/^READ_ONLY_DIRECTORY: .* cannot be written \(EROFS\): /)
})

test.each(['', 'no owner\n', '12'])('a lock that says %j belongs to somebody who is opening', async (text) => {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'lock'), text)
  const error = await failureOf(() => openDataDirectory(directory, null, false))
  expect(error).toMatchObject({ name: 'DIRECTORY_LOCKED', message: expect.stringContaining('being opened') as string })
  expect(readdirSync(directory)).toEqual(['lock'])
})

test('who has released twice does not release the next holder', async () => {
  const directory = temporaryDirectory()
  const first = openDataDirectory(directory, null, false)
  first.release()
  const second = openDataDirectory(directory, null, false)
  first.release()
  expect((await failureOf(() => openDataDirectory(directory, null, false))).message).toContain(`this process (${process.pid})`)
  second.release()
})

function deadProcess(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

async function outputOf(parameters: readonly string[], program = process.execPath): Promise<{ output: string; errors: string }> {
  const child = spawn(program, parameters)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await once(child, 'close')
  return { output, errors }
}
