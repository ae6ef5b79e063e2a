// A classic group, and members that talk to it as tests play them: a line for each thing that the group says.

import { emptyClassicGroup } from '../../../../coordinator/groups/classic/classic-group.ts'
import type { Answer, ClassicGroup, Waiter } from '../../../../coordinator/groups/classic/classic-group.ts'
import { takeJoin } from '../../../../coordinator/groups/classic/join.ts'
import { takeClassicHeartbeat, takeLeave, takeSync } from '../../../../coordinator/groups/classic/requests.ts'
import { passTime } from '../../../../coordinator/groups/classic/rebalance.ts'
import { errorOf, NONE } from '../../../../protocol/errors.ts'
import type { JoinGroupRequest, SyncGroupRequest } from '../../../../protocol/messages/classic-group.ts'

/** How long a member may be silent. */
export const SESSION_MILLIS = 1000
/** How long it may take to join again. */
export const REBALANCE_MILLIS = 5000

/** A group and its clock. */
export interface Scene {
  readonly group: ClassicGroup
  uptime: number
  nextId: number
}

/** A group that nobody is in. */
export function newScene(graceUntil = 0): Scene {
  return { group: emptyClassicGroup(graceUntil), uptime: 0, nextId: 1 }
}

/** The next request of a client. */
function waiterOf(scene: Scene, client: string): Waiter {
  return { from: { node: -1, actor: client }, correlationId: scene.nextId++ }
}

/** What a group says, a line for each; `to` is who asked. */
export function said(answers: readonly Answer[]): string[] {
  return answers.map(({ to, message }) => `${to.actor}: ${textOf(message)}`)
}

function textOf(message: Answer['message']): string {
  if (message.kind === 'groupChanged') return 'join again'
  if (message.errorCode !== NONE) return errorOf(message.errorCode).name
  if (message.kind === 'heartbeatResponse') return 'fine'
  if (message.kind === 'syncGroupResponse') return `has ${message.assignment}`
  const members = message.members.map(({ memberId, metadata }) => `${memberId}(${metadata})`).join(' ')
  const told = members === '' ? '' : ` of ${members}`
  const skips = message.skipAssignment ? ', shared out already' : ''
  return `generation ${message.generationId} of ${message.protocolName}, led by ${message.leader}${told}${skips}`
}

/** A request to join of the client of that name, which speaks `range` and says its own name in it. */
export function joinOf(client: string, changes: Partial<JoinGroupRequest> = {}): JoinGroupRequest {
  return {
    kind: 'joinGroup',
    correlationId: 0,
    group: 'g',
    clientId: client,
    sessionTimeoutMillis: SESSION_MILLIS,
    rebalanceTimeoutMillis: REBALANCE_MILLIS,
    memberId: client,
    instanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: client }],
    requiresKnownMemberId: false,
    supportsSkippingAssignment: true,
    ...changes,
  }
}

/** A client joins; a member of that name is admitted under it. */
export function join(scene: Scene, client: string, changes: Partial<JoinGroupRequest> = {}): string[] {
  const known = scene.group.members.has(client) || scene.group.pending.has(client)
  const request = joinOf(client, { memberId: known ? client : '', ...changes })
  return said(takeJoin(scene.group, request, waiterOf(scene, client), changes.clientId ?? client, scene.uptime))
}

/** A member asks what it has; the leader gives each of these what is said of it. */
export function sync(
  scene: Scene,
  client: string,
  given: Readonly<Record<string, string>> = {},
  changes: Partial<SyncGroupRequest> = {},
): string[] {
  const assignments = Object.entries(given).map(([memberId, assignment]) => ({ memberId, assignment }))
  const request: SyncGroupRequest = {
    kind: 'syncGroup',
    correlationId: 0,
    group: 'g',
    generationId: scene.group.generationId,
    memberId: client,
    instanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments,
    ...changes,
  }
  return said(takeSync(scene.group, request, waiterOf(scene, client), scene.uptime))
}

/** A member says that it lives; the answer. */
export function beat(
  scene: Scene,
  memberId: string,
  generationId: number = scene.group.generationId,
  instanceId: string | null = null,
): string {
  return takeClassicHeartbeat(scene.group, { memberId, generationId, instanceId }, scene.uptime) ?? 'fine'
}

/** A member leaves; what becomes of that, and what the others hear. */
export function leave(scene: Scene, memberId: string, instanceId: string | null = null): string[] {
  const request = { kind: 'leaveGroup', correlationId: 0, group: 'g', members: [{ memberId, instanceId }] } as const
  const { answers, members } = takeLeave(scene.group, request, scene.uptime)
  return [...members.map(({ errorCode }) => (errorCode === NONE ? 'left' : errorOf(errorCode).name)), ...said(answers)]
}

/** Time passes. */
export function wait(scene: Scene, millis: number): string[] {
  scene.uptime += millis
  return said(passTime(scene.group, scene.uptime))
}

/** A stable group of these members, the first of which leads; each has its own name. */
export function stable(...clients: readonly string[]): Scene {
  const scene = newScene()
  for (const client of clients) join(scene, client)
  wait(scene, 50)
  const all = Object.fromEntries(clients.map((client) => [client, client]))
  for (const client of clients) sync(scene, client, client === clients[0] ? all : {})
  return scene
}
