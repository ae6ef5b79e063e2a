/**
 * The conditions of a figure that the machine and the checkout set: processor, cores, Node, commit, date. What a question sets itself, it says itself.
 */
import { execFileSync } from 'node:child_process'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'
import type { Conditions, RunOptions } from './question.ts'

/** What all figures of this process depend on. */
export function machineConditions({ runs, isQuick, scale }: RunOptions): Conditions {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commitOf(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    runs,
    ...(isQuick ? { quick: 'without the largest sizes' } : {}),
    ...(scale === 1 ? {} : { scale: `${scale}: less work than the goals are about` }),
  }
}

/** The commit that is checked out, with `+changes` if files differ from it; 'unknown' outside a checkout. */
function commitOf(): string {
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD')
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+changes`
  } catch {
    return 'unknown'
  }
}

function git(...parameters: string[]): string {
  const cwd = import.meta.dirname
  return execFileSync('git', parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}
