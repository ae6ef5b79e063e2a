/** Removes what the build made, so that a file that is gone from the sources is gone from the package, too. */
import { rmSync } from 'node:fs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
