/**
 * Known ways to get quotas wrong, those of clients and those of reassignments, as data: the part of the catalogue about those.
 */
import type { Mutant } from './mutant.ts'

/** Mutants of quotas. */
export const quotaMutants: readonly Mutant[] = [
  {
    id: 'U1',
    title: 'a consumer that is limited reads on',
    why: 'its quota is known and counted, and changes nothing',
    edits: [
      {
        file: 'actors/consumer.ts',
        text: "if (one.phase === 'fetching' && mayNotFetch(state, context.uptime)) return",
        replacement: "if (one.phase === 'locating' && mayNotFetch(state, context.uptime)) return",
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U2',
    title: 'what flows into a bucket is counted twice',
    why: 'a client gets twice its rate',
    edits: [
      {
        file: 'coordinator/quota-bucket.ts',
        text: 'bucket.tokens + gained)',
        replacement: 'bucket.tokens + 2 * gained)',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U3',
    title: 'the default quota is for clients without a name only',
    why: 'whoever has a name, and no quota of its own, is not limited',
    edits: [
      {
        file: 'coordinator/quotas.ts',
        text: '    [{ clientId: null }, byClient],\n',
        replacement: "    [{ clientId: clientId === null ? null : '' }, byClient],\n",
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U4',
    title: 'a producer that knows nothing yet of its quota takes it for none',
    why: 'all that it sends until the keeper has answered is free',
    edits: [
      {
        file: 'actors/client-quota.ts',
        text: 'return !quota.isKnown ||',
        replacement: 'return quota.isKnown &&',
      },
    ],
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'U5',
    title: 'what a request took is heard, and not said to the keeper',
    why: 'a client whose requests are limited in time sends them as it likes',
    edits: [
      {
        file: 'actors/client-quota.ts',
        text: '  charge(quota, 0, micros, outbox)\n',
        replacement: '  charge(quota, 0, micros - micros, outbox)\n',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U6',
    title: 'a request does not ask for its time',
    why: 'what it takes is free',
    edits: [
      {
        file: 'actors/client-quota.ts',
        text: 'outbox.push(quota.isTimed ?',
        replacement: 'outbox.push(quota.isTimed && quota.charges % 8 !== 7 ?',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U7',
    title: 'a keeper charges requests by their bytes only',
    why: 'the bucket of their time is never touched, and binds nobody',
    edits: [
      {
        file: 'actors/quotas.ts',
        text: 'isTime ? micros : sizeBytes',
        replacement: 'isTime ? 0 * micros : sizeBytes',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U8',
    title: 'only what sends or reads asks for its time',
    why: 'a client whose requests are limited in time asks coordinators for nothing that it pays for',
    edits: [
      {
        file: 'actors/client-quota.ts',
        text: '!isRequest(effect.message)) return effect',
        replacement: "(effect.message.kind !== 'produce' && effect.message.kind !== 'fetch')) return effect",
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'U9',
    title: 'a member of a share group passes the gate of its quota as soon as that is known',
    why: 'it asks for more before what it was given is paid for',
    edits: [
      {
        file: 'actors/client-quota.ts',
        text: 'if (quota === null || !isMuted(quota, uptime)) return uptime',
        replacement: 'if (quota === null || quota.isKnown) return uptime',
      },
    ],
    seed: 40,
    seedsToFind: 40,
  },
  {
    id: 'U10',
    title: 'a replica that a reassignment brings does not pause after what it has copied (KIP-73)',
    why: 'it takes what the node and its disk have, however little it may copy',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: '  if (throttleBytesPerSecond > 0) following.pausedUntil = uptime + (sizeBytes * 1000) / throttleBytesPerSecond\n',
        replacement: '',
      },
    ],
    seed: 29,
    seedsToFind: 29,
  },
  {
    id: 'U11',
    title: 'each replica that a reassignment brings to a node may copy what all of them may',
    why: 'the more of them are moved at a time, the faster they copy',
    edits: [
      {
        file: 'actors/broker-replicas.ts',
        text: 'Math.ceil(limitOf(state) / Math.max(1, state.throttledCount))',
        replacement: 'limitOf(state)',
      },
    ],
    seed: 64,
    seedsToFind: 64,
  },
]
