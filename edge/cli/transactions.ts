/**
 * `odradek transactions`: which transactional ids there are, which of their transactions are open, and how one is ended that nobody ends any more.
 */
import { Command } from 'commander'
import type { TransactionDescription } from '../client/index.ts'
import { KafkaError } from '../client/index.ts'
import { parseWhole } from './parse.ts'
import { table, write, writeJson, writeTable } from './output.ts'
import { withCluster, withGlobals } from './session.ts'

const HANGING_HELP = `
Readers of what is committed wait where such a transaction begins, and so do groups whose offsets it was to commit:
no producer commits or aborts it any more, and no time-out does.

Example:
  odradek transactions find-hanging
  odradek transactions abort orders 0 4711`

/** The command with its subcommands. */
export function transactionsCommand(): Command {
  const command = new Command('transactions').description('list and describe the transactions of producers, and end those that hang')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
  command.addCommand(withGlobals(findHanging()))
  command.addCommand(withGlobals(abort()))
  return command
}

function list(): Command {
  return new Command('list').description('list all transactional ids').action((_options: unknown, command: Command) =>
    withCluster(command, 'read', async ({ cluster, asJson }) => {
      const transactions = await cluster.admin.listTransactions()
      const rows = transactions.map(({ transactionalId, state, producerId, producerEpoch, openMillis }) => {
        return [transactionalId, state, producerId, producerEpoch, openMillis < 0 ? '-' : openMillis]
      })
      const heading = ['id', 'state', 'producer', 'epoch', 'open ms']
      await (asJson ? writeJson(transactions) : writeTable('transactional ids', heading, rows))
    }),
  )
}

function describe(): Command {
  return new Command('describe')
    .description('show the state of a transactional id, and where its transaction has written')
    .argument('<id>')
    .action((id: string, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const found = (await cluster.admin.listTransactions()).find(({ transactionalId }) => transactionalId === id)
        if (found === undefined) throw new KafkaError('TRANSACTIONAL_ID_NOT_FOUND', `there is no transactional id ${JSON.stringify(id)}`)
        await (asJson ? writeJson(found) : write(describeText(found)))
      }),
    )
}

function findHanging(): Command {
  return new Command('find-hanging')
    .description('list transactions that are open in a partition, and that nobody will end')
    .option('--topic <name>', 'look at this topic only')
    .addHelpText('after', HANGING_HELP)
    .action(({ topic }: { readonly topic?: string }, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const hanging = await cluster.admin.findHangingTransactions(topic)
        const rows = hanging.map((one) => [one.topic, one.partition, one.startOffset, one.producerId, one.producerEpoch])
        const heading = ['topic', 'partition', 'start', 'producer', 'epoch']
        await (asJson ? writeJson(hanging) : writeTable('hanging transactions', heading, rows))
      }),
    )
}

function abort(): Command {
  return new Command('abort')
    .description('abort a transaction that hangs, in one partition')
    .argument('<topic>')
    .argument('<partition>', 'which partition', parseWhole)
    .argument('<start>', 'the offset at which it begins', parseWhole)
    .addHelpText('after', HANGING_HELP)
    .action((topic: string, partition: number, startOffset: number, _options: unknown, command: Command) =>
      withCluster(command, 'read', async ({ cluster, asJson }) => {
        const aborted = { topic, partition, startOffset }
        await cluster.admin.abortTransaction(aborted)
        await (asJson ? writeJson({ aborted }) : write(`aborted the transaction at ${startOffset} of ${topic}-${partition}\n`))
      }),
    )
}

function describeText({
  transactionalId,
  state,
  producerId,
  producerEpoch,
  timeoutMillis,
  openMillis,
  partitions,
}: TransactionDescription): string {
  const open = openMillis < 0 ? '' : `, open for ${openMillis} ms`
  const heading = `${transactionalId}: ${state}, producer ${producerId} in epoch ${producerEpoch}, time-out ${timeoutMillis} ms${open}\n`
  const rows = partitions.map(({ topic, partition }) => [topic, partition])
  return rows.length === 0 ? heading : `${heading}\n${table(['topic', 'partition'], rows)}`
}
