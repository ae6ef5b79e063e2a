/**
 * A run as text: one line per step, with the virtual time in milliseconds, who told whom, and what. For people and `grep`, not for programs.
 */
import type { Message } from '../protocol/messages/message.ts'
import type { World } from './world.ts'

/** Makes a world write down what happens, line by line. */
export function writeTranscript(world: World, write: (line: string) => void): void {
  world.log = (line) => write(`${(world.nowMicros / 1000).toFixed(3).padStart(10)} ${line}`)
}

/** A message in one line; bytes by their size. */
export function describeMessage(message: Message): string {
  return JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? `<${value.length} bytes>` : value))
}
