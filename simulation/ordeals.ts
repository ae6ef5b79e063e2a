/**
 * The ordeals of a run that has some (ordeal-plan.ts): each comes again and again until the run heals, at times drawn by a generator of its own.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import type { StorageEffect } from '../actors/effect.ts'
import type { CoordinatorState } from '../actors/coordinator.ts'
import type { PartitionImage } from '../coordinator/partition-image.ts'
import { again, soon } from './again.ts'
import type { Cluster } from './cluster.ts'
import { Damage, hasWholeCopy } from './damage.ts'
import type { DiskStage } from './disk.ts'
import { succeed } from './guest-strikes.ts'
import { deathAt, likeness, PATIENCE_MICROS } from './last-steps.ts'
import type { Death, LastSteps } from './last-steps.ts'
import { METADATA_LOG } from './metadata-log.ts'
import type { Ordeal } from './ordeal-plan.ts'
import { Random } from './random.ts'
import type { AdminWorkload } from './workloads/topics.ts'

/** Between two of a kind, on average, in microseconds. */
const PAUSE_MICROS: Readonly<Record<Ordeal, number>> = {
  absence: 6_000_000,
  flicker: 1_500_000,
  tidiness: 0,
  chain: 3_500_000,
  seesaw: 1_500_000,
  shuffle: 2_500_000,
  rebirth: 5_000_000,
  echo: 2_500_000,
  island: 5_000_000,
  molasses: 1_500_000,
  strain: 2_500_000,
  ghosts: 2_000_000,
  ailing: 2_500_000,
  rot: 5_000_000,
  hiccup: 0,
  haste: 0,
}

/** A node is away, least and most, and so much later another one dies, in microseconds. */
const AWAY_MICROS = [1_700_000, 8_000_000] as const
const RETURNED_MICROS = 2_000_000

/** An island lasts so long, least and most, in microseconds: sessions are 1.5 s, and the leases of coordinators no longer. */
const ISLAND_MICROS = [1_200_000, 5_000_000] as const

/** Nodes of a chain die so long after each other on average, and what one of them says is held up so long, in microseconds. */
const NEXT_MICROS = 600_000
const CLOGGED_MICROS = 700_000

/** A node does not hear for so long what has become of topics, least and most, in microseconds. */
const UNAWARE_MICROS = [300_000, 3_000_000] as const

/** One cleaning in so many ends with the node. */
const CLEANINGS = 8

/** A leader has its turn for so long, in microseconds, and there are so many turns at most. */
const TURNS_MICROS = [20_000, 100_000, 400_000, 1_200_000] as const
const TURNS_MAX = 4

/** A replica is away, what it said is on its way, and then its leader dies, for so long at most, in microseconds. */
const ABSENT_MICROS = 600_000
const LATE_MICROS = 900_000
const DEATH_MICROS = 500_000

/** What a host says is kept for so long, in microseconds, and it dies after so long on average, if it does. */
const KEPT_MICROS = 1_500_000
const DEATHLY_MICROS = 500_000

/** One client in so many is slow, and longer than sessions of groups last, least and most, in microseconds. */
const SLOW_SHARE = 3
const SLEEP_MICROS = [2_600_000, 6_000_000] as const

/** A node has too much to do for so long, least and most, in microseconds. */
const STRAIN_MICROS = [200_000, 3_000_000] as const

/** A disk is not well for so long, least and most, and power goes within so long after it began, in microseconds. */
const AILING_MICROS = [100_000, 2_500_000] as const
const POWER_MICROS = 3_000_000

/** A node is back after so long on average, and another one dies so long after that, in microseconds. */
const RESTARTED_MICROS = 400_000
const HEARD_MICROS = [20_000, 400_000, 900_000] as const

/** The steps that may be the last, the seldom ones as often as the others. */
const STEPS: readonly StorageEffect['kind'][] = ['append', 'sync', 'replace', 'rename', 'remove', 'truncate', 'compact', 'rewrite', 'read']

/** One log in so many whose power goes is that of the metadata. */
const METADATA_SHARE = 4

