// The codecs of record batch v2 by name and by number, and the interface through which a pure room asks for them.
// It does not compress: the implementation needs native code and is handed in by whoever has some (the runtime).

/** A codec of Kafka's record batches; `'none'` leaves the records as they are. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** All codecs in the order of their numbers in bits 0..2 of the batch attributes. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** The most bytes that one batch may decompress to, 64 MiB: 60 times the default batch limit, and a bomb still fits in memory. */
export const DECOMPRESSED_BYTES_MAX: number = 64 * 1024 * 1024

/** Compresses and decompresses the records section of a batch. */
export interface Compressor {
  /** The compressed form of the bytes; the result belongs to the caller, the input is only read. */
  compress(codec: Compression, bytes: Uint8Array): Uint8Array
  /**
   * The bytes that were compressed; the result belongs to the caller, the input is only read.
   * Throws KafkaError CORRUPT_MESSAGE when they are not valid, MESSAGE_TOO_LARGE beyond `sizeBytesMax` (default DECOMPRESSED_BYTES_MAX).
   */
  decompress(codec: Compression, bytes: Uint8Array, sizeBytesMax?: number): Uint8Array
}

/** The number of a codec in bits 0..2 of the batch attributes. */
export function compressionId(compression: Compression): number {
  return COMPRESSIONS.indexOf(compression)
}

/** The codec of a number, or null for the numbers 5..7 that mean nothing. */
export function compressionOf(id: number): Compression | null {
  return COMPRESSIONS[id] ?? null
}
