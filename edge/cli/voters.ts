/**
 * `odradek voters`: which nodes vote in the metadata quorum (KIP-853). Three voters outlive the loss of one.
 */
import { Command } from 'commander'
import { showCluster } from './cluster.ts'
import { parseWhole } from './parse.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

const EXAMPLES = `
Voters decide about topics, leaders and nodes; a majority of them must run. \`odradek cluster\` shows who votes.

Examples:
  odradek voters add 1 && odradek voters add 2     three voters for a cluster that began with one node
  odradek voters remove 0`

/** The command with its subcommands. */
export function votersCommand(): Command {
  const command = new Command('voters').description('change which nodes vote in the metadata quorum').addHelpText('after', EXAMPLES)
  command.addCommand(change('add', 'have a node vote', ({ cluster }, node) => cluster.admin.addVoter(node)))
  command.addCommand(change('remove', 'have a node vote no more', ({ cluster }, node) => cluster.admin.removeVoter(node)))
  return command
}

function change(name: string, description: string, work: (session: Session, node: number) => Promise<void>): Command {
  return withGlobals(new Command(name))
    .description(description)
    .argument('<node>', 'which node', parseWhole)
    .action((node: number, _options: unknown, command: Command) =>
      withCluster(command, 'read', async (session) => {
        await work(session, node)
        await showCluster(session)
      }),
    )
}