function deathOf(random: Random): Death {
  return random.below(2) === 0 ? 'kill' : 'powerLoss'
}

/** Begins all ordeals of a run. */
export function unleashOrdeals(cluster: Cluster, admin: AdminWorkload): void {
  const kinds = cluster.plan.ordeals?.kinds ?? []
  const flickers: LastSteps = new Map()
  const strikes: Readonly<Record<Ordeal, (random: Random) => void>> = {
    absence: (random) => leave(cluster, random),
    flicker: (random) => arm(cluster, flickers, random),
    tidiness: () => undefined,
    chain: (random) => chain(cluster, random),
    rebirth: (random) => rebear(cluster, admin, random),
    seesaw: (random) => swing(cluster, admin, random),
    shuffle: (random) => shuffle(cluster, admin, random),
    echo: (random) => echo(cluster, random),
    island: (random) => void maroon(cluster, random, random.between(...ISLAND_MICROS), false),
    molasses: (random) => slow(cluster, random),
    strain: (random) => strain(cluster, random),
    ghosts: (random) => haunt(cluster, random),
    ailing: (random) => ail(cluster, random),
    rot: (random) => rot(cluster, random),
    // They have files of their own (hiccups.ts, haste.ts).
    hiccup: () => undefined,
    haste: () => undefined,
  }
  for (const kind of kinds) {
    const random = new Random(cluster.world.seed, `ordeals/${kind}`)
    if (PAUSE_MICROS[kind] > 0) again(cluster, PAUSE_MICROS[kind], random, strikes[kind])
  }
  const steps = new Random(cluster.world.seed, 'ordeals/steps')
  const isTidy = kinds.includes('tidiness')
  if (isTidy || kinds.includes('flicker'))
    cluster.onDiskStep = (step) => {
      if (!cluster.faults.active) return false
      const isTidying = isTidy && (step.effect.kind === 'compact' || step.effect.kind === 'rename')
      const death = isTidying && steps.below(CLEANINGS) === 0 ? deathOf(steps) : deathAt(flickers, step, cluster.world.nowMicros, steps)
      if (death !== null) cluster.crash(step.node, death === 'powerLoss')
      return death !== null
    }
}

// ── nodes that are away ──

/** Others hear nothing of a node, and it nothing of them; clients go on, or not. */
function maroon(cluster: Cluster, random: Random, micros: number, isWhole: boolean): number {
  const { node } = random.pick(cluster.nodes).host
  const others = isWhole ? [...cluster.nodes.map(({ host }) => host), ...cluster.clients] : cluster.nodes.map(({ host }) => host)
  for (const other of others) {
    cluster.cut(node, other.node, micros)
    cluster.cut(other.node, node, micros)
  }
  cluster.world.log?.(`ordeal: node ${node} is away for ${micros} us, ${isWhole ? 'for everybody' : 'for nodes'}`)
  return node
}

function leave(cluster: Cluster, random: Random): void {
  const micros = random.between(...AWAY_MICROS)
  const node = maroon(cluster, random, micros, true)
  if (cluster.nodes.length > 3 && random.below(2) === 0) maroon(cluster, random, micros, true)
  const others = cluster.nodes.filter(({ host }) => host.node !== node)
  if (random.below(2) === 0 || others.length === 0) return
  const victim = random.pick(others).host.node
  soon(cluster, micros + random.exponential(RETURNED_MICROS), () => cluster.crash(victim, false))
}

/** Nodes die in turn, and lose power or not; what one of them says is heard late. */
function chain(cluster: Cluster, random: Random): void {
  const nodes = cluster.nodes.map(({ host }) => host.node)
  const count = random.between(2, nodes.length)
  const first = random.below(nodes.length)
  const slow = random.pick(nodes)
  if (random.below(2) === 0) for (const node of nodes) cluster.clog(slow, node, random.exponential(CLOGGED_MICROS))
  let after = 0
  for (let i = 0; i < count; i++) {
    const node = nodes[(first + i) % nodes.length]!
    const isPowerLoss = random.below(2) === 0
    soon(cluster, after, () => cluster.crash(node, isPowerLoss))
    after += random.exponential(NEXT_MICROS)
  }
}

