/**
 * A timeline as one page that needs nothing else: the template, and in it the run, compressed.
 */
import { gzipSync } from 'node:zlib'
import type { Timeline } from './model.ts'
import { DATA_PLACE, pageTemplate } from './template.ts'

/** The page, as HTML. */
export async function timelinePage(timeline: Timeline): Promise<string> {
  const data = gzipSync(JSON.stringify(timeline), { level: 9 }).toString('base64')
  return (await pageTemplate()).replace(DATA_PLACE, () => data)
}
