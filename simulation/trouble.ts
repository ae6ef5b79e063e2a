/** All trouble of a run that is no fault: each kind where the plan has it. */
import { layAmbushes } from './ambush.ts'
import type { Cluster } from './cluster.ts'
import { unleashExiles } from './exiles.ts'
import { unleashHardships } from './hardships.ts'
import { hurry } from './haste.ts'
import { unleashHiccups } from './hiccups.ts'
import { changeLimits } from './limit-strikes.ts'
import { unleashOrdeals } from './ordeals.ts'
import { succeedShares } from './share-strikes.ts'
import { turnOver } from './turnover.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Begins all of it; it ends when the run heals. */
export function unleashTrouble(cluster: Cluster, admin: AdminWorkload): void {
  unleashOrdeals(cluster, admin)
  unleashHiccups(cluster, admin)
  hurry(cluster)
  layAmbushes(cluster)
  turnOver(cluster, admin)
  succeedShares(cluster, admin)
  changeLimits(cluster, admin)
  unleashExiles(cluster)
  unleashHardships(cluster, admin)
}
