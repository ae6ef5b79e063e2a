/** The world of a pure room, beyond the language: the address of its own module, and UTF-8. Used by tsconfig.pure.json only. */
interface ImportMeta {
  url: string
}

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>
  encodeInto(text: string, bytes: Uint8Array): { read: number; written: number }
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
  decode(bytes: Uint8Array): string
}
