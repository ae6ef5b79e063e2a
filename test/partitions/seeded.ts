// Properties try the same examples in every run: a failure is the change's, never the day's. ODRADEK_SEED tries others.

import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['ODRADEK_SEED'] ?? 1883) })
