// `dragoman backup FOLDER`: a copy of the embedded store that a gateway can start on.
import { statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { GatewayError } from '../core/api.ts'
import { backUp } from '../core/store/sqlite/backup.ts'
import { FILE } from '../core/store/sqlite/database.ts'
import { configFile, loadSections } from './config-file.ts'
import { checkFolder, refusePlanted } from './running/data-folder.ts'
import { fail } from './fail.ts'

export interface BackupOptions {
  readonly config?: string
  readonly data?: string
}

export async function backup(folder: string, options: BackupOptions): Promise<void> {
  try {
    if (folder === '') throw new GatewayError('DECODE_FAILED', 'name a folder for the copy: it is empty')
    const overrides = options.data === undefined ? {} : { data: options.data }
    const file = configFile(options.config)
    const { dataDirectory, store } = await loadSections(file, overrides, ['data', 'store'])
    if (store.url !== undefined)
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        'the store is Redis: back up what Redis itself keeps (its append-only file or an RDB)',
      )
    refusePlanted(dataDirectory)
    checkFolder(folder)
    const size = statSync(join(dataDirectory, FILE), { throwIfNoEntry: false })?.size ?? 0
    if (process.stdout.isTTY) console.log(`Copying at most ${megabytes(size)} …`)
    const { file: copy, bytes } = backUp(dataDirectory, folder)
    console.log(
      `${relative('.', copy)} has ${megabytes(bytes)}, read whole and found good. A gateway starts on it with --data ${folder}; to restore it, put it in the place of ${relative('.', join(dataDirectory, FILE))} and its -wal and -shm while the gateway is stopped. What is open in it is not made twice: a write that may not be repeated waits for an operator then.`,
    )
  } catch (error) {
    fail(error)
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`
}
