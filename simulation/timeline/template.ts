/**
 * The page without a run: what is in `page/`, in one file. The package has it ready-made; a checkout makes it from the sources.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where the run goes. */
export const DATA_PLACE = '<!-- run -->'

const STYLE_PLACE = '<!-- style -->'
const SCRIPT_PLACE = '<!-- script -->'

/** The template. */
export async function pageTemplate(): Promise<string> {
  const ready = new URL('./page.html', import.meta.url)
  return existsSync(ready) ? readFileSync(ready, 'utf8') : makeTemplate()
}

/** Makes the template from the sources; only a checkout has them. */
export async function makeTemplate(): Promise<string> {
  const place = new URL('./page/', import.meta.url)
  const read = (name: string): string => readFileSync(new URL(name, place), 'utf8')
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({ cwd: fileURLToPath(place), input: './main', platform: 'browser' })
  const { output } = await bundle.generate({ format: 'iife' })
  // Nothing in a script may look like its end.
  const script = output[0].code.replaceAll('</script', '<\\/script')
  return read('index.html')
    .replace(STYLE_PLACE, () => read('style.css'))
    .replace(SCRIPT_PLACE, () => script)
}
