// The settings of a topic as data: Kafka's names in camel case with the unit last, Kafka's dotted names as aliases, type, default and range.
// Parsing takes what people write and answers with a complete TopicConfig or with one sentence that names the setting and what it allows.
// It does not decide what the settings do: that is retention, the log and the replicas.

import type { Compression } from './compression.ts'
import { checkGroupId } from './topic-name.ts'

/** What happens to old records: they go after a while, or when their key has a newer one, or both. */
export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete'

/** When an append counts as written: synced before it is acknowledged, synced every now and then, or left to the operating system. */
export type FlushPolicy = 'commit' | 'interval' | 'os'

/** Partitions of one topic, at most; each is an actor and a directory. */
export const PARTITIONS_PER_TOPIC_MAX = 20_000

/**
 * The largest record batch of any topic. A batch is one message between threads, which takes twice as much (runtime/channel.ts) and carries other things as well; it is copied
 * whole, and no compressed batch may unfold to more (compression.ts).
 */
export const BATCH_BYTES_MAX: number = 64 * 1024 * 1024

/** All settings of a topic. */
export type TopicConfig = {
  readonly cleanupPolicy: CleanupPolicy
  /** How long records are kept; -1 = for ever. */
  readonly retentionMillis: number
  /** How many bytes of a partition are kept at least before old segments go; -1 = no limit. */
  readonly retentionBytes: number
  /** Records go as soon as all these groups have committed offsets behind them; none: consuming a record does not delete it. */
  readonly deleteOnceConsumedBy: readonly string[]
  /** The same of share groups: as soon as all these have done with them. */
  readonly deleteOnceAcknowledgedBy: readonly string[]
  /** The share of a partition's cleanable bytes that was never compacted from which on it is. */
  readonly minCleanableDirtyRatio: number
  /** Records younger than that are not compacted. */
  readonly minCompactionLagMillis: number
  /** Records are compacted at the latest when they are so old, however little of the partition is dirty. */
  readonly maxCompactionLagMillis: number
  /** How long tombstones stay once they have been compacted, so that readers who lag see them. */
  readonly deleteRetentionMillis: number
  /** The size at which a segment file is closed and the next begun. */
  readonly segmentBytes: number
  /** The age at which a segment is closed even if it is not full. */
  readonly segmentMillis: number
  /** How many bytes of log lie between two entries of the offset index. */
  readonly indexIntervalBytes: number
  /** The largest record batch that is accepted, header included, as sent (compressed). */
  readonly maxMessageBytes: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  /** `'producer'` keeps the codec that the producer chose. */
  readonly compressionType: 'producer' | Compression
  readonly flush: FlushPolicy
  /** How often to sync with `flush: 'interval'`. */
  readonly flushIntervalMillis: number
  /** How many replicas must be in sync for an append that asks for the quorum; -1 = a majority of them. */
  readonly minInsyncReplicas: number
  /** Whether a replica that has fallen behind may lead when no other is left; loses records when it happens. */
  readonly uncleanLeaderElection: boolean
}

/** The name of a setting. */
export type TopicSetting = keyof TopicConfig

type Range = {
  readonly kind: 'integer'
  readonly min: number
  readonly max: number
  /** What -1 means, if it is allowed. */ readonly minusOne?: string
}
/** Values may have other names, too. */
type Choice = { readonly kind: 'choice'; readonly values: readonly string[]; readonly aliases?: Readonly<Record<string, string>> }
type Ratio = { readonly kind: 'ratio' }
type Switch = { readonly kind: 'boolean' }
type Groups = { readonly kind: 'groups'; readonly countMax: number }

/** What a setting is: its Kafka name, default, allowed values and meaning. */
export type TopicSettingRule = {
  /** Kafka's dotted name; settings of our own have one in Kafka's style. */
  readonly kafkaName: string
  readonly allowed: Range | Choice | Ratio | Switch | Groups
  readonly doc: string
}

/** The outcome of `parseTopicConfig`. */
export type TopicConfigParsed = { readonly ok: true; readonly config: TopicConfig } | { readonly ok: false; readonly reason: string }

