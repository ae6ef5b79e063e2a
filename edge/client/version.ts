/** The version of this package, as its package.json says: two directories up in the sources, three in `dist`. */
import { existsSync, readFileSync } from 'node:fs'

/** For example `0.1.0`. */
export function version(): string {
  const candidates = ['../../package.json', '../../../package.json'].map((path) => new URL(path, import.meta.url))
  const found = candidates.find((url) => existsSync(url))
  if (found === undefined) return 'unknown'
  const parsed = JSON.parse(readFileSync(found, 'utf8')) as { readonly version?: string }
  return parsed.version ?? 'unknown'
}
