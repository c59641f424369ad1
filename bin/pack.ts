// What `npm pack` does before and after: a checkout runs its TypeScript as it is, but Node strips no types below `node_modules`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const MANIFEST = join(ROOT, 'package.json')
/** The checkout's own package.json, while the package's is in its place. */
const KEPT = join(DIST, 'checkout.json')

const FOLDERS = ['adapters', 'bin', 'config', 'core', 'plugins'] as const
/** Of the build alone, and what is not run by a gateway. */
const LEFT_OUT = ['bin/pack.ts', 'plugins/_*', '**/*.test.ts']

/** What npm has in a package.json, as far as it is used here. */
interface Manifest {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Target
  readonly devDependencies: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}
type Target = string | { readonly [condition: string]: Target }

const [, , moment] = process.argv
if (moment === 'before') before()
else if (moment === 'after') restore()
else throw new Error('npm runs this: node bin/pack.ts before|after')

function before(): void {
  const manifest = readManifest()
  rmSync(DIST, { recursive: true, force: true })
  compile('scripts', { include: FOLDERS, exclude: LEFT_OUT, compilerOptions: { allowJs: true } })
  const entries = [...leaves(manifest.exports)]
  compile('types', { files: entries, compilerOptions: { declaration: true, emitDeclarationOnly: true } })
  for (const folder of FOLDERS)
    for (const file of globSync(`${folder}/**/*.{css,html,lua,wsdl,yaml}`, {
      cwd: ROOT,
      exclude: LEFT_OUT,
    })) {
      mkdirSync(dirname(join(DIST, file)), { recursive: true })
      copyFileSync(join(ROOT, file), join(DIST, file))
    }
  for (const file of globSync('**/*.js', { cwd: DIST })) readdress(join(DIST, file))
  // Last: whatever fails before leaves the checkout as it was.
  copyFileSync(MANIFEST, KEPT)
  writeFileSync(MANIFEST, `${JSON.stringify(packaged(manifest), null, 2)}\n`)
}

function restore(): void {
  copyFileSync(KEPT, MANIFEST)
  rmSync(KEPT)
}

/** An `npm pack` that was interrupted has left the package's: then the one that was kept. */
function readManifest(): Manifest {
  const read = (): Manifest => JSON.parse(readFileSync(MANIFEST, 'utf8')) as Manifest // npm has read it before us
  const manifest = read()
  if (!('files' in manifest)) return manifest
  restore()
  return read()
}

interface Project {
  readonly include?: readonly string[]
  readonly files?: readonly string[]
  readonly exclude?: readonly string[]
  readonly compilerOptions: Readonly<Record<string, boolean>>
}

/** Paths are relative to the checkout. Ends the process where the compiler finds something, in the syntax alone. */
function compile(name: string, { include, files, exclude, compilerOptions }: Project): void {
  const project = join(DIST, `tsconfig.${name}.json`)
  const above = (paths?: readonly string[]): readonly string[] | undefined =>
    paths?.map((path) => join('..', path))
  const written = { noEmit: false, rootDir: '..', outDir: '.', rewriteRelativeImportExtensions: true }
  const unchecked = { noCheck: true } // `npm test` has checked the types
  mkdirSync(DIST, { recursive: true })
  writeFileSync(
    project,
    JSON.stringify({
      extends: '../tsconfig.json',
      include: above(include) ?? [],
      files: above(files),
      exclude: above(exclude),
      compilerOptions: { ...written, ...unchecked, ...compilerOptions },
    }),
  )
  const { status, error } = spawnSync('tsc', ['--project', project], { cwd: ROOT, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(1) // it has said why
  rmSync(project)
}

/** `new URL('worker.ts', import.meta.url)`: an address the compiler leaves alone, of a file it has made. */
function readdress(file: string): void {
  const text = readFileSync(file, 'utf8')
  const there = text.replaceAll(
    /(new URL\('[^']+)\.ts(', import\.meta\.url\))/gu,
    (whole, begin: string, end: string) => {
      const name = begin.slice("new URL('".length)
      return existsSync(join(dirname(file), `${name}.js`)) ? `${begin}.js${end}` : whole
    },
  )
  if (there !== text) writeFileSync(file, there)
}

/** The package's own: it runs what was built, and brings nothing that only building or testing needs. */
function packaged({
  private: _private,
  scripts: _scripts,
  allowScripts: _allow,
  devDependencies,
  ...rest
}: Manifest): object {
  return {
    ...rest,
    engines: { node: '>=24' },
    bin: Object.fromEntries(Object.entries(rest.bin).map(([name, file]) => [name, built(file)])),
    exports: typed(rest.exports),
    files: [
      ...FOLDERS.map((folder) => `dist/${folder}`),
      '{adapters,bin,config,core,plugins}/**/README.md',
      'config/deploy',
      'plugins/*.ts',
      'plugins/_examples',
      'core/api.ts',
      'CHANGELOG.md',
    ],
    // Only who tests plugins needs it.
    peerDependencies: { vitest: `^${devDependencies['vitest']}` },
    peerDependenciesMeta: { vitest: { optional: true } },
  }
}

function typed(target: Target): Target {
  if (typeof target === 'string') return { types: built(target, '.d.ts'), default: built(target) }
  return Object.fromEntries(Object.entries(target).map(([name, each]) => [name, typed(each)]))
}

function* leaves(target: Target): Generator<string> {
  if (typeof target === 'string') yield target
  else for (const each of Object.values(target)) yield* leaves(each)
}

function built(file: string, ending = '.js'): string {
  return `./dist/${file.slice('./'.length).replace(/\.ts$/u, ending)}`
}
