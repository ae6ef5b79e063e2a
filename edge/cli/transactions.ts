/**
 * `odradek transactions`: which transactional ids there are, and which of their transactions are open.
 */
import { Command } from 'commander'
import type { TransactionDescription } from '../client/index.ts'
import { KafkaError } from '../client/index.ts'
import { table, write, writeJson, writeTable } from './output.ts'
import { withCluster, withGlobals } from './session.ts'

/** The command with its subcommands. */
export function transactionsCommand(): Command {
  const command = new Command('transactions').description('list and describe the transactions of producers')
  command.addCommand(withGlobals(list()))
  command.addCommand(withGlobals(describe()))
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
