/** Real processes that were recorded, and what replay says of them: that nothing is different, or what is first. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Entry, StepEntry } from '../../protocol/recording/entries.ts'
import type { BytesDigest } from '../../protocol/recording/value-writer.ts'
import { childPath, cli, recordWork, replayed, rewrite, runReplay, scratch } from './replay-support.ts'

const shared = scratch()
/** Made once: nodes on threads of their own. */
const recording = shared.recording

beforeAll(async () => recordWork(shared.data, recording, 1), 60_000)
afterAll(shared.remove)

/** A copy of the recording, to be changed. */
function copied(): string {
  const { recording: path, remove } = scratch()
  onTestFinished(remove)
  cpSync(recording, path, { recursive: true })
  return path
}

describe('a recording of a real process', () => {
  test('is replayed without a difference, nodes on threads of their own', () => {
    const report = replayed(recording)
    expect(report).toMatchObject({ identical: true, divergence: null, threads: 4, tornBytes: 0 })
    expect(report.inputs).toBeGreaterThan(1000)
    expect(report.effects).toBeGreaterThan(1000)
    expect(report.virtualSeconds).toBeGreaterThan(0)
  })

  test('is replayed without a difference, all nodes on the thread of the caller', async () => {
    const own = scratch()
    onTestFinished(own.remove)
    await recordWork(own.data, own.recording, 0)
    expect(replayed(own.recording)).toMatchObject({ identical: true, threads: 1, tornBytes: 0 })
  })

  test('ends where the process was killed', async () => {
    const own = scratch()
    onTestFinished(own.remove)
    const child = spawn(process.execPath, [childPath, own.data, own.recording], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const report = replayed(own.recording)
    expect(report).toMatchObject({ identical: true, threads: 4 })
    expect(report.inputs).toBeGreaterThan(500)
  })

  test('of which the last chunk is torn is replayed up to there', () => {
    const path = copied()
    const file = join(path, 'thread-1.recording')
    truncateSync(file, statSync(file).size - 10)
    const report = replayed(path)
    expect(report.identical).toBe(true)
    expect(report.tornBytes).toBeGreaterThan(0)
    expect(report.inputs).toBeLessThan(replayed(recording).inputs)
    expect(runReplay(path).stdout).toContain('were not written to their end: the process was killed')
  })

  test('that ends in zeros, as after a power loss, is replayed up to there', () => {
    const path = copied()
    const file = join(path, 'thread-2.recording')
    writeFileSync(file, Buffer.concat([readFileSync(file), new Uint8Array(5000)]))
    expect(replayed(path)).toMatchObject({ identical: true, tornBytes: 5000 })
  })

  test('whose last thread has not written its header is replayed without it', () => {
    const path = copied()
    writeFileSync(join(path, 'thread-9.recording'), 'ODRA')
    expect(replayed(path)).toMatchObject({ identical: true, tornBytes: 4, threads: 5 })
  })
})

describe('the first difference', () => {
  /** Changes the first message of a kind to a replica, or what came of it, and says which input that is. */
  function tamper(path: string, kind: string, change: (step: StepEntry) => StepEntry): number {
    let input = 0
    rewrite(join(path, 'thread-1.recording'), (entries) => {
      const isInput = (entry: Entry): entry is StepEntry => entry.kind === 'step'
      const at = entries.findIndex((entry) => isInput(entry) && entry.actor.startsWith('replica/orders') && entry.message.kind === kind)
      input = entries.slice(0, at + 1).filter(isInput).length
      return entries.with(at, change(entries[at] as StepEntry))
    })
    return input
  }

  test('is an effect that was not', () => {
    const path = copied()
    const input = tamper(path, 'fetch', (step) => ({ ...step, outcome: { effects: [] } }))
    const { identical, divergence } = replayed(path)
    expect(identical).toBe(false)
    expect(divergence).toMatchObject({
      thread: 'thread 1',
      actor: { node: 0 },
      input,
      difference: { effect: 1, field: '', expected: undefined },
    })
    const { status, stdout } = runReplay(path)
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /DIFFERENT: replica\/orders-\d@0 on thread 1, input \d+, fetch from replica\/orders-\d@\d\n {2}message {3}\{"kind":"fetch"/,
    )
    expect(stdout).toMatch(/\n {2}effect 1 is another\n {2}recorded {2}nothing\n {2}now {7}\{"kind":"/)
  })

  test('is a field of an effect: bytes, say', () => {
    const path = copied()
    const input = tamper(path, 'produce', (step) => {
      const [append, ...others] = ('effects' in step.outcome ? step.outcome.effects : []) as { readonly bytes: BytesDigest }[]
      return { ...step, outcome: { effects: [{ ...append, bytes: { ...append?.bytes, crc32c: 1 } }, ...others] } }
    })
    const { divergence } = JSON.parse(runReplay(path, '--json').stdout) as { divergence: { input: number; difference: unknown } }
    expect(divergence.input).toBe(input)
    expect(divergence.difference).toMatchObject({ effect: 1, field: 'bytes.crc32c', expected: 1, actual: expect.any(Number) as unknown })
  })

  test('is an error that was not thrown', () => {
    const path = copied()
    tamper(path, 'fetch', (step) => ({
      ...step,
      message: { ...step.message, kind: 'produce', records: null } as unknown as StepEntry['message'],
    }))
    expect(replayed(path).divergence?.difference).toMatchObject({ effect: null, actual: expect.stringContaining('throws: ') as unknown })
  })

  test('is what an edit of the code has done: a bug that is known', () => {
    const { status, stdout } = runReplay(recording, '--mutant', 'C38')
    expect(status).toBe(1)
    expect(stdout).toMatch(/DIFFERENT: transactor\/\d@\d on thread \d, input \d+, endTransaction from producer-\d@-1/)
    expect(stdout).toMatch(
      / {2}effect 1 differs in to.node: \d then, -1 now\n {2}recorded .*"kind":"produce".*\n {2}now .*"kind":"endTransactionResponse"/,
    )
  })

  test('is not where an edit changes nothing of that run', () => {
    expect(runReplay(recording, '--mutant', 'C34')).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('odradek replay', () => {
  test('says what was replayed, and that it was the same', () => {
    const { status, stdout } = spawnSync(process.execPath, [cli, 'replay', recording], { encoding: 'utf8' })
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /^\d+ inputs of \d+ actors on 4 threads, \d+ effects, \d+\.\d s of the clock\nidentical: each input has given what it gave then\n$/,
    )
    expect(JSON.parse(runReplay(recording, '--json').stdout)).toMatchObject({ directory: recording, odradek: ['0.1.0'], identical: true })
  })

  test('says of whom nothing is there', () => {
    const partly = join(dirname(recording), 'partly')
    cpSync(recording, partly, { recursive: true })
    rmSync(join(partly, 'thread-2.recording'))
    writeFileSync(join(partly, 'thread-3.recording'), '')
    const { status, stdout } = runReplay(partly)
    expect(status).toBe(0)
    expect(stdout).toContain(
      'nothing of node 1 is there, although others have heard it: its file is missing, or empty\nnothing of node 2 is there',
    )
    expect(stdout).toContain('identical, as far as it is there: ')
    expect(JSON.parse(runReplay(partly, '--json').stdout)).toMatchObject({ missingNodes: [1, 2], identical: true })
    expect(JSON.parse(runReplay(recording, '--json').stdout)).toMatchObject({ missingNodes: [] })
  })

  test('prints what one actor was given, and what it made of it', () => {
    const { status, stdout } = runReplay(recording, '--actor', 'broker@1', '--trace')
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^ +\d+ thread 2 #\d+ broker@1 -> broker@1 \{"kind":"started"\}$/)
    expect(lines).toContainEqual(expect.stringMatching(/^ {12}send -> coordinator@\d \{"kind":"registerBroker"/))
    expect(lines.at(-2)).toMatch(/^\d+ inputs of 1 actor on 4 threads, /)
  })

  test.each([
    [[], 'name one directory'],
    [['.', '--tarce'], "Unknown option '--tarce'"],
    [['.', '--json', '--trace'], '--trace is for people'],
    [['absent'], 'FOREIGN_DIRECTORY: absent is not a recording: ENOENT'],
    [['docs'], 'FOREIGN_DIRECTORY: docs is not a recording: it holds no file that ends in .recording'],
    [[recording, '--actor', 'nobody'], 'no actor nobody was recorded'],
    [[recording, '--mutant', 'Z99'], 'there is no mutant Z99'],
  ])('refuses %j', (parameters, reason) => {
    const { status, stdout, stderr } = runReplay(...parameters)
    expect(stderr).toContain(reason)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  test('refuses files that are something else, of another version, or damaged before their end', () => {
    const path = copied()
    const file = join(path, 'thread-1.recording')
    const bytes = readFileSync(file)
    const refused = (change: Buffer): string => {
      writeFileSync(file, change)
      const { status, stderr } = runReplay(path)
      expect(status).toBe(2)
      return stderr
    }
    expect(refused(Buffer.from('something else'))).toMatch(/^FOREIGN_DIRECTORY: .*thread-1.recording is not a recording, although/)
    const newer = Buffer.from(bytes)
    newer[11] = 9
    expect(refused(newer)).toMatch(/^UNSUPPORTED_FORMAT_VERSION: .*thread-1.recording has format 9; this version reads 1/)
    const damaged = Buffer.from(bytes)
    damaged[Math.floor(bytes.length / 3)]! ^= 1
    expect(refused(damaged)).toMatch(/^CORRUPT_MESSAGE: .*thread-1.recording is damaged at byte \d+/)
    const { error } = JSON.parse(runReplay(path, '--json').stderr) as { error: unknown }
    expect(error).toMatchObject({ name: 'CORRUPT_MESSAGE' })
  })

  test('refuses actors that this version does not have', () => {
    const path = scratch()
    onTestFinished(path.remove)
    mkdirSync(path.recording)
    const [first = ''] = readdirSync(recording)
    const file = join(path.recording, first)
    copyFileSync(join(recording, first), file)
    rewrite(file, () => [{ kind: 'spawned', node: 0, actor: 'sink', behaviour: 'actors/sink', config: null }])
    expect(runReplay(path.recording).stderr).toMatch(
      /^UNSUPPORTED_FORMAT_VERSION: thread 0 ran sink, a actors\/sink, which this version does not have/,
    )
  })
})
