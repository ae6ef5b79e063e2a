/**
 * How a value is written in a recording: one byte says what follows. Unlike the frames of rings (runtime/codec.ts), which carry plain data and bytes in
 * one place, this carries whatever a message, a configuration or an effect may hold, and exactly: `-0`, `undefined`, bytes anywhere, texts that are not
 * well-formed. Names and the fields of objects are written once per chunk, and are numbers from then on:
 *
 *     0x00 null       0x04 whole number: varint            0x08 text, not remembered: size, UTF-8     0x0c object with new fields: count, names, values
 *     0x01 undefined  0x05 other number: f64               0x09 text, not well-formed: count, u16s    0x0d object with known fields: number, values
 *     0x02 false      0x06 text, gets the next number:     0x0a bytes: size, bytes                    0x80 … 0xff: 0 … 127
 *     0x03 true            size, UTF-8                     0x0b list: count, values
 *                     0x07 known text: its number
 *
 * Sizes, counts and numbers are zigzag varints (protocol/bytes.ts).
 */

/** `null`. */
export const NULL = 0x00
/** `undefined`. */
export const UNDEFINED = 0x01
/** `false`. */
export const FALSE = 0x02
/** `true`. */
export const TRUE = 0x03
/** A whole number of 32 bits. */
export const INTEGER = 0x04
/** Any other number. */
export const FLOAT = 0x05
/** A text that may come again. */
export const NEW_TEXT = 0x06
/** A text that has come before in this chunk. */
export const KNOWN_TEXT = 0x07
/** A long text. */
export const LONG_TEXT = 0x08
/** A text with lone surrogates, which UTF-8 cannot carry. */
export const BROKEN_TEXT = 0x09
/** Bytes. */
export const BYTES = 0x0a
/** A list. */
export const LIST = 0x0b
/** An object whose fields come here for the first time in this chunk. */
export const NEW_OBJECT = 0x0c
/** An object with the fields of one before. */
export const KNOWN_OBJECT = 0x0d
/** Added to numbers from 0 to SMALL_MAX. */
export const SMALL = 0x80
/** The largest number that is one byte. */
export const SMALL_MAX = 0x7f

/** Longer texts are not likely to come again. In UTF-16 units. */
export const KNOWN_TEXT_LENGTH_MAX = 64

/** Deeper values are a mistake, or a cycle. */
export const DEPTH_MAX = 64
