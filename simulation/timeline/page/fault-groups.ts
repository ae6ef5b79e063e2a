/**
 * Faults by what they are done to.
 */

/** What a fault is done to. */
export type FaultGroup = 'network' | 'process' | 'disk' | 'cluster'

const DISK = new Set([
  'slowDisk',
  'syncError',
  'appendError',
  'readError',
  'stickySyncError',
  'tornWrite',
  'renameLost',
  'bitRot',
  'wipe',
  'lostFile',
  'lostLog',
  'droppedWrite',
  'misdirectedWrite',
])
const NETWORK = new Set(['partition', 'isolate', 'symmetricCut', 'bridge', 'swizzleClog', 'lossByKind', 'queueOverflow'])
const PROCESS = new Set([
  'kill',
  'killPending',
  'powerLoss',
  'cleanRestart',
  'restartStorm',
  'rollingRestart',
  'closeAll',
  'pause',
  'clientCrash',
  'clockStep',
  'clockDrift',
  'rebalanceStorm',
])

/** All groups; what is in no other is done to the cluster. */
export const FAULT_GROUPS: readonly { readonly name: FaultGroup; readonly has: (kind: string) => boolean }[] = [
  { name: 'network', has: (kind) => NETWORK.has(kind) },
  { name: 'process', has: (kind) => PROCESS.has(kind) },
  { name: 'disk', has: (kind) => DISK.has(kind) },
  { name: 'cluster', has: (kind) => !NETWORK.has(kind) && !PROCESS.has(kind) && !DISK.has(kind) },
]

/** The group of a kind. */
export function groupOf(kind: string): FaultGroup {
  return FAULT_GROUPS.find(({ has }) => has(kind))?.name ?? 'cluster'
}
