// Kafka's rules for names: topics become directory names and therefore have a small alphabet; group ids may be any text
// that prints.

/** The longest topic name in characters (a directory name of 255, less a partition number). */
export const TOPIC_NAME_CHARACTERS_MAX = 249

/** The longest group id in bytes of the wire format: the length of a Kafka string is an i16. */
export const GROUP_ID_CHARACTERS_MAX = 32_767

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
])

/** Why this cannot be the name of a topic, or null if it can. */
export function checkTopicName(name: unknown): string | null {
  if (typeof name !== 'string') return `a topic name is a string, not ${typeof name}`
  if (name.length === 0) return 'a topic name must not be empty'
  if (name === '.' || name === '..') return `a topic must not be named '${name}'`
  if (name.length > TOPIC_NAME_CHARACTERS_MAX) {
    return `a topic name has at most ${TOPIC_NAME_CHARACTERS_MAX} characters, not ${name.length}`
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `the topic name ${JSON.stringify(name)} has characters other than a-z, A-Z, 0-9, '.', '_' and '-'`
  }
  return null
}

/** Whether two names are the same in those of metrics, where dots become underscores: Kafka does not have both. */
export function areTopicsAlike(a: string, b: string): boolean {
  return a.length === b.length && /[._]/.test(a) && a.replaceAll('.', '_') === b.replaceAll('.', '_')
}

/** Whether a topic is the cluster's own: clients read it, and do not write to it. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name)
}

/** Why this cannot be the id of a consumer group, or null if it can. */
export function checkGroupId(groupId: unknown): string | null {
  if (typeof groupId !== 'string') return `a group id is a string, not ${typeof groupId}`
  if (groupId.length === 0) return 'a group id must not be empty'
  if (groupId.length > GROUP_ID_CHARACTERS_MAX) {
    return `a group id has at most ${GROUP_ID_CHARACTERS_MAX} characters, not ${groupId.length}`
  }
  const control = /\p{Cc}/u.exec(groupId)
  if (control !== null) {
    return `the group id ${JSON.stringify(groupId)} has a control character at index ${control.index}: it must be text that prints`
  }
  return null
}
