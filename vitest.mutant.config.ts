/**
 * The tests with a mutant in the code: `MUTANT=A5 npx vitest run --config vitest.mutant.config.ts FILE`.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'
import { applyEdit, findMutant } from './simulation/mutants/loader.ts'
import base from './vitest.config.ts'

const root = fileURLToPath(new URL('./', import.meta.url))
const mutant = findMutant(process.env['MUTANT'] ?? '')
if (mutant === undefined) throw new Error('MUTANT names no mutant')

const config: ViteUserConfig = mergeConfig(
  base,
  defineConfig({
    root,
    // What is transformed is another text for each mutant.
    test: { fsModuleCache: false },
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        transform: (code, id) => mutant.edits.filter(({ file }) => id === root + file).reduce((text, edit) => applyEdit(text, edit), code),
      },
    ],
  }),
)

// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default config
