// What `npm pack` makes of this checkout, and an empty folder it is installed in without a registry.
import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'

export const checkout = resolve(import.meta.dirname, '../..')

const LONG_MS = 120_000

/** The npm that runs these tests tells its children about itself; a stranger's shell knows nothing of it. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:npm_|INIT_CWD)/iu.test(name))),
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
  npm_config_loglevel: 'error',
  NO_COLOR: '1',
}

/** Runs a line of a shell; resolves with what it printed. Rejects where it fails, with all it said. */
export function shell(line: string, cwd: string): Promise<string> {
  return new Promise((done, failed) => {
    const child = execFile('sh', ['-c', line], { cwd, env, timeout: LONG_MS }, (error, out, said) => {
      if (error === null) done(out)
      else failed(new Error(`${line}: ${error.message}\n${out}${said}`))
    })
    child.stdin?.end()
  })
}

/** The files of the checkout as they are now, but its tests, beside a link to its packages: as good as a clone after `npm ci`. */
export async function copyCheckout(to: string): Promise<void> {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate']
  const files = execFileSync('git', list, { cwd: checkout, encoding: 'utf8' }).split('\n')
  for (const file of files) {
    if (file === '' || file.startsWith('test/') || !existsSync(join(checkout, file))) continue
    await cp(join(checkout, file), join(to, file))
  }
  await symlink(join(checkout, 'node_modules'), join(to, 'node_modules'))
}

/** Installs the tarball that lies in the folder: npm finds there what it would load, and so needs no registry. */
export async function install(line: string, folder: string): Promise<void> {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: true }>>
  } // as npm writes it
  const needed = Object.entries(lock.packages).flatMap(([path, { dev }]) =>
    path !== '' && dev !== true && existsSync(join(checkout, path)) ? [path] : [],
  )
  await shell(`tar -cf - ${needed.join(' ')} | tar -xf - -C '${folder}'`, checkout)
  await shell(line, folder)
}

/** Stands for `npm install --save-dev`. */
export async function lend(names: readonly string[], folder: string): Promise<void> {
  for (const name of names) {
    const place = join(folder, 'node_modules', name)
    if (existsSync(place)) continue
    await mkdir(dirname(place), { recursive: true })
    await symlink(join(checkout, 'node_modules', name), place)
  }
}

/** Writes a file of a folder, with the folders above it. */
export async function write(folder: string, file: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true })
  await writeFile(join(folder, file), text)
}

export { env as strangersEnv }
