/**
 * `odradek topics delete-records`: deletes the oldest records of one partition.
 */
import { Command } from 'commander'
import { DELETE_TO_HIGH_WATERMARK } from '../../protocol/messages/fetch.ts'
import { parseWhole } from './parse.ts'
import { withCluster } from './session.ts'
import type { Session } from './session.ts'

const EXAMPLES = `
What is deleted is gone for good: readers that were below go on as their autoOffsetReset says.

Examples:
  odradek topics delete-records orders 0 4711   the partition begins at offset 4711 then
  odradek topics delete-records orders 0 end    everything that is there now`

/** The command; `show` prints the topic when it is done. */
export function deleteRecordsCommand(show: (session: Session, name: string) => Promise<void>): Command {
  return new Command('delete-records')
    .description('delete all records of a partition below an offset')
    .argument('<name>')
    .argument('<partition>', 'which partition', parseWhole)
    .argument('<before>', 'the first offset that stays, or end', (text) => (text === 'end' ? DELETE_TO_HIGH_WATERMARK : parseWhole(text)))
    .addHelpText('after', EXAMPLES)
    .action((topic: string, partition: number, beforeOffset: number, _options: unknown, command: Command) =>
      withCluster(command, 'read', async (session) => {
        await session.cluster.admin.deleteRecords([{ topic, partition, beforeOffset }])
        await show(session, topic)
      }),
    )
}
