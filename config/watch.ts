// Tells when the content of files changes, however an editor or a deployment writes them.
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

export interface WatchOptions {
  /** Quiet time after the last sign before files are compared. Default 100 ms. */
  readonly debounceMs?: number
  /** Files are compared this often without any sign: network and overlay file systems send none. Default 2 s. */
  readonly pollMs?: number
  /** When the files began to be read, in milliseconds since the epoch: one that has changed since then is reported at once. */
  readonly since?: number
  /** Hears what `onChange` throws. Default: a process warning. */
  readonly onError?: (error: unknown) => void
}

export interface Watch extends AsyncDisposable {
  /** Resolves when the content known is the content at the moment of the call. */
  readonly ready: Promise<void>
  /** From now on these files. Of those that are new to it, one that has changed after `since` is reported at once. */
  follow(files: readonly string[], since: number): void
  /** After it nothing is called any more; resolves when a running `onChange` is through. */
  close(): Promise<void>
}

/**
 * Calls `onChange` with the files (absolute) whose content is another than before. Calls do not overlap. A file that is
 * away for a moment (editors write a new one and rename it; a deployment swaps links) has not changed until it is back
 * with other content. Does not keep the process alive.
 */
export function watchConfig(
  files: readonly string[],
  onChange: (changed: readonly string[]) => void | Promise<void>,
  options: WatchOptions = {},
): Watch {
  const { debounceMs = 100, pollMs = 2000, since = Infinity, onError = warn } = options
  let paths: readonly string[] = []
  const hashes = new Map<string, string>()
  let closed = false
  let debounce: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  const watchers = new Map<string, readonly FSWatcher[]>()

  function follow(named: readonly string[], from: number): void {
    running = running.then(() => (closed ? undefined : remember(named, from)))
    if (from < Infinity) compareNext()
  }

  async function remember(named: readonly string[], from: number): Promise<void> {
    const known = new Set(paths)
    paths = [...new Set(named.map((file) => resolve(file)))]
    watchFolders()
    for (const path of known) if (!paths.includes(path)) hashes.delete(path)
    for (const path of paths) {
      if (known.has(path)) continue
      const hash = await hashOf(path)
      // Asked after it was read: what changes in between is not taken for known.
      if (hash !== undefined && (await changedAt(path)) < from) hashes.set(path, hash)
    }
  }

  // The folder, not the file: a watch on a file stays with the old one when a new one takes its name.
  function watchFolders(): void {
    const folders = new Set(paths.map((path) => dirname(path)))
    for (const [folder, started] of watchers) {
      if (folders.has(folder)) continue
      for (const watcher of started) watcher.close()
      watchers.delete(folder)
    }
    for (const folder of folders) if (!watchers.has(folder)) watchers.set(folder, startWatch(folder, onSign))
  }

  async function compare(): Promise<void> {
    const changed: string[] = []
    for (const path of paths) {
      const hash = await hashOf(path)
      if (hash === undefined || hash === hashes.get(path)) continue
      hashes.set(path, hash)
      changed.push(path)
    }
    if (closed || changed.length === 0) return
    try {
      await onChange(changed)
    } catch (error) {
      onError(error)
    }
  }

  function compareNext(): void {
    running = running.then(() => (closed ? undefined : compare()))
  }
  function onSign(): void {
    clearTimeout(debounce)
    if (closed) return
    debounce = setTimeout(compareNext, debounceMs)
    debounce.unref()
  }

  follow(files, since)
  const ready = running
  const poll = setInterval(compareNext, pollMs)
  poll.unref()

  async function close(): Promise<void> {
    closed = true
    clearTimeout(debounce)
    clearInterval(poll)
    for (const watcher of [...watchers.values()].flat()) watcher.close()
    await running
  }
  return { ready, follow, close, [Symbol.asyncDispose]: close }
}

/** Empty where the system refuses (no folder, no more watches): then polling has to do. */
function startWatch(folder: string, onSign: () => void): readonly FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, onSign)
    watcher.on('error', () => watcher.close()) // the folder is gone; polling goes on
    return [watcher]
  } catch {
    return [] // polling does it alone
  }
}

async function hashOf(file: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  } catch {
    return undefined // away for a moment, or for good: nothing to compare
  }
}

/** The change of the inode: a file that is renamed to this place or copied with its old date counts as well. */
async function changedAt(file: string): Promise<number> {
  try {
    return (await stat(file)).ctimeMs
  } catch {
    return Infinity // gone meanwhile: it has changed
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
