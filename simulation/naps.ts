/**
 * Clients that fall asleep with a question under way: a process is stopped for a while (a laptop that is closed, a collector of garbage, a machine that is moved), and finds an answer of long ago when it goes on. Its group may
 * have gone on without it by then.
 */
import type { Message } from '../protocol/messages/message.ts'
import type { Cluster } from './cluster.ts'
import { addLookout } from './lookouts.ts'
import { Random } from './random.ts'

/** One answer in so many finds its client asleep: the seldom ones as often as the others. */
const SHARES: Readonly<Partial<Record<Message['kind'], number>>> = {
  consumerGroupHeartbeatResponse: 40,
  heartbeatResponse: 40,
  joinGroupResponse: 8,
  syncGroupResponse: 8,
  offsetFetchResponse: 6,
  offsetCommitResponse: 60,
  initTransactionsResponse: 12,
  endTransactionResponse: 30,
}

/** How long it sleeps, in microseconds: sessions of members are 3 s. */
const NAPS_MICROS = [400_000, 2_000_000, 3_500_000, 5_000_000, 8_000_000] as const

/** Between two naps, at least, in microseconds. */
const REST_MICROS = 1_000_000

/** Begins; it ends when the run heals. */
export function layDown(cluster: Cluster): void {
  const { world, faults } = cluster
  const random = new Random(world.seed, 'hardships/naps')
  let restsUntil = 0
  addLookout(world, {
    sent: (to, { kind }) => {
      const share = to.node < 0 ? SHARES[kind] : undefined
      if (share === undefined || !faults.active || world.nowMicros < restsUntil || random.below(share) > 0) return
      restsUntil = world.nowMicros + REST_MICROS
      const micros = random.pick(NAPS_MICROS)
      world.log?.(`hardship: client ${to.node} sleeps for ${micros} us before it hears ${kind}`)
      for (const client of cluster.clients) if (client.node === to.node) client.pause(world.nowMicros + micros)
    },
    saw: () => undefined,
  })
}
