/**
 * The command `odradek replay`: runs a recorded process again, actor by actor, and says whether the same came of it. Exit code 0: it did; 1: it did not, and the first difference
 * is named; 2: that is no recording that can be replayed, or the command line makes no sense.
 */
import { parseArgs } from 'node:util'
import { KafkaError } from '../../protocol/errors.ts'
import { findMutant, installMutant } from '../mutants/loader.ts'
import type { ReplayReport } from './replay.ts'
import { reportJson, reportLines, traceLines } from './text.ts'

const HELP = `odradek replay <directory> [options]

Runs a recording again (the option record of open, or --record of a command) and compares what each actor makes of each message with what it made of it then.

  --actor NAME      only actors of that name: broker, replica/orders-0; of one node: broker@1
  --trace           print every message and what came of it
  --mutant ID       put a known bug into the code (odradek simulate --help lists them; in a checkout only)
  --json            print one JSON object

Examples:
  odradek produce orders --record ./recording < lines.txt
  odradek replay ./recording
  odradek replay ./recording --actor broker@0 --trace | less
`

interface Command {
  readonly directory: string
  readonly actor: string | null
  readonly trace: boolean
  readonly mutant: string | null
  readonly isJson: boolean
}

function readCommand(): Command | null {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      actor: { type: 'string' },
      trace: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const [directory, ...others] = positionals
  if (directory === undefined || others.length > 0) throw new Error('name one directory: odradek replay DIRECTORY')
  if (values.trace && values.json) throw new Error('--trace is for people, --json for programs: give one of them')
  return { directory, actor: values.actor ?? null, trace: values.trace, mutant: values.mutant ?? null, isJson: values.json }
}

/** Behaviours are loaded with the mutant in them. */
async function run({ directory, actor, trace, mutant, isJson }: Command): Promise<ReplayReport> {
  const found = mutant === null ? null : findMutant(mutant)
  if (found === undefined) throw new Error(`there is no mutant ${mutant}`)
  if (found !== null && !import.meta.url.endsWith('.ts'))
    throw new Error('mutants are put into the sources: use a checkout of the repository')
  if (found !== null) installMutant(found)
  const { replay } = await import('./replay.ts')
  const showsProgress = !isJson && !trace && process.stderr.isTTY
  const report = replay({
    directory,
    actor,
    onStep: (thread, step, millis) => {
      if (trace) for (const line of traceLines(thread, step, millis)) console.log(line)
    },
    onProgress: (share) => {
      if (showsProgress) process.stderr.write(`\rreplaying: ${Math.floor(share * 100)} %`)
    },
  })
  if (showsProgress) process.stderr.write('\r\u001b[K')
  if (actor !== null && report.actors === 0) throw new Error(`no actor ${actor} was recorded: --trace shows which were`)
  return report
}

function describeFailure(error: unknown, isJson: boolean): string {
  const name = error instanceof Error ? error.name : 'Error'
  const message = error instanceof Error ? error.message : String(error)
  if (isJson) return JSON.stringify({ error: { name, message } })
  return error instanceof KafkaError ? `${name}: ${message}` : message
}

try {
  const command = readCommand()
  if (command === null) console.log(HELP)
  else {
    const report = await run(command)
    console.log(command.isJson ? reportJson(report) : reportLines(report).join('\n'))
    process.exitCode = report.identical ? 0 : 1
  }
} catch (error) {
  console.error(describeFailure(error, process.argv.includes('--json')))
  process.exitCode = 2
}
