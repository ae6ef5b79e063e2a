/**
 * Answers that come later than anybody waits for them, about topics that come and go: an administrator deletes a topic and creates it again after a while, clients ask for it meanwhile, and what one coordinator or another says to a
 * client waits on its way.
 */
import { again } from './again.ts'
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two answers that are late, and two topics that go, on average, in microseconds. */
const LATE_MICROS = 700_000
const GONE_MICROS = 3_000_000

/** What is said to a client waits for so long, in microseconds: clients ask somebody else after 250 ms. */
const WAITS_MICROS = [200_000, 400_000, 900_000, 2_000_000] as const

/** A topic is away for so long, at most, in microseconds. */
const AWAY_MICROS = [20_000, 300_000, 1_500_000] as const

/** Begins; it ends when the run heals. */
export function delayAnswers(cluster: Cluster, admin: AdminWorkload): void {
  again(cluster, LATE_MICROS, new Random(cluster.world.seed, 'hardships/lateness'), (random) => delay(cluster, random))
  again(cluster, GONE_MICROS, new Random(cluster.world.seed, 'hardships/absence'), (gone) => {
    if (!admin.isIdle) return
    const away = gone.below(gone.pick(AWAY_MICROS))
    admin.recreate(gone, away)
    // Whoever looks for it meanwhile hears that it is not there, late.
    if (gone.below(2) === 0) delay(cluster, gone)
  })
}

/** What some coordinators say to a client arrives late. */
function delay(cluster: Cluster, random: Random): void {
  const client = random.pick([...cluster.clients])
  for (const voter of cluster.voters) if (random.below(3) > 0) cluster.clog(voter, client.node, random.below(random.pick(WAITS_MICROS)))
}
