/**
 * `odradek replay`: what a recorded process has done, once more. It is a program of the simulator's (simulation/replay/main.ts), which reads the arguments.
 */
import type { Command } from 'commander'
import { programCommand } from './program-of.ts'

/** The command. */
export function replayCommand(): Command {
  return programCommand('replay', 'simulation/replay', 'run a recording again, and compare what comes of it')
}
