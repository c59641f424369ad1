// The error output as the log writes it: in pieces, on a beat; whatever becomes of it, the process goes on.
import { write, writeSync } from 'node:fs'

const FD = 2
/** Lines wait here at most: a full buffer, or the next beat. */
const BUFFER_BYTES = 4096
const BEAT_MS = 100
const MOST_AT_ONCE_BYTES = 64 * 1024
/** While nobody reads stderr, or its disk is full, lines wait up to this; then they are dropped rather than the memory filled. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
const LONGEST_FLUSH_MS = 1000
const BUSY_MS = 10
/** What the exit leaves a write that is under way to end, so that the rest comes after it. */
const UNDER_WAY_MS = 250
const NOTHING = Buffer.alloc(0)

/**
 * Buffers lines for at most 100 ms or 4 kB, and writes the rest when the process exits, also by an uncaught error. What cannot be written
 * (ENOSPC, EPIPE) is tried again on the beat; it neither throws nor holds up the end.
 */
export class ErrorOutput {
  readonly #onLost: (lines: number) => void
  readonly #pieces: string[] = []
  readonly #waiting = new Set<() => void>()
  #bytes = 0
  /** What is written now, or was in part. */
  #current = NOTHING
  #writingSince: number | undefined
  #isFailing = false
  #lost = 0
  #beat: NodeJS.Timeout | undefined

  /** `onLost` is called when it can be written again, with how many lines were dropped. */
  constructor(onLost: (lines: number) => void) {
    this.#onLost = onLost
    process.once('exit', () => this.#writeRest())
  }

  /** Whole lines. */
  write(lines: string): void {
    const bytes = Buffer.byteLength(lines)
    if (this.#bytes + bytes > MAX_WAITING_BYTES) {
      this.#lost += lines.split('\n').length - 1
      return
    }
    this.#bytes += bytes
    const last = this.#pieces.length - 1
    const piece = this.#pieces[last]
    if (piece !== undefined && piece.length + lines.length <= MOST_AT_ONCE_BYTES)
      this.#pieces[last] = piece + lines
    else this.#pieces.push(lines)
    if (this.#bytes >= BUFFER_BYTES && !this.#isFailing) this.#begin()
    else this.#beat ??= setTimeout(() => this.#begin(), BEAT_MS).unref()
  }

  /** Resolves when all is written, when that fails, and after a second. */
  async flushed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, LONGEST_FLUSH_MS)
    this.#waiting.add(resolve)
    this.#begin()
    await promise
    this.#waiting.delete(resolve)
    clearTimeout(timer)
  }

  #begin(): void {
    clearTimeout(this.#beat)
    this.#beat = undefined
    if (this.#writingSince !== undefined) return
    const next = this.#next()
    if (next.length === 0) return this.#settle()
    this.#writingSince = performance.now()
    write(FD, next, (error, count) => {
      this.#writingSince = undefined
      if (error === null) this.#written(count)
      else this.#failed(error)
    })
  }

  #written(count: number): void {
    this.#took(count)
    this.#isFailing = false
    if (this.#lost > 0) {
      const lost = this.#lost
      this.#lost = 0
      this.#onLost(lost)
    }
    this.#begin()
  }

  #failed(error: Error): void {
    this.#isFailing = true
    this.#beat ??= setTimeout(() => this.#begin(), BEAT_MS).unref()
    if (!isBusy(error)) this.#settle()
  }

  #settle(): void {
    for (const resolve of this.#waiting) resolve()
  }

  #next(): Buffer {
    if (this.#current.length === 0) this.#current = Buffer.from(this.#pieces.shift() ?? '')
    return this.#current
  }

  #took(count: number): void {
    this.#bytes -= count
    this.#current = this.#current.subarray(count)
  }

  /** There is no event loop any more. A write that is under way ends by itself, in its thread; one that hangs would not be alone. */
  #writeRest(): void {
    const begun = performance.now()
    if (this.#writingSince !== undefined) {
      if (begun - this.#writingSince > LONGEST_FLUSH_MS / 2) return
      pause(UNDER_WAY_MS)
      this.#took(this.#current.length)
    }
    while (this.#next().length > 0) {
      try {
        this.#took(writeSync(FD, this.#current))
      } catch (error) {
        if (!isBusy(error) || performance.now() - begun > LONGEST_FLUSH_MS) return
        pause(BUSY_MS)
      }
    }
  }
}

/** Holds the thread. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** A pipe that does not wait, and is full. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY')
}
