/**
 * What every command that touches data shares: the global options, the cluster that is open while it works, and the signal that ends it.
 * The first Ctrl-C asks it to finish and close; a second one does not wait.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { KafkaError } from '../../protocol/errors.ts'
import { open } from '../client/index.ts'
import type { Cluster, ClusterOptions } from '../client/api.ts'
import { InputError } from './failure.ts'
import { pipeClosed, say } from './output.ts'
import { parseDirectory } from './parse.ts'
import { offlineNews, untilInterrupted, withNews } from './waiting.ts'
import type { News } from './waiting.ts'

/** The options that all commands have. */
export interface GlobalOptions {
  readonly directory?: string
  readonly json?: boolean
  readonly record?: string
  /** Only where a directory can be made. */
  readonly nodes?: number
}

/** What a command works with; `interrupted` fires on Ctrl-C, on SIGTERM, and when nobody reads the output any more. */
export interface Session {
  readonly cluster: Cluster
  readonly interrupted: AbortSignal
  readonly asJson: boolean
}

/** The exit code of a command that was interrupted before it was done: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130

const DEFAULT_DIRECTORY = './data'
/** The directory of a cluster that leaves nothing. */
export const MEMORY = ':memory:'

/** Who has pressed Ctrl-C is told after that what it waits for. */
const FINISH_MILLIS = 3000

/** Adds the global options: they may stand before or after the name of a command. */
export function withGlobals(command: Command): Command {
  return command
    .option('-d, --directory <dir>', 'where the data is (default: ./data)', parseDirectory)
    .option('--json', 'write JSON, for programs')
    .option('--record <dir>', 'record all that the cluster does, for odradek replay', parseDirectory)
}

/**
 * Opens the cluster that the options name (and with what the command itself wants), does the work until Ctrl-C, and closes it whatever happens. Reading never
 * makes a directory.
 */
export function withCluster(
  command: Command,
  purpose: 'read' | 'write',
  work: (session: Session) => Promise<void>,
  clusterOptions: ClusterOptions = {},
): Promise<void> {
  const ended = (session: Session): Promise<void> => waitFor(session, offlineNews(session.cluster), () => work(session))
  return withClusterToTheEnd(command, purpose, ended, clusterOptions)
}

/** What a command waits for: not silently, and only until Ctrl-C. */
export function waitFor<Result>({ interrupted }: Session, news: News, work: () => Promise<Result>): Promise<Result> {
  return withNews(news, () => untilInterrupted(interrupted, work))
}

/** Likewise, for work that has something to finish: it sees itself that it was interrupted. */
export async function withClusterToTheEnd(
  command: Command,
  purpose: 'read' | 'write',
  work: (session: Session) => Promise<void>,
  clusterOptions: ClusterOptions = {},
): Promise<void> {
  const options = command.optsWithGlobals<GlobalOptions>()
  const directory = directoryOf(command)
  if (purpose === 'read') checkThere(directory)
  const interrupted = interruption()
  // A command is over before a second thread would have paid for its start.
  const { nodes, record } = options
  const wanted = { ...(nodes === undefined ? {} : { nodes }), ...(record === undefined ? {} : { record }) }
  const cluster = await open(directory, { mustExist: purpose === 'read', threads: 0, ...wanted, ...clusterOptions })
  try {
    await work({ cluster, interrupted, asJson: options.json === true })
  } finally {
    await cluster.close()
  }
}

/** The directory that the options or the environment name. */
export function directoryOf(command: Command): string {
  const directory = command.optsWithGlobals<GlobalOptions>().directory ?? process.env['ODRADEK_DIRECTORY'] ?? DEFAULT_DIRECTORY
  if (directory === '') throw new InputError('ODRADEK_DIRECTORY is empty: it must name a directory, or --directory DIR must')
  return directory
}

function checkThere(directory: string): void {
  if (directory === MEMORY || existsSync(directory)) return
  const what = `There is no data directory ${resolve(directory)} yet`
  throw new KafkaError('FOREIGN_DIRECTORY', `${what}: \`odradek topics create NAME\` makes one, --directory DIR names another.`)
}

function interruption(): AbortSignal {
  const controller = new AbortController()
  let count = 0
  const onSignal = (): void => {
    count += 1
    if (count > 1) process.exit(EXIT_INTERRUPTED)
    setTimeout(() => say('Still finishing what has begun. Ctrl-C once more does not wait.'), FINISH_MILLIS).unref()
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return AbortSignal.any([controller.signal, pipeClosed])
}
