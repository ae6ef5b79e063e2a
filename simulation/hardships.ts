/** The hardships of a run that has some (hardship-plan.ts): each begins with the faults, and ends when the run heals. What applications are behind with is in their workloads (backlog.ts). */
import type { Cluster } from './cluster.ts'
import { hangDisks } from './hangs.ts'
import { inquire } from './inquiries.ts'
import { delayAnswers } from './late-answers.ts'
import { layDown } from './naps.ts'
import { callBack } from './revenants.ts'
import { leaveRelics } from './relics.ts'
import { moveBeginnings } from './tides.ts'
import { Visits } from './workloads/visitor.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Begins all of them. */
export function unleashHardships(cluster: Cluster, admin: AdminWorkload): void {
  for (const kind of cluster.plan.hardships) {
    if (kind === 'hang') hangDisks(cluster, admin)
    if (kind === 'tide') moveBeginnings(cluster)
    if (kind === 'nap') layDown(cluster)
    if (kind === 'revenant') callBack(cluster, admin)
    if (kind === 'lateness') delayAnswers(cluster, admin)
    if (kind === 'inquiry') inquire(cluster)
    if (kind === 'relic') leaveRelics(cluster, admin)
    if (kind === 'visit') new Visits(cluster).start()
  }
}
