/**
 * The simulator from the shell: `npm run simulate -- --help`. A mutant gets into the code before any of it is loaded, so nothing else is loaded here before.
 */
import { parseArgs } from 'node:util'
import { findMutant, installMutant } from './mutants/loader.ts'

const { mutant } = parseArgs({ options: { mutant: { type: 'string' } }, strict: false }).values
const found = typeof mutant === 'string' ? findMutant(mutant) : undefined
if (found !== undefined) installMutant(found)
const { runCommandLine } = await import('./command-line.ts')
await runCommandLine()
