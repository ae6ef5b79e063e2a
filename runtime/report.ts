/**
 * The last place for a failure that nobody else hears of: the standard error output.
 */

/** Writes down that an actor, or (null) a node, has failed. */
export function report(node: number, actor: string | null, error: Error): void {
  process.stderr.write(`odradek: ${actor === null ? '' : `${actor} on `}node ${node} failed: ${error.stack ?? error.message}\n`)
}
