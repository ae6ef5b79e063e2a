/**
 * How the tests run: in child processes, because tests of the runtime change directories and start worker threads. `odradek` means the sources,
 * so that the code blocks of the documentation run against what is in the checkout.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  resolve: { alias: [{ find: /^odradek$/, replacement: fileURLToPath(new URL('./edge/client/index.ts', import.meta.url)) }] },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})

// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default config
