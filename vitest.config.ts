/**
 * How the tests run: in child processes, because tests of the runtime change directories and start worker threads. `odradek` means the sources,
 * so that the code blocks of the documentation run against what is in the checkout.
 */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'

// Tests start hundreds of processes and threads, each of which loads the same sources: what Node has made of them (stripped of types, compiled) it finds again.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('./node_modules/.cache/compiled', import.meta.url))

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
    // Many tests wait, for a clock or another process: two at a time, even where the default would be one.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})

// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default config
