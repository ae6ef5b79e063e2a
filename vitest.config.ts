/**
 * How the tests run: in child processes, because tests of the runtime change directories and start worker threads. `odradek` means the sources,
 * so that the code blocks of the documentation run against what is in the checkout.
 */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  resolve: {
    alias: [
      { find: /^odradek$/, replacement: fileURLToPath(new URL('./edge/client/index.ts', import.meta.url)) },
      { find: /^odradek\/testing$/, replacement: fileURLToPath(new URL('./testing/index.ts', import.meta.url)) },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Node strips types with WebAssembly, in each thread that loads a source. V8 frees a wrapper of it once too often where threads come and go (SIGSEGV in
    // Runtime_TierUpWasmToJSWrapper, Node 24): without generic wrappers there is nothing to free. The built package strips nothing.
    execArgv: ['--no-wasm-generic-wrapper'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})

// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default config
