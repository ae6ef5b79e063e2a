// Every history that is damaged to see whether a checker notices.

import { damagedTrust } from './counted-on.ts'
import type { Damaged } from './damaged.ts'
import { damagedEpochs } from './epochs.ts'
import { damagedGroups } from './groups.ts'
import { damagedLogs } from './logs.ts'
import { damagedNumbers } from './numbers.ts'
import { damagedOthers } from './others.ts'
import { damagedQuorums } from './quorum.ts'
import { damagedReplicas } from './replicas.ts'
import { damagedRewrites } from './rewrites.ts'
import { damagedLooks } from './second-looks.ts'
import { damagedAnswers } from './told.ts'
import { damagedTransactions } from './transactions.ts'
import { damagedWaiting } from './waiting.ts'

/** All of them. */
export const damagedHistories: readonly Damaged[] = [
  ...damagedLogs,
  ...damagedReplicas,
  ...damagedGroups,
  ...damagedWaiting,
  ...damagedEpochs,
  ...damagedTransactions,
  ...damagedAnswers,
  ...damagedQuorums,
  ...damagedRewrites,
  ...damagedNumbers,
  ...damagedTrust,
  ...damagedLooks,
  ...damagedOthers,
]
