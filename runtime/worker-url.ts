/**
 * Where the main module of worker threads is, and how they are started. It is named from this module's own URL, so that it is found as `.ts` in the sources and as
 * `.js` in the package.
 */

/**
 * The options that Node gives workers. They have the process's own, unless one of them is `--input-type`, which says what the text of `node -e` is: no file may be
 * started with that.
 */
export function workerOptions(): { readonly execArgv?: string[] } {
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {}
}

/** The URL of worker.ts, or of what it was built into. */
export const workerUrl: URL = new URL(import.meta.url.endsWith('.ts') ? 'worker.ts' : 'worker.js', import.meta.url)
