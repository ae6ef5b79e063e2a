/**
 * Where the main module of worker threads is. It is named from this module's own URL, so that it is found as `.ts` in the sources and as
 * `.js` in the package.
 */

/** The URL of worker.ts, or of what it was built into. */
export const workerUrl: URL = new URL(import.meta.url.endsWith('.ts') ? 'worker.ts' : 'worker.js', import.meta.url)
