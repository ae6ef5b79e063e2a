/**
 * Bytes as lines. Lines stay bytes: what is not UTF-8 passes unharmed. A line may end in LF or CRLF, the last one in nothing.
 */
import { InputError } from './failure.ts'

/** The longest line that is accepted, 64 MiB: more cannot be one record, and would only fill the memory. */
export const LINE_BYTES_MAX: number = 64 * 1024 * 1024

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** The lines of a stream, without their ends. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  for await (const chunk of chunks) {
    let begin = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, begin)) {
      yield withoutReturn(join([...rest, chunk.subarray(begin, end)]))
      rest = []
      begin = end + 1
    }
    if (begin < chunk.length) rest.push(chunk.subarray(begin))
    if (sizeOf(rest) > LINE_BYTES_MAX) throw new InputError(`a line is longer than ${LINE_BYTES_MAX} bytes`)
  }
  if (rest.length > 0) yield withoutReturn(join(rest))
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line
}
