// Assertions: a broken precondition or invariant is a bug, and a bug stops the actor that has it.
// Expected failures are values, not assertions; messages begin with the number of the invariant they guard ("P3 high watermark <= log end").

/** Thrown when code finds that its own rules do not hold. Nobody catches it but a supervisor. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/** Throws InvariantViolation unless the condition is truthy. Stays on in production: state one fact per call. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message)
}

/** Ends a total switch: compiles only when no case is left, and throws InvariantViolation if one gets here after all. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable: ${describe(value)}`)
}

function describe(value: unknown): string {
  return JSON.stringify(value) ?? String(value)
}
