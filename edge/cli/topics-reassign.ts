/**
 * `odradek topics reassign`: moves a partition to other nodes, and waits until it is there: the cluster is open only as long as the command runs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { InputError } from './failure.ts'
import { untilMoved, withLimit, withThrottle } from './nodes.ts'
import type { ThrottleOptions } from './nodes.ts'
import { parseNodes, parseWhole } from './parse.ts'
import type { Session } from './session.ts'

const EXAMPLES = `
The first node is the preferred leader. The partition stays readable and writable while it moves.

Examples:
  odradek topics reassign orders 0 2,0,1
  odradek topics reassign orders 0 2,0,1 --throttle 10000000   not faster than that, in bytes a second
  odradek topics reassign orders 0 --cancel        gives a move up that has not ended`

type ReassignOptions = ThrottleOptions & { readonly cancel?: boolean }

/** How often it looks whether the move has ended. */
const LOOK_MILLIS = 50

/** The command; `show` prints the topic when it is done. */
export function reassignCommand(show: (session: Session, name: string) => Promise<void>): Command {
  return withThrottle(new Command('reassign'))
    .description('move a partition to other nodes')
    .argument('<name>')
    .argument('<partition>', 'which partition', parseWhole)
    .argument('[nodes]', 'its nodes, such as 2,0,1', parseNodes)
    .option('--cancel', 'give the move up that is under way')
    .addHelpText('after', EXAMPLES)
    .action((name: string, partition: number, nodes: readonly number[] | undefined, options: ReassignOptions, command: Command) => {
      if ((nodes === undefined) !== (options.cancel === true)) throw new InputError('name the nodes, such as 2,0,1, or give --cancel')
      const work = async (session: Session): Promise<void> => {
        await untilMoved(session, () => reassign(session, name, partition, nodes ?? null))
        await show(session, name)
      }
      return withLimit(command, options, work)
    })
}

/** Asks for it, and waits until the partition is there. */
async function reassign({ cluster: { admin } }: Session, name: string, number: number, nodes: readonly number[] | null): Promise<void> {
  await admin.reassign(name, number, nodes)
  while (nodes !== null) {
    const one = (await admin.describeTopic(name)).partitions[number]
    if (one === undefined || (one.replicas.join() === nodes.join() && one.adding.length + one.removing.length === 0)) return
    await sleep(LOOK_MILLIS)
  }
}
