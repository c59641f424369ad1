// What has changed from one generation to the next, in words.
import { basename } from 'node:path'
import type { Content, KeptFile } from './content.ts'
import { sha256 } from './content.ts'

const MOST = 50

/** One text for each file and plugin that differs. */
export function changesOf(before: Content | undefined, now: Content): readonly string[] {
  if (before === undefined) return []
  const changes = [
    ...compared(filesOf(before), filesOf(now), (file) => basename(file)),
    ...compared(pluginsOf(before), pluginsOf(now), (name) => `plugin ${name}`),
  ]
  return changes.length > MOST ? [...changes.slice(0, MOST), `and ${changes.length - MOST} more`] : changes
}

function compared(
  before: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
  told: (name: string) => string,
): readonly string[] {
  const names = [...new Set([...before.keys(), ...now.keys()])]
  return names.flatMap((name) => {
    if (before.get(name) === now.get(name)) return []
    if (!before.has(name)) return [`${told(name)} added`]
    if (!now.has(name)) return [`${told(name)} removed`]
    return [`${told(name)} changed`]
  })
}

function filesOf({ config, files }: Content): ReadonlyMap<string, string> {
  return new Map([config, ...files].map(({ file, bytes }: KeptFile) => [file, sha256(bytes)]))
}

function pluginsOf({ plugins }: Content): ReadonlyMap<string, string> {
  return new Map(
    plugins.flatMap(({ found, snapshot }) => (snapshot === undefined ? [] : [[found.name, snapshot.hash]])),
  )
}
