/**
 * Runs a task of a question on the built package, in a process that loads no source: what is measured is what is installed. Builds it first, once.
 */
import { spawnSync } from 'node:child_process'
import { inChild } from './child.ts'
import type { Task } from './child.ts'

const isSource = import.meta.url.endsWith('.ts')

const root = new URL('../', import.meta.url).href

let isBuilt = !isSource

/** Builds the package, unless this is it already. */
export function build(): void {
  if (isBuilt) return
  const { status } = spawnSync('npm', ['run', '-s', 'build'], { cwd: new URL(root), stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('npm run build failed')
  isBuilt = true
}

/** As `inChild`, with the built form of the task's module and of everything that it imports. */
export function inBuiltChild<Parameters, Outcome>(task: Task<Parameters, Outcome>, parameters: Parameters): Promise<Outcome> {
  build()
  return inChild(
    { ...task, url: builtUrl(task.url) },
    parameters,
    new URL(builtUrl(new URL(isSource ? 'child.ts' : 'child.js', import.meta.url).href)),
  )
}

function builtUrl(url: string): string {
  return isSource ? url.replace(root, `${root}dist/`).replace(/\.ts$/, '.js') : url
}
