// UTF-8 without TextEncoder: what the pure rooms need for short names, written straight into bytes and read from views of any memory.
// As the WHATWG rules say, a lone surrogate is written, and a malformed sequence is read, as U+FFFD.

const REPLACEMENT = 0xfffd

/** How many bytes `writeUtf8` takes for a text. */
export function utf8Size(text: string): number {
  let size = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    if (unit < 0x800) size += 1
    else if (isPair(text, index)) {
      size += 2
      index++
    } else size += 2
  }
  return size
}

/** Writes a text as UTF-8; the position after it. The caller has made sure of `utf8Size(text)` bytes. */
export function writeUtf8(bytes: Uint8Array, at: number, text: string): number {
  let position = at
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) bytes[position++] = unit
    else if (isPair(text, index)) position = writePoint(bytes, position, text.codePointAt(index++)!)
    else position = writePoint(bytes, position, (unit & 0xf800) === 0xd800 ? REPLACEMENT : unit)
  }
  return position
}

/** Reads UTF-8 from `begin` to `end`. */
export function readUtf8(bytes: Uint8Array, begin: number, end: number): string {
  let text = ''
  let position = begin
  while (position < end) {
    const first = bytes[position]!
    if (first < 0x80) {
      text += String.fromCharCode(first)
      position++
      continue
    }
    const length = sequenceLength(bytes, position, end)
    text += String.fromCodePoint(length > 0 ? decodePoint(bytes, position, length) : REPLACEMENT)
    position += length > 0 ? length : -length
  }
  return text
}

function isPair(text: string, index: number): boolean {
  if ((text.charCodeAt(index) & 0xfc00) !== 0xd800) return false
  return (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
}

function writePoint(bytes: Uint8Array, at: number, point: number): number {
  let position = at
  if (point < 0x800) bytes[position++] = 0xc0 | (point >>> 6)
  else {
    if (point < 0x1_0000) bytes[position++] = 0xe0 | (point >>> 12)
    else {
      bytes[position++] = 0xf0 | (point >>> 18)
      bytes[position++] = 0x80 | ((point >>> 12) & 0x3f)
    }
    bytes[position++] = 0x80 | ((point >>> 6) & 0x3f)
  }
  bytes[position++] = 0x80 | (point & 0x3f)
  return position
}

/** Length of a well-formed sequence, or minus the length of the longest malformed prefix that one U+FFFD stands for. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!
  const length = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  if (length === 0) return -1
  for (let step = 1; step < length; step++) {
    const byte = at + step < end ? bytes[at + step]! : 0
    const low = step > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
    const high = step > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
    if (byte < low || byte > high) return -step
  }
  return length
}

function decodePoint(bytes: Uint8Array, at: number, length: number): number {
  let point = bytes[at]! & (0xff >>> (length + 1))
  for (let step = 1; step < length; step++) point = (point << 6) | (bytes[at + step]! & 0x3f)
  return point
}
