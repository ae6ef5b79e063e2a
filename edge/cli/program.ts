/**
 * The whole command line as one tree: global options, the commands, and the help that shows how to begin.
 */
import { Command } from 'commander'
import { clusterCommand } from './cluster.ts'
import { consumeCommand } from './consume.ts'
import { groupsCommand } from './groups.ts'
import { nodesCommand } from './nodes.ts'
import { produceCommand } from './produce.ts'
import { benchCommand, simulateCommand } from './program-of.ts'
import { quotasCommand } from './quotas.ts'
import { replayCommand } from './replay.ts'
import { withGlobals } from './session.ts'
import { shareGroupsCommand } from './share-groups.ts'
import { topicsCommand } from './topics.ts'
import { transactionsCommand } from './transactions.ts'
import { version } from '../client/version.ts'
import { votersCommand } from './voters.ts'

const EXAMPLES = `
Examples:
  odradek topics create orders --partitions 4
  printf 'alice\\tbook\\nbob\\tpen\\n' | odradek produce orders
  odradek consume orders
  odradek consume orders --group billing --follow --json
  odradek groups describe billing
  odradek cluster
  odradek consume orders --group billing --record ./recording && odradek replay ./recording

Data lives in ./data; --directory or ODRADEK_DIRECTORY name another place.
One process at a time can have it open.`

/** The command line. It throws CommanderError instead of exiting. */
export function buildProgram(): Command {
  const program = withGlobals(new Command('odradek'))
    .description('Kafka inside one Node.js process: topics, records and consumer groups in a directory.')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(odradek --help says more)')
    .addHelpText('after', EXAMPLES)
  program.addCommand(topicsCommand())
  program.addCommand(produceCommand())
  program.addCommand(consumeCommand())
  program.addCommand(groupsCommand())
  program.addCommand(shareGroupsCommand())
  program.addCommand(transactionsCommand())
  program.addCommand(quotasCommand())
  program.addCommand(clusterCommand())
  program.addCommand(nodesCommand())
  program.addCommand(votersCommand())
  program.addCommand(simulateCommand())
  program.addCommand(replayCommand())
  program.addCommand(benchCommand())
  throwInsteadOfExit(program)
  return program
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) throwInsteadOfExit(child)
}
