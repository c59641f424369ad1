// Tells when the plugins of a folder are others than before, however they are written: in pieces, renamed into place, by hand.
import { existsSync, watch } from 'node:fs'
import type { FSWatcher, Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { findPlugins, installMark, isCode, pluginNameOf, pluginsRoot, walk } from './find.ts'

export interface WatchPluginsOptions {
  /** How long nothing may have changed before a change counts: an editor writes in pieces. Default 80 ms. */
  readonly settleMs?: number
  /** Looked for this often without any sign: network and overlay file systems send none. Default 1 s. */
  readonly pollMs?: number
  /** Hears at the first sign, before it is known what has changed, which plugin it is about. Not where only polling works. */
  readonly onSign?: (plugin: string) => void
  /** The folder itself cannot be looked at; told once for as long as it stays so. */
  readonly onTrouble?: (error: unknown) => void
}

const LONGEST_MS = 2000

/** Of a link with what it leads to. A place that has gone, or that nobody may look at, is a state like any other. */
async function stateOf(place: string): Promise<readonly (string | number)[]> {
  try {
    const here = await lstat(place)
    return [place, ...figuresOf(here), ...(here.isSymbolicLink() ? figuresOf(await stat(place)) : [])]
  } catch (error) {
    return [place, String(error)]
  }
}

function figuresOf({ size, mtimeMs, ctimeMs, ino }: Stats): readonly number[] {
  return [size, mtimeMs, ctimeMs, ino]
}

/**
 * Calls `onChange` when a file of a plugin, or npm's mark beside it, has come, gone or changed, and has been left alone since; and once at the start,
 * for what has changed before. Calls do not overlap. Does not keep the process alive. Disposing waits for a running
 * `onChange`. `directory` is asked at each look: a new config may name another.
 */
export function watchPlugins(
  directory: () => string,
  onChange: () => Promise<void>,
  { settleMs = 80, pollMs = 1000, onSign: tell, onTrouble }: WatchPluginsOptions = {},
): AsyncDisposable {
  const watchers = new Map<string, FSWatcher>()
  let isClosed = false
  let soon: NodeJS.Timeout | undefined
  let known: string | undefined
  let trouble: string | undefined
  let running: Promise<void> = look()

  /** What lies there, without reading it: names, sizes, times. */
  async function seen(): Promise<string> {
    const root = await pluginsRoot(directory())
    if (root === undefined) return ''
    const folders = new Set([root])
    const places: string[] = []
    for (const { path, entry, problem } of await findPlugins(root)) {
      places.push(path)
      if (entry !== undefined) places.push(installMark(entry))
      if (path === entry || problem !== undefined) continue
      const below = await walk(path).catch(() => undefined)
      if (below === undefined) continue
      places.push(...below.places)
      for (const folder of below.folders) folders.add(folder)
    }
    follow(root, folders)
    return JSON.stringify(await Promise.all(places.map(stateOf)))
  }

  function follow(root: string, folders: ReadonlySet<string>): void {
    for (const [folder, watcher] of watchers) {
      if (folders.has(folder)) continue
      watcher.close()
      watchers.delete(folder)
    }
    for (const folder of folders) {
      if (isClosed || watchers.has(folder)) continue
      const watcher = started(root, folder)
      if (watcher !== undefined) watchers.set(folder, watcher)
    }
  }

  /** Undefined where the system refuses (no more watches): then polling has to do. */
  function started(root: string, folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, file) => {
        if (file !== null && tell !== undefined)
          tellOf(relative(root, join(folder, file)), join(folder, file))
        onSign()
      })
      watcher.on('error', () => {
        watcher.close() // the folder has gone; polling goes on
        watchers.delete(folder)
      })
      return watcher
    } catch {
      return undefined
    }
  }

  function tellOf(place: string, file: string): void {
    const [first = '', ...below] = place.split(sep)
    const name = below.length === 0 ? pluginNameOf(first) : first
    if (name !== undefined && existsSync(file)) tell?.(name)
  }

  async function look(): Promise<void> {
    try {
      let now = await seen()
      if (now === known) return
      // What a plugin writes all the time must not keep the others' changes away.
      const until = performance.now() + Math.max(LONGEST_MS, 3 * settleMs)
      while (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, settleMs).unref())
        const then = await seen()
        if (then === now) break
        now = then
      }
      known = now
      trouble = undefined
      if (!isClosed) await onChange()
    } catch (error) {
      known = undefined
      // It went while it was looked at: that is a change of its own, and looked at again.
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return onSign()
      if (String(error) !== trouble) onTrouble?.(error)
      trouble = String(error)
    }
  }

  function lookNext(): void {
    running = running.then(() => (isClosed ? undefined : look()))
  }
  function onSign(): void {
    clearTimeout(soon)
    if (isClosed) return
    soon = setTimeout(lookNext, 20)
    soon.unref()
  }

  const poll = setInterval(lookNext, pollMs)
  poll.unref()

  return {
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(soon)
      clearInterval(poll)
      for (const watcher of watchers.values()) watcher.close()
      await running
    },
  }
}
