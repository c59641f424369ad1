// The fallback cache's file as the main thread sees it: loaded once, then written behind, never waited for by a call.
import { Worker } from 'node:worker_threads'
import type { Log } from '../api.ts'
import type { CacheBatch, CacheRow, CacheWorkerData, FromCacheWorker } from './cache-rows.ts'

export interface CacheDisk {
  /** Takes what is to be written; called when the batch before is done and at least `pauseMs` have passed. */
  due(collect: () => CacheBatch | undefined): void
  /** Resolves when everything handed over so far is written, or has failed, or the time is over. Never rejects. */
  flushed(withinMs: number): Promise<void>
  close(): Promise<void>
}

export interface CacheDiskOptions {
  readonly file: string
  readonly log: Log
  /** Called before `openCacheDisk` resolves, for every row of the file. */
  readonly onRow: (row: CacheRow) => void
  readonly pauseMs?: number
}

const OPEN_MS = 5000
const CLOSE_MS = 2000
const PAUSE_MS = 100

/** Resolves when the file is loaded. Undefined, with a log line: it cannot be used, and the cache lives in memory alone. */
export async function openCacheDisk(options: CacheDiskOptions): Promise<CacheDisk | undefined> {
  const { file, log, onRow, pauseMs = PAUSE_MS } = options
  const workerData: CacheWorkerData = { file }
  const worker = new Worker(new URL('cache-worker.ts', import.meta.url), {
    workerData,
    execArgv: [],
    name: 'dragoman-cache',
  })
  const opened = Promise.withResolvers<boolean>()
  const ended = Promise.withResolvers<void>()
  const idle = new Set<() => void>()
  let collect: (() => CacheBatch | undefined) | undefined
  let timer: NodeJS.Timeout | undefined
  let busy = false
  let gone = false
  let lastId = 0

  const lost = (problem: string): void => {
    if (!gone) log.warn('the fallback cache is kept in memory alone', { file, problem })
    gone = true
    busy = false
    clearTimeout(timer)
    opened.resolve(false)
    release()
  }
  worker.on('message', (message: FromCacheWorker) => {
    switch (message.kind) {
      case 'rows':
        for (const row of message.rows) onRow(row)
        return
      case 'open':
        return opened.resolve(true)
      case 'failed':
        return lost(message.problem)
      case 'done':
        busy = false
        if (message.problem !== undefined)
          log.warn('the fallback cache could not be written', { file, problem: message.problem })
        if (idle.size > 0) write()
        else if (collect !== undefined) later()
    }
  })
  worker.on('error', (error) => lost(error.message))
  worker.on('exit', () => {
    lost('its thread has ended')
    ended.resolve()
  })

  function later(): void {
    if (busy || gone) return
    timer ??= setTimeout(write, pauseMs).unref()
  }

  function write(): void {
    clearTimeout(timer)
    timer = undefined
    if (busy || gone) return
    const batch = collect?.()
    collect = undefined
    if (batch === undefined) return release()
    busy = true
    lastId += 1
    worker.postMessage({ id: lastId, batch }, [])
  }

  function release(): void {
    for (const resolve of idle) resolve()
    idle.clear()
  }

  const disk: CacheDisk = {
    due(next) {
      collect = next
      later()
    },
    async flushed(withinMs) {
      if (gone) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const limit = setTimeout(resolve, withinMs)
      idle.add(resolve)
      write()
      await promise
      clearTimeout(limit)
      idle.delete(resolve)
    },
    async close() {
      await disk.flushed(CLOSE_MS)
      const wasGone = gone
      gone = true
      clearTimeout(timer)
      if (!wasGone) worker.postMessage('close', [])
      const limit = setTimeout(() => void worker.terminate(), CLOSE_MS)
      await ended.promise
      clearTimeout(limit)
    },
  }

  const limit = setTimeout(() => {
    lost(`it was not open after ${OPEN_MS} ms`)
    void worker.terminate()
  }, OPEN_MS)
  const isOpen = await opened.promise
  clearTimeout(limit)
  if (isOpen) return disk
  await worker.terminate()
  return undefined
}