/** Each is asked every other second by each partition. */
const GROUPS_MAX = 16
const DAY_MILLIS = 24 * 60 * 60 * 1000
const MIB = 1024 * 1024
const I32_MAX = 2 ** 31 - 1

/** What a topic gets that asks for nothing. */
export const defaultTopicConfig: TopicConfig = Object.freeze({
  cleanupPolicy: 'delete',
  retentionMillis: 7 * DAY_MILLIS,
  retentionBytes: -1,
  deleteOnceConsumedBy: Object.freeze([]),
  deleteOnceAcknowledgedBy: Object.freeze([]),
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMillis: 0,
  maxCompactionLagMillis: Number.MAX_SAFE_INTEGER,
  deleteRetentionMillis: DAY_MILLIS,
  segmentBytes: 64 * MIB,
  segmentMillis: 7 * DAY_MILLIS,
  indexIntervalBytes: 4096,
  maxMessageBytes: MIB + 12,
  messageTimestampType: 'CreateTime',
  compressionType: 'producer',
  flush: 'commit',
  flushIntervalMillis: 1000,
  minInsyncReplicas: -1,
  uncleanLeaderElection: false,
})

/** All settings with their rules, in the order in which they are shown. */
export const topicSettings: Readonly<Record<TopicSetting, TopicSettingRule>> = {
  cleanupPolicy: {
    kafkaName: 'cleanup.policy',
    allowed: { kind: 'choice', values: ['delete', 'compact', 'compact,delete'], aliases: { 'delete,compact': 'compact,delete' } },
    doc: 'What happens to old records: delete removes whole segments, compact keeps the newest record of each key.',
  },
  retentionMillis: {
    kafkaName: 'retention.ms',
    allowed: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER, minusOne: 'no limit' },
    doc: 'How long records are kept; -1 keeps everything.',
  },
  retentionBytes: {
    kafkaName: 'retention.bytes',
    allowed: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER, minusOne: 'no limit' },
    doc: 'How many bytes of each partition are kept; -1 is no limit.',
  },
  deleteOnceConsumedBy: {
    kafkaName: 'delete.once.consumed.by',
    allowed: { kind: 'groups', countMax: GROUPS_MAX },
    doc: 'Groups: what all of them have committed past is deleted, whatever cleanupPolicy is, and, unless retentionMillis is set, nothing else because of its age.',
  },
  deleteOnceAcknowledgedBy: {
    kafkaName: 'delete.once.acknowledged.by',
    allowed: { kind: 'groups', countMax: GROUPS_MAX },
    doc: 'Share groups: what all of them have accepted, rejected or given up is deleted, and, unless retentionMillis is set, nothing else because of its age.',
  },
  minCleanableDirtyRatio: {
    kafkaName: 'min.cleanable.dirty.ratio',
    allowed: { kind: 'ratio' },
    doc: 'The share of a partition that was written since its last compaction from which on it is compacted again.',
  },
  minCompactionLagMillis: {
    kafkaName: 'min.compaction.lag.ms',
    allowed: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER },
    doc: 'Records younger than that are not compacted.',
  },
  maxCompactionLagMillis: {
    kafkaName: 'max.compaction.lag.ms',
    allowed: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
    doc: 'Records are compacted at the latest when they are so old, however little of the partition is new.',
  },
  deleteRetentionMillis: {
    kafkaName: 'delete.retention.ms',
    allowed: { kind: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER },
    doc: 'How long a record without a value, which deletes its key, can still be read once it has been compacted.',
  },
  segmentBytes: {
    kafkaName: 'segment.bytes',
    allowed: { kind: 'integer', min: 16 * 1024, max: I32_MAX },
    doc: 'The size at which a segment file is closed.',
  },
  segmentMillis: {
    kafkaName: 'segment.ms',
    allowed: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
    doc: 'The age at which a segment file is closed.',
  },
  indexIntervalBytes: {
    kafkaName: 'index.interval.bytes',
    allowed: { kind: 'integer', min: 0, max: I32_MAX },
    doc: 'How many bytes of log lie between two entries of the offset index.',
  },
  maxMessageBytes: {
    kafkaName: 'max.message.bytes',
    allowed: { kind: 'integer', min: 0, max: BATCH_BYTES_MAX },
    doc: 'The largest record batch that is accepted.',
  },
  messageTimestampType: {
    kafkaName: 'message.timestamp.type',
    allowed: { kind: 'choice', values: ['CreateTime', 'LogAppendTime'] },
    doc: "Whose clock gives records their timestamp: the producer's or the broker's.",
  },
  compressionType: {
    kafkaName: 'compression.type',
    allowed: { kind: 'choice', values: ['producer', 'none', 'gzip', 'snappy', 'lz4', 'zstd'] },
    doc: 'The codec of stored batches; producer keeps what the producer chose.',
  },
  flush: {
    kafkaName: 'flush',
    allowed: { kind: 'choice', values: ['commit', 'interval', 'os'] },
    doc: 'When bytes are synced: before an acknowledgement, at intervals, or when the operating system likes.',
  },
  flushIntervalMillis: {
    kafkaName: 'flush.ms',
    allowed: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
    doc: "How often to sync when flush is 'interval'.",
  },
  minInsyncReplicas: {
    kafkaName: 'min.insync.replicas',
    allowed: { kind: 'integer', min: 1, max: I32_MAX, minusOne: 'a majority of the replicas' },
    doc: 'How many replicas must be in sync for an append with acks from the quorum; -1 is a majority of them.',
  },
  uncleanLeaderElection: {
    kafkaName: 'unclean.leader.election.enable',
    allowed: { kind: 'boolean' },
    doc: 'Whether a replica that has fallen behind may lead when no other is left.',
  },
}

