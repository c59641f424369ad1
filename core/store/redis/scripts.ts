// The Lua scripts, one for each operation, each behind the part that all begin with.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

const COMMON = ['base', 'guard', 'lanes', 'rows'] as const
/** What a migration runs: the guard keeps all others out meanwhile. */
const MOVING = ['base', 'lanes', 'rows'] as const
export type ScriptName =
  | 'accept'
  | 'claim'
  | 'take'
  | 'settle'
  | 'handOver'
  | 'hello'
  | 'ack'
  | 'read'
  | 'lease'
  | 'value'
  | 'find'
  | 'trim'
  | 'bytes'
  | 'clock'
  | 'bind'
  | 'dataset'
  | 'rights'
  | 'limit'
  | 'answers'

export interface Script {
  readonly text: string
  /** What EVALSHA calls it. */
  readonly sha: string
}

function source(name: string): string {
  return readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8')
}

function compose(common: string, name: string): Script {
  const text = withoutIdle(`${common}\n${source(name)}`.replaceAll(COMMENT, ''))
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

const COMMENT = /^ *--.*\n/gmu
/** At the beginning of a line, as its `end` is. */
const DEFINITION = /^local function (\w+)\([\s\S]*?\nend\n/gmu

/** Without the functions that nothing in the script names: the server makes each of them anew at every call. */
function withoutIdle(text: string): string {
  const shorter = text.replaceAll(DEFINITION, (definition, name: string) =>
    occurs(text, name) > 1 ? definition : '',
  )
  return shorter === text ? text : withoutIdle(shorter)
}

function occurs(text: string, name: string): number {
  return text.match(new RegExp(`\\b${name}\\b`, 'gu'))?.length ?? 0
}

const common = COMMON.map(source).join('\n')

export const SCRIPTS: Readonly<Record<ScriptName, Script>> = Object.freeze({
  accept: compose(common, 'accept'),
  claim: compose(common, 'claim'),
  take: compose(common, 'take'),
  settle: compose(common, 'settle'),
  handOver: compose(common, 'handOver'),
  hello: compose(common, 'hello'),
  ack: compose(common, 'ack'),
  read: compose(common, 'read'),
  lease: compose(common, 'lease'),
  value: compose(common, 'value'),
  find: compose(common, 'find'),
  trim: compose(common, 'trim'),
  bytes: compose(common, 'bytes'),
  clock: compose(common, 'clock'),
  bind: compose(common, 'bind'),
  dataset: compose(common, 'dataset'),
  rights: compose(common, 'rights'),
  limit: compose(common, 'limit'),
  answers: compose(common, 'answers'),
})

const moving = MOVING.map(source).join('\n')

/** `import`: rows that come with a migration. `mark`: its mark on a partition. `doubt`: what may have been done since it was moved away. */
export const MOVING_SCRIPTS = Object.freeze({
  import: compose(moving, 'import'),
  mark: compose(moving, 'mark'),
  doubt: compose(moving, 'doubt'),
})

/** Or each call of the first crowd would bring the text. A node that is promoted later gets it by EVAL. */
export async function teach(line: Redis): Promise<void> {
  await Promise.all(Object.values(SCRIPTS).map(({ text }) => line.call('SCRIPT', 'LOAD', text)))
}