// ── disks ──

function arm(cluster: Cluster, flickers: LastSteps, random: Random): void {
  const { host, disk } = random.pick(cluster.nodes)
  const logs = disk.knownLogs()
  if (!host.isUp || logs.length === 0) return
  const log = random.below(METADATA_SHARE) === 0 && disk.files(METADATA_LOG).size > 0 ? METADATA_LOG : random.pick(logs)
  const files = [...disk.files(log).keys()].toSorted()
  flickers.set(host.node, {
    log,
    kind: random.pick(STEPS),
    like: files.length === 0 ? null : likeness(random.pick(files)),
    stage: random.pick<DiskStage>(['before', 'between', 'after']),
    steps: random.below(3),
    until: cluster.world.nowMicros + PATIENCE_MICROS,
    isPowerLoss: random.below(2) === 0,
    isRepeated: random.below(3) > 0,
  })
}

function ail(cluster: Cluster, random: Random): void {
  const { host, disk } = random.pick(cluster.nodes)
  disk.ailingUntil = cluster.world.nowMicros + random.between(...AILING_MICROS)
  cluster.world.log?.(`ordeal: the disk of node ${host.node} is not well`)
  if (random.below(3) > 0) soon(cluster, random.below(POWER_MICROS), () => cluster.crash(host.node, true))
}

function rot(cluster: Cluster, random: Random): void {
  const { node } = random.pick(cluster.nodes).host
  const isHarmed = new Damage(cluster).rotSlyly(node, random) !== false
  if (isHarmed && random.below(3) > 0) soon(cluster, random.exponential(DEATHLY_MICROS), () => cluster.crash(node, random.below(2) === 0))
}

// ── leaders and replicas ──

interface Placed {
  readonly topic: string
  readonly partition: number
  readonly image: PartitionImage
}

/** A partition with several replicas, none of which is moving, and a leader; mostly one of those that coordinators write to. */
function placed(cluster: Cluster, random: Random, isInternal: boolean): Placed | null {
  const topics = [...(cluster.latestImage()?.topics.values() ?? [])].filter(({ name }) => !isInternal || name.startsWith('__'))
  if (topics.length === 0) return null
  const { name, partitions } = random.pick(topics)
  const partition = random.below(partitions.length)
  const image = partitions[partition]
  const isSettled = image !== undefined && image.adding.length === 0 && image.removing.length === 0
  return !isSettled || image.replicas.length < 2 || image.leader < 0 ? null : { topic: name, partition, image }
}

function activeNode({ nodes }: Cluster): number {
  return nodes.findIndex(({ host }) => (host.stateOf(COORDINATOR_ACTOR) as CoordinatorState | undefined)?.seat.isActive === true)
}

function swing(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  if (cluster.plan.transactions !== null && random.below(2) === 0) return succeed(cluster, admin, random)
  const one = placed(cluster, random, random.below(4) > 0)
  if (one === null || !admin.isIdle) return
  const { topic, partition } = one
  const { leader, replicas } = one.image
  const heirs = replicas.filter((node) => node !== leader)
  const turns = random.between(1, TURNS_MAX)
  const turn = random.pick(TURNS_MICROS)
  const manner = random.below(3)
  const active = activeNode(cluster)
  cluster.world.log?.(`ordeal: ${turns} turns of ${turn} us of ${topic}-${partition}, away from node ${leader}`)
  if (manner === 1 && active >= 0 && active !== leader) cluster.cut(active, leader, turns * turn)
  if (manner === 2) cluster.nodes[leader]?.host.pause(cluster.world.nowMicros + turn * 2)
  for (let i = 0; i < turns; i++) {
    const order = i % 2 === 0 ? [...heirs, leader] : [leader, ...heirs]
    soon(cluster, i * turn, () => admin.place(topic, partition, order))
  }
}