const settingOfKafkaName: ReadonlyMap<string, TopicSetting> = new Map(
  settingNames().map((setting) => [topicSettings[setting].kafkaName, setting]),
)

/** Whether a topic keeps the newest record of each key: then every record needs one. */
export function isCompacted({ cleanupPolicy }: Pick<TopicConfig, 'cleanupPolicy'>): boolean {
  return cleanupPolicy !== 'delete'
}

/** The setting that a name means, in camel case or in Kafka's dotted form; null for a name that means none. */
export function topicSettingOf(name: string): TopicSetting | null {
  if (Object.hasOwn(topicSettings, name)) return name as TopicSetting
  return settingOfKafkaName.get(name) ?? null
}

/** A sentence about a setting that is given under both its names; null if there is none. */
export function settingGivenTwice(input: Readonly<Record<string, unknown>>): string | null {
  const names = new Map<TopicSetting, string>()
  for (const [name, value] of Object.entries(input)) {
    const setting = value === undefined ? null : topicSettingOf(name)
    if (setting === null) continue
    const other = names.get(setting)
    if (other !== undefined) return `the topic setting '${setting}' is given twice, as '${other}' and as '${name}'`
    names.set(setting, name)
  }
  return null
}

/**
 * Completes some settings to all of them, or says in one sentence which setting is wrong and what it allows.
 *
 * Names may be in camel case or Kafka's; values may be texts, as Kafka's tools send them; undefined means "not set".
 */
export function parseTopicConfig(input: Readonly<Record<string, unknown>>): TopicConfigParsed {
  const values: Partial<Record<TopicSetting, unknown>> = {}
  const twice = settingGivenTwice(input)
  if (twice !== null) return { ok: false, reason: twice }
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue
    const setting = topicSettingOf(name)
    if (setting === null) return { ok: false, reason: `there is no topic setting '${name}'` }
    const { allowed } = topicSettings[setting]
    const parsed = parseValue(allowed, value)
    if (parsed === null) return { ok: false, reason: complaint(name, allowed, value) }
    values[setting] = parsed
  }
  const given = values as Partial<TopicConfig>
  // Who says which groups must have a record does not expect that it goes before, unless he says so.
  const { deleteOnceConsumedBy = [], deleteOnceAcknowledgedBy = [] } = given
  const retentionMillis = deleteOnceConsumedBy.length + deleteOnceAcknowledgedBy.length === 0 ? {} : { retentionMillis: -1 }
  const config = { ...defaultTopicConfig, ...retentionMillis, ...given }
  const { minCompactionLagMillis: min, maxCompactionLagMillis: max } = config
  if (min > max)
    return {
      ok: false,
      reason: `the topic setting 'minCompactionLagMillis' cannot be ${min}: it is at most 'maxCompactionLagMillis' (${max})`,
    }
  return { ok: true, config }
}

