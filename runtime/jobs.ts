/**
 * Work for the processor that would hold up a node or the caller: run on a pool of threads (Piscina), by name. The pool starts with the first job, and
 * its library is loaded then; its threads go when there is nothing to do, and after `close` nothing is left. It does NOT know what the jobs do: job-worker.ts does.
 */
import { availableParallelism } from 'node:os'
import type { Piscina } from 'piscina'
import { jobWorkerUrl } from './job-worker.ts'
import type { JobName, JobPayload, JobResult } from './job-worker.ts'
import { workerOptions } from './worker-url.ts'

/** One core stays with the nodes and the caller. */
const THREADS_MAX = Math.max(1, availableParallelism() - 1)

/** A pool holds so many waiting jobs; one more is refused, so that a caller that outruns it notices. */
const QUEUE_MAX = 10_000

/** A thread without work stays so long: the next file of a scrub is usually close behind. */
const IDLE_MILLIS = 1000

/** A pool of threads for named jobs. */
export class JobPool implements AsyncDisposable {
  #pool: Promise<Piscina> | null = null
  #isClosed = false

  /** Runs a job. Rejects with what the job threw, with an AbortError when `signal` says so, and with an Error when the pool is closed or full. */
  async run<Name extends JobName>(
    name: Name,
    payload: JobPayload<Name>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<JobResult<Name>> {
    if (this.#isClosed) throw new Error('the job pool is closed')
    this.#pool ??= startPool()
    const pool = await this.#pool
    if (this.#isClosed) throw new Error('the job pool is closed')
    return (await pool.run(payload, { name, signal: signal ?? null })) as JobResult<Name>
  }

  /** Gives up all jobs, waiting or under way (they reject), and ends the threads. */
  async close(): Promise<void> {
    this.#isClosed = true
    const pool = this.#pool
    this.#pool = null
    await (await pool)?.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function startPool(): Promise<Piscina> {
  const { Piscina } = await import('piscina')
  return new Piscina({
    filename: jobWorkerUrl,
    minThreads: 0,
    maxThreads: THREADS_MAX,
    idleTimeout: IDLE_MILLIS,
    maxQueue: QUEUE_MAX,
    ...workerOptions(),
  })
}
