#!/usr/bin/env node
/**
 * The command `odradek`: hands what was typed to one file per command, and turns failures into a sentence and an exit code:
 * 0 done, 1 failed, 2 not understood, 130 interrupted. It does NOT do anything itself.
 */
import { CommanderError } from 'commander'
import { checkNodeVersion } from '../client/node-version.ts'
import { describeFailure } from './failure.ts'
import { endWhenPipeCloses, pipeClosed } from './output.ts'
import { buildProgram } from './program.ts'
import { EXIT_INTERRUPTED } from './session.ts'
import { Interrupted } from './waiting.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

endWhenPipeCloses()
try {
  checkNodeVersion()
  await buildProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  if (error instanceof Interrupted) return pipeClosed.aborted ? 0 : EXIT_INTERRUPTED
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  process.stderr.write(`${describeFailure(error, process.argv.includes('--json'))}\n`)
  return EXIT_FAILED
}
