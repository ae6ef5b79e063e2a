import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linesOf } from '../../../edge/cli/lines.ts'

test('lines do not depend on where the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.stringMatching(/^[a-zé\t ]*$/)), fc.array(fc.nat(40)), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      expect(await collect(pieces(bytes, cuts))).toEqual(lines)
    }),
  )
})

test('the last line needs no end, and CRLF is an end, too', async () => {
  expect(await collect(pieces(Buffer.from('a\r\n\r\nb'), [1, 3]))).toEqual(['a', '', 'b'])
})

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesOf(chunks)) lines.push(Buffer.from(line).toString())
  return lines
}

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const size of cuts) {
    yield bytes.subarray(at, at + size)
    at += size
  }
  yield bytes.subarray(at)
}
