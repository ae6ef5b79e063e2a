/**
 * The commands that are programs of their own: the simulator, replay (replay.ts) and the benchmarks. They run in a child process with the same terminal, because
 * they want all threads and their own exit code, and because this room may not import them.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { InputError } from './failure.ts'

/** Sources end in `.ts`, the built package in `.js`: whatever this file ends in. */
const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf('.'))

/** `odradek simulate`: seeds, faults and checks. */
export function simulateCommand(): Command {
  return programCommand('simulate', 'simulation', 'run whole clusters from seeds, with faults, and check every promise')
}

/** `odradek bench`: questions with numbers. */
export function benchCommand(): Command {
  return programCommand('bench', 'bench', 'measure what this machine can do')
}

/** A command that runs the main module of a room, or of a part of one. */
export function programCommand(name: string, room: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('[arguments...]', `passed on; odradek ${name} --help lists them`)
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (parameters: string[], _options: unknown, command: Command) => {
      const isJson = command.optsWithGlobals()['json'] === true && !parameters.includes('--json')
      process.exitCode = await runProgram(`../../${room}/main${EXTENSION}`, isJson ? [...parameters, '--json'] : parameters)
    })
}

async function runProgram(relativePath: string, parameters: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL(relativePath, import.meta.url))
  if (!existsSync(path))
    throw new InputError(`this installation does not contain ${relativePath.slice('../../'.length)}; use a checkout of the repository`)
  const child = spawn(process.execPath, [path, ...parameters], { stdio: 'inherit' })
  // Ctrl-C reaches the child as well: it decides how to end, and we wait for it.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  child.on('error', reject)
  child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
  return promise.finally(() => process.off('SIGINT', ignore))
}
