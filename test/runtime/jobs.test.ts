/**
 * The pool of jobs with real threads and real files: what a scrub finds in sound, damaged and cut segments, and that nothing is left after close.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FIELD, stampBaseOffset } from '../../protocol/record-batch.ts'
import { JobPool } from '../../runtime/jobs.ts'
import { batchOf, input } from '../protocol/record-batch-support.ts'

let directory: string
let pool: JobPool

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-jobs-'))
  pool = new JobPool()
})

afterEach(async () => {
  await pool.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a scrub', () => {
  test('counts the batches and records of a sound segment', async () => {
    const path = segmentFile([3, 1, 5])
    expect(await pool.run('scrub', { path })).toEqual({ batches: 3, records: 9, firstDamage: null })
  })

  test('finds nothing in an empty segment', async () => {
    expect(await pool.run('scrub', { path: segmentFile([]) })).toEqual({ batches: 0, records: 0, firstDamage: null })
  })

  test('reads segments and batches larger than one read', async () => {
    const path = join(directory, 'large.log')
    const large = batchOf([input(1, 'key', 'x'.repeat(1_000_000))])
    const larger = oversizedBatch(3_000_000)
    writeFileSync(path, Buffer.concat([large, larger, large]))
    const found = await pool.run('scrub', { path })
    expect(found).toEqual({ batches: 1, records: 1, firstDamage: { position: large.length, reason: 'crc' } })
  })

  test('says where the first batch with a wrong byte begins', async () => {
    const path = segmentFile([3, 1, 5], (segment, positions) => {
      segment[(positions[1] ?? 0) + FIELD.records + 2]! ^= 1
      segment[(positions[2] ?? 0) + FIELD.records + 2]! ^= 1
    })
    const position = batchWith(3).length
    expect(await pool.run('scrub', { path })).toEqual({ batches: 1, records: 3, firstDamage: { position, reason: 'crc' } })
  })

  test.each([1, 11, 12, 16, 17, 60, 61, 70])('finds a torn tail of %i bytes', async (tailBytes) => {
    const path = join(directory, 'torn.log')
    const whole = batchWith(4)
    writeFileSync(path, Buffer.concat([whole, whole.subarray(0, tailBytes)]))
    const firstDamage = { position: whole.length, reason: 'truncated' }
    expect(await pool.run('scrub', { path })).toEqual({ batches: 1, records: 4, firstDamage })
  })

  test('finds a length beyond the end of the file, without reserving that much memory', async () => {
    const path = segmentFile([2], (segment) => new DataView(segment.buffer).setInt32(FIELD.batchLength, 2 ** 31 - 20))
    expect(await pool.run('scrub', { path })).toEqual({ batches: 0, records: 0, firstDamage: { position: 0, reason: 'truncated' } })
  })

  test('rejects when there is no such file', async () => {
    await expect(pool.run('scrub', { path: join(directory, 'none.log') })).rejects.toThrow(/ENOENT/)
  })
})

describe('the pool', () => {
  test('runs many jobs at once and answers each with its own result', async () => {
    const paths = [1, 2, 3, 4].map((count) => segmentFile([count]))
    const found = await Promise.all(paths.map((path) => pool.run('scrub', { path })))
    expect(found.map(({ records }) => records)).toEqual([1, 2, 3, 4])
  })

  test('gives a job up when its signal says so', async () => {
    const path = segmentFile([1])
    await expect(pool.run('scrub', { path }, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
    expect(await pool.run('scrub', { path })).toMatchObject({ batches: 1 })
  })

  test('takes no job after close, and close may be called twice', async () => {
    await pool.close()
    await pool.close()
    await expect(pool.run('scrub', { path: directory })).rejects.toThrow('the job pool is closed')
  })

  test('rejects what was under way at close', async () => {
    const jobs = Promise.allSettled([1, 2, 3].map((count) => pool.run('scrub', { path: segmentFile([count]) })))
    await pool.close()
    for (const job of await jobs) expect(job.status).toBe('rejected')
  })

  test('lets the process end after close', () => {
    const source = `
      const { JobPool } = await import(${JSON.stringify(new URL('../../runtime/jobs.ts', import.meta.url).href)})
      const pool = new JobPool()
      console.log((await pool.run('scrub', { path: ${JSON.stringify(segmentFile([2]))} })).records)
      await pool.close()`
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8', timeout: 20_000 })).toBe('2\n')
  })
})

function batchWith(count: number): Uint8Array {
  return batchOf(Array.from({ length: count }, (_, index) => input(1000 + index, `key ${index}`, 'some value')))
}

/** A batch whose header counts more bytes than one read brings; its CRC is of other bytes. */
function oversizedBatch(sizeBytes: number): Uint8Array {
  const batch = new Uint8Array(sizeBytes)
  batch.set(batchWith(1))
  new DataView(batch.buffer).setInt32(FIELD.batchLength, sizeBytes - FIELD.leaderEpoch)
  return batch
}

/** A segment with batches of so many records each, after `damage` has seen it. */
function segmentFile(counts: readonly number[], damage?: (segment: Uint8Array, positions: readonly number[]) => void): string {
  const batches = counts.map(batchWith)
  const positions = batches.map((_, index) => batches.slice(0, index).reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  batches.forEach((batch, index) => {
    stampBaseOffset(batch, 0, offset)
    offset += counts[index] ?? 0
  })
  const segment = new Uint8Array(Buffer.concat(batches))
  damage?.(segment, positions)
  const path = join(directory, `${counts.join('-')}.log`)
  writeFileSync(path, segment)
  return path
}
