/**
 * Which Node this runs on. An older one can load the package and is told so, instead of failing somewhere inside.
 */
import { KafkaError } from '../../protocol/errors.ts'

/** The oldest Node that has everything: zstd in node:zlib, and `engines` in package.json. */
const OLDEST = { major: 22, minor: 18 } as const

/** Throws UNSUPPORTED_VERSION on a Node that is too old. `version`: for example '22.18.0'. */
export function checkNodeVersion(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return
  throw new KafkaError('UNSUPPORTED_VERSION', `odradek needs Node ${OLDEST.major}.${OLDEST.minor} or newer, this is ${version}`)
}