/** Settings that were sound when they were written: where a former version allowed more, it is as much as is allowed now. */
export function cappedConfigs(configs: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isBeyond = (parseInteger(configs['maxMessageBytes']) ?? 0) > BATCH_BYTES_MAX
  return isBeyond ? { ...configs, maxMessageBytes: BATCH_BYTES_MAX } : configs
}

/** The allowed values of a setting in words, for example `a whole number from 1 to 2147483647`. */
export function describeAllowed(allowed: TopicSettingRule['allowed']): string {
  if (allowed.kind === 'boolean') return 'true or false'
  if (allowed.kind === 'ratio') return 'a number from 0 to 1'
  if (allowed.kind === 'groups') return `a list of up to ${allowed.countMax} group ids, or a text with commas between them`
  if (allowed.kind === 'choice') return `one of ${allowed.values.map((value) => `'${value}'`).join(', ')}`
  const range = `a whole number from ${allowed.min} to ${allowed.max}`
  return allowed.minusOne === undefined ? range : `${range}, or -1 for ${allowed.minusOne}`
}

function settingNames(): TopicSetting[] {
  return Object.keys(topicSettings) as TopicSetting[]
}

function parseValue(allowed: TopicSettingRule['allowed'], value: unknown): number | string | boolean | readonly string[] | null {
  if (allowed.kind === 'boolean') return parseBoolean(value)
  if (allowed.kind === 'groups') return parseGroups(allowed, value)
  if (allowed.kind === 'ratio') return parseRatio(value)
  if (allowed.kind === 'choice') return parseChoice(allowed, value)
  const number = parseInteger(value)
  if (number === null) return null
  if (number === -1 && allowed.minusOne !== undefined) return number
  return number >= allowed.min && number <= allowed.max ? number : null
}

function parseBoolean(value: unknown): boolean | null {
  if (value === true || value === 'true') return true
  return value === false || value === 'false' ? false : null
}

/** Blanks behind commas are Kafka's own way to write a list. */
function parseChoice({ values, aliases = {} }: Choice, value: unknown): string | null {
  if (typeof value !== 'string') return null
  const name = value.replaceAll(', ', ',')
  const known = Object.hasOwn(aliases, name) ? aliases[name] : name
  return values.find((choice) => choice === known) ?? null
}

function parseRatio(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d*\.?\d+$/.test(value) ? Number(value) : value
  return typeof number === 'number' && number >= 0 && number <= 1 ? number : null
}

/** The groups, each once, in their order; an empty text is an empty list. */
function parseGroups({ countMax }: Groups, value: unknown): readonly string[] | null {
  const given: unknown = typeof value === 'string' ? value.split(',').filter((group) => group !== '') : value
  if (!Array.isArray(given)) return null
  // A set has what holes stand for, which `every` does not see in a list.
  const groups = [...new Set<unknown>(given)]
  if (!groups.every((group): group is string => checkGroupId(group) === null)) return null
  return groups.length <= countMax ? groups : null
}

function parseInteger(value: unknown): number | null {
  const number = typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number') return null
  // Kafka's tools write "for ever" as the largest i64, which a number cannot hold.
  if (value === '9223372036854775807') return Number.MAX_SAFE_INTEGER
  return Number.isSafeInteger(number) ? number : null
}

function complaint(name: string, allowed: TopicSettingRule['allowed'], value: unknown): string {
  return `the topic setting '${name}' cannot be ${shown(value)}: it is ${describeAllowed(allowed)}`
}

function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `'${String(value)}'`
  if (!Array.isArray(value)) return 'an object'
  const wrong = value.findIndex((one) => checkGroupId(one) !== null)
  return wrong < 0 ? `a list of ${value.length}` : `a list of ${value.length} with ${JSON.stringify(value[wrong]) ?? 'undefined'}`
}