function shuffle(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const one = placed(cluster, random, random.below(4) === 0)
  if (one === null || !admin.isIdle) return
  const { topic, partition } = one
  const { leader, replicas } = one.image
  const node = random.pick(replicas)
  const rest = replicas.filter((other) => other !== node)
  if (!hasWholeCopy(cluster, topic, partition, rest) && hasWholeCopy(cluster, topic, partition, [node])) return
  cluster.world.log?.(`ordeal: node ${node} is to have ${topic}-${partition} no more, and again`)
  const late = random.below(LATE_MICROS)
  for (const { host } of cluster.nodes) cluster.clog(node, host.node, late)
  admin.place(topic, partition, rest)
  const back = random.below(ABSENT_MICROS)
  // Also when the faults are over by then: whoever asks for as many copies as the topic has must get them.
  cluster.world.after(back, () => admin.place(topic, partition, [...rest, node]))
  if (random.below(2) === 0) soon(cluster, back + random.below(DEATH_MICROS), () => cluster.crash(leader, false))
}

function rebear(cluster: Cluster, admin: AdminWorkload, random: Random): void {
  const active = activeNode(cluster)
  const deaf = random.pick(cluster.nodes).host.node
  if (active < 0 || !admin.isIdle) return
  if (active !== deaf) cluster.cut(active, deaf, random.between(...UNAWARE_MICROS))
  admin.recreate(random)
}

// ── what is said late ──

function echo(cluster: Cluster, random: Random): void {
  const hosts = random.below(4) === 0 ? [...cluster.clients] : cluster.nodes.map(({ host }) => host)
  const { node } = random.pick(hosts)
  cluster.network.echo(node, KEPT_MICROS)
  cluster.world.log?.(`ordeal: what ${node} says is heard again`)
  if (node >= 0 && random.below(2) === 0) {
    const isPowerLoss = random.below(2) === 0
    soon(cluster, random.exponential(DEATHLY_MICROS), () => cluster.crash(node, isPowerLoss))
  }
}

/** A node dies whose ghost will speak, and soon another one. */
function haunt(cluster: Cluster, random: Random): void {
  const { node } = random.pick(cluster.nodes).host
  for (const { host } of cluster.nodes) cluster.network.haunt(host.node)
  cluster.world.log?.(`ordeal: node ${node} is to be heard in its next life`)
  cluster.crash(node, random.below(2) === 0)
  if (random.below(3) === 0) return
  const other = random.pick(cluster.nodes).host.node
  const isPowerLoss = random.below(2) === 0
  soon(cluster, RESTARTED_MICROS + random.exponential(random.pick(HEARD_MICROS)), () => cluster.crash(other, isPowerLoss))
}

/** Some nodes have too much to do, and then perhaps what another one did as well. */
function strain(cluster: Cluster, random: Random): void {
  const micros = random.between(...STRAIN_MICROS)
  for (const { host, disk } of cluster.nodes) {
    if (random.below(2) === 0) continue
    host.strain(micros)
    disk.strainedUntil = cluster.world.nowMicros + micros
    if (random.below(2) === 0) disk.fullUntil = cluster.world.nowMicros + random.below(micros)
  }
  if (random.below(2) === 0) cluster.crash(random.pick(cluster.nodes).host.node, false)
}

/** Some clients are slow in the same way at the same time. */
function slow(cluster: Cluster, random: Random): void {
  const micros = random.between(...SLEEP_MICROS)
  const manner = random.below(3)
  const nodes = random.below(2) === 0 ? cluster.nodes : [random.pick(cluster.nodes)]
  cluster.world.log?.(`ordeal: clients are slow for ${micros} us (${['they sleep', 'what they say', 'what they are told'][manner]})`)
  for (const client of cluster.clients) {
    if (random.below(SLOW_SHARE) > 0) continue
    if (manner === 0) client.pause(cluster.world.nowMicros + micros)
    else
      for (const { host } of nodes)
        if (manner === 1) cluster.clog(client.node, host.node, micros)
        else cluster.clog(host.node, client.node, micros)
  }
}
