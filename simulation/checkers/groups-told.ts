/** TOLD: what operators are told of a consumer group: what it has committed, all of its members, and one owner for each partition. */
import type { GroupsState } from '../../actors/groups-state.ts'
import { namesOf } from '../../coordinator/groups/names.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { GroupListing } from '../../protocol/messages/group.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import { livesOf } from '../truth.ts'
import type { GroupTruth } from './groups.ts'
import { isKeptIn } from './in-charge.ts'

/** An operator is told what the group has committed, and who has what. */
export function checkDescribed(group: GroupTruth, state: GroupsState, told: MessageOf<'describeGroupResponse'>): void {
  if (told.errorCode !== NONE && told.errorCode !== codeOf('GROUP_ID_NOT_FOUND')) return
  const offsets = new Map(told.offsets.map((one) => [topicPartitionName(one.topic, one.partition), one.offset]))
  for (const { name, committed } of keptBy(group, state)) {
    const offset = offsets.get(name) ?? -1
    if (offset < committed) group.truth.world.fail('TOLD', `${group.name} is said to be at ${offset} of ${name}, but it is at ${committed}`)
  }
  const known = state.groups.get(group.name)
  const unsaid = [...(known?.membership?.members.keys() ?? []), ...(known?.roster?.missing.keys() ?? [])].find(
    (memberId) => told.errorCode === NONE && !told.members.some((one) => one.memberId === memberId),
  )
  if (unsaid !== undefined) group.truth.world.fail('TOLD', `${group.name} is described without ${unsaid}, which is in it`)
  const owned = told.members.flatMap(({ assignment }) => [...namesOf(assignment)])
  const twice = owned.find((name, i) => owned.indexOf(name) !== i)
  if (twice !== undefined) group.truth.world.fail('TOLD', `two members of ${group.name} are said to have ${twice}`)
}

/** An operator is told which groups there are in the partition that this one is kept in. */
export function checkListed(group: GroupTruth, state: GroupsState, groups: readonly GroupListing[]): void {
  const isKeptHere = isKeptIn(state.config.partition, group.name)
  if (isKeptHere && keptBy(group, state).length > 0 && !groups.some((one) => one.group === group.name))
    group.truth.world.fail('TOLD', `${group.name} is not among the groups, but has committed`)
}

/** What it has committed for certain, of topics of which there is only one of that name. */
function keptBy(group: GroupTruth, state: GroupsState): { readonly name: string; readonly committed: number }[] {
  // An open transaction may have replaced what is told.
  if ((state.groups.get(group.name)?.unstable ?? null) !== null) return []
  return [...group.progress].flatMap(([life, { committed }]) => {
    const isAlone = livesOf(group.truth, life.name).every((one) => one === life || one.isOver)
    const isSure = isAlone && !life.isOver && !life.isUnclean && committed > life.lossEnd
    return isSure ? [{ name: life.name, committed }] : []
  })
}
