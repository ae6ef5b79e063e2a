/**
 * `odradek quotas`: what clients may send and read per second, and how long they may keep a thread busy, by client id, user or group. They are kept in the directory, and count as long as it is open.
 */
import { Command } from 'commander'
import type { ClientQuota, ClientQuotaEntity, ClientQuotaValues } from '../client/index.ts'
import { InputError } from './failure.ts'
import { writeJson, writeTable } from './output.ts'
import { parseCount, parsePercentage } from './parse.ts'
import { withCluster, withGlobals } from './session.ts'
import type { Session } from './session.ts'

const EXAMPLES = `
Examples:
  odradek quotas set --client-id billing --consumer-byte-rate 1000000
  odradek quotas set --default client-id --producer-byte-rate 5000000    each client id without a quota of its own
  odradek quotas set --group reports --consumer-byte-rate 200000
  odradek quotas set --client-id crawler --request-percentage 5         a twentieth of one thread
  odradek quotas remove --client-id billing`

interface EntityOptions {
  readonly clientId?: string
  readonly user?: string
  readonly group?: string
  readonly default?: readonly string[]
}

type RateOptions = EntityOptions & ClientQuotaValues

/** Names of entities on the command line. */
const DEFAULTS: Readonly<Record<string, keyof ClientQuotaEntity>> = { 'client-id': 'clientId', user: 'user', group: 'group' }

/** The command with its subcommands. */
export function quotasCommand(): Command {
  const command = new Command('quotas')
    .description('limit what clients send and read per second, and the time of their requests')
    .addHelpText('after', EXAMPLES)
  for (const child of [set(), list(), remove()]) command.addCommand(withGlobals(child))
  return command
}

function set(): Command {
  return withEntity(new Command('set'))
    .description('set quotas of an entity; those that are not named stay')
    .option('--producer-byte-rate <bytes>', 'what its producers send per second, all together', parseCount)
    .option('--consumer-byte-rate <bytes>', 'what its consumers read per second, all together', parseCount)
    .option(
      '--request-percentage <percent>',
      "what its requests take of a thread's time, all together; 100 is one whole thread",
      parsePercentage,
    )
    .action((options: RateOptions, command: Command) =>
      withCluster(command, 'read', async (session) => {
        const { producerByteRate, consumerByteRate, requestPercentage } = options
        const rates = {
          ...(producerByteRate === undefined ? {} : { producerByteRate }),
          ...(consumerByteRate === undefined ? {} : { consumerByteRate }),
          ...(requestPercentage === undefined ? {} : { requestPercentage }),
        }
        if (Object.keys(rates).length === 0)
          throw new InputError('nothing to set: give --producer-byte-rate, --consumer-byte-rate or --request-percentage')
        await session.cluster.admin.alterClientQuotas(entityOf(options), rates)
        await show(session)
      }),
    )
}

function list(): Command {
  return new Command('list')
    .description('list all quotas')
    .action((_options: unknown, command: Command) => withCluster(command, 'read', show))
}

function remove(): Command {
  return withEntity(new Command('remove'))
    .description('remove all quotas of an entity')
    .action((options: EntityOptions, command: Command) =>
      withCluster(command, 'read', async (session) => {
        const entity = entityOf(options)
        const isGroup = entity.group !== undefined
        const removed = { consumerByteRate: null, requestPercentage: null, ...(isGroup ? {} : { producerByteRate: null }) }
        await session.cluster.admin.alterClientQuotas(entity, removed)
        await show(session)
      }),
    )
}

function withEntity(command: Command): Command {
  return command
    .option('--client-id <name>', 'clients with this client id')
    .option('--user <name>', 'clients of this user')
    .option('--group <name>', 'consumers of this group')
    .option('--default <type...>', 'client-id, user, group: all that have no quota of their own')
}

function entityOf({ clientId, user, group, default: defaults = [] }: EntityOptions): ClientQuotaEntity {
  const entity: { -readonly [Type in keyof ClientQuotaEntity]: ClientQuotaEntity[Type] } = {
    ...(clientId === undefined ? {} : { clientId }),
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
  }
  for (const name of defaults) {
    const type = DEFAULTS[name]
    if (type === undefined) throw new InputError(`--default takes ${Object.keys(DEFAULTS).join(', ')}, not ${name}`)
    if (entity[type] !== undefined) throw new InputError(`--default ${name} and --${name} exclude each other`)
    entity[type] = null
  }
  if (Object.keys(entity).length === 0) throw new InputError('whose quota? Give --client-id, --user, both, or --group; or --default TYPE')
  return entity
}

async function show({ cluster, asJson }: Session): Promise<void> {
  const quotas = await cluster.admin.describeClientQuotas()
  const heading = ['entity', 'producer bytes/s', 'consumer bytes/s', 'requests %']
  await (asJson ? writeJson(quotas) : writeTable('quotas', heading, quotas.map(rowOf)))
}

function rowOf({ entity, quotas }: ClientQuota): (string | number)[] {
  const named = Object.entries(DEFAULTS).flatMap(([name, type]) => {
    const value = entity[type]
    return value === undefined ? [] : [`${name} ${value ?? '(default)'}`]
  })
  return [named.join(', '), quotas.producerByteRate ?? '-', quotas.consumerByteRate ?? '-', quotas.requestPercentage ?? '-']
}
