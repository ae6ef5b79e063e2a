/**
 * Runs a task in a process of its own, so that no run inherits the heap, the compiled code or the files of another. This module is both sides: the
 * functions that the parent calls, and, when it is the program, the child. A child whose parent is gone ends.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { atEnd } from './cleanup.ts'

/** A function that can be found again in another process: exported as `name` by the module `url`. Parameters and result pass as JSON. */
export interface Task<Parameters, Outcome> {
  /** Always `import.meta.url`. */
  readonly url: string
  /** The name of the export that holds this task. */
  readonly name: string
  run(parameters: Parameters): Promise<Outcome>
}

/** A task under way. */
export interface RunningTask<Outcome> {
  /** What the task returned; rejects if it failed or ended without an answer. */
  readonly outcome: Promise<Outcome>
  /** Kills the process (SIGKILL) and waits until it is gone; `outcome` rejects. */
  kill(): Promise<void>
}

/** The argument that tells this program that it is the child. */
const CHILD = 'odradek-bench-child'

type Order = { readonly url: string; readonly name: string; readonly parameters: unknown }
type Answer = { readonly ok: true; readonly outcome: unknown } | { readonly ok: false; readonly reason: string }

/** Runs a task in a new process to its end. `program` is this module, in the form that shall run. */
export function inChild<Parameters, Outcome>(
  task: Task<Parameters, Outcome>,
  parameters: Parameters,
  program: URL = new URL(import.meta.url),
): Promise<Outcome> {
  return startChild(task, parameters, program).outcome
}

/** Starts a task in a new process. What it prints goes to stderr. */
export function startChild<Parameters, Outcome>(
  task: Task<Parameters, Outcome>,
  parameters: Parameters,
  program: URL = new URL(import.meta.url),
): RunningTask<Outcome> {
  const child = fork(fileURLToPath(program), [CHILD], { stdio: ['ignore', 2, 2, 'ipc'] })
  const gone = once(child, 'exit')
  const end = atEnd(() => child.kill('SIGKILL'))
  const order: Order = { url: task.url, name: task.name, parameters }
  child.send(order)
  const outcome = untilGone(outcomeOf(child, task.name), child, gone).finally(end) as Promise<Outcome>
  outcome.catch(() => undefined)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  return { outcome, kill }
}

/** Whoever has answered ends by itself; if it is profiled, it writes what was found then. */
async function untilGone(outcome: Promise<unknown>, { pid }: ChildProcess, gone: Promise<unknown>): Promise<unknown> {
  try {
    return await outcome
  } finally {
    if (pid !== undefined) await gone
  }
}

function outcomeOf(child: ChildProcess, name: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', (message) => {
    const answer = message as Answer
    if (answer.ok) resolve(answer.outcome)
    else reject(new Error(`${name} failed: ${answer.reason}`))
  })
  child.once('error', reject)
  child.once('exit', (code, signal) => reject(new Error(`the process of ${name} ended with ${signal ?? code}`)))
  return promise
}

async function serve({ url, name, parameters }: Order): Promise<Answer> {
  try {
    const module = (await import(url)) as Readonly<Record<string, Task<unknown, unknown>>>
    const task = module[name]
    if (task === undefined) throw new Error(`${url} exports no ${name}`)
    return { ok: true, outcome: await task.run(parameters) }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

if (process.argv[2] === CHILD) {
  process.once('disconnect', () => process.exit(1))
  process.once('message', (order) => {
    void serve(order as Order).then((answer) => process.send?.(answer, () => process.exit(0)))
  })
}
