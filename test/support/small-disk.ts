// A file system of its own that a test may fill, or make read-only.
import { execFileSync } from 'node:child_process'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from './gateway.ts'

export interface SmallDisk extends AsyncDisposable {
  readonly path: string
  /** The file that fills it; whoever removes it makes room. */
  readonly filler: string
  /** Leaves as many bytes free. */
  fillTo(free: number): Promise<void>
  readOnly(): void
}

/** Undefined where that is not allowed: no root, or a container without the right. */
export async function smallDisk(megabytes: number): Promise<SmallDisk | undefined> {
  const path = await temporaryDirectory()
  const mount = (options: string): void => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' })
  }
  try {
    mount(`size=${megabytes}m`)
  } catch {
    await rm(path, { recursive: true })
    return undefined
  }
  const filler = join(path, 'filler')
  return {
    path,
    filler,
    async fillTo(free) {
      const { bavail, bsize } = await statfs(path)
      await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - free)), { flag: 'a' })
    },
    readOnly: () => mount('remount,ro'),
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', path])
      await rm(path, { recursive: true })
    },
  }
}
