/**
 * What a broken property says: the commands that are left, and how to run them again. Only for tests of the models.
 */

/** A counterexample, as fast-check's error has it. */
export interface Counterexample {
  readonly message: string
  readonly cause: unknown
  /** The commands that were run, each as it calls itself. */
  readonly commands: readonly string[]
  readonly seed: number
  readonly path: string
  readonly replayPath: string
}

/** The counterexample of a property that must be broken. */
export async function counterexampleOf(checked: Promise<void>): Promise<Counterexample> {
  const error = await checked.then(
    () => new Error('the property holds'),
    (reason: unknown) => reason as Error,
  )
  const { message, cause } = error
  const [, seed, path] = /seed: (-?\d+), path: "([^"]*)"/.exec(message) ?? []
  const [, line = ''] = /Counterexample: \[(.*)/.exec(message) ?? []
  const [, replayPath] = /replayPath="([^"]*)"/.exec(line) ?? []
  if (seed === undefined || path === undefined || replayPath === undefined) throw error
  const commands = [...line.matchAll(/(?:^|,)([a-zA-Z]+\()/g)].map(([, name]) => name!)
  return { message, cause, commands, seed: Number(seed), path, replayPath }
}
