// How names resolve in a plugin's worker: its own code is the snapshot, `dragoman` is this gateway, and what its folder lacks the gateway lends.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire, isBuiltin, registerHooks } from 'node:module'
import type { LoadFnOutput, LoadHookContext, ResolveFnOutput, ResolveHookContext } from 'node:module'
import { basename, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'

import { isBeside } from './find.ts'

export interface PluginCode {
  /** The plugins folder, which may be anywhere and have no package.json. */
  readonly root: string
  /** By `file:` address. */
  readonly sources: ReadonlyMap<string, string>
  /** The SHA-256 of its files that are no code by their names, by their absolute names. */
  readonly others: ReadonlyMap<string, string>
  /** The address of its file, or of its folder with a slash at the end. */
  readonly own: string
}

/** The code of an import of a file that is not the plugin's own. */
export const NOT_ITS_OWN = 'PLUGIN_NOT_ITS_OWN'

type NextResolve = (specifier: string, context?: Partial<ResolveHookContext>) => ResolveFnOutput
type NextLoad = (url: string, context?: Partial<LoadHookContext>) => LoadFnOutput

/** Called once, in the worker, before the plugin is imported. */
export function lendPackages({ root, sources, others, own }: PluginCode): void {
  const below = `${pathToFileURL(root).href}/`
  /** The folder may be a link. */
  const real = own.endsWith('/') ? `${pathToFileURL(realpathSync(fileURLToPath(own))).href}/` : own
  registerHooks({
    resolve(specifier, context, next) {
      if (isPackage(specifier)) return packageOf(specifier, context, next)
      if (isBuiltin(specifier)) return next(specifier, context)
      const { parentURL } = context
      const url = specifier.startsWith('#') ? undefined : URL.parse(specifier, parentURL)?.href
      if (url !== undefined && sources.has(fileOf(url))) return { url, shortCircuit: true }
      if (!isOwn(fileOf(parentURL))) return next(specifier, context)
      if (url !== undefined && isFile(url)) {
        refuseForeign(url, specifier)
        if (url.endsWith('.node')) refuseUnhashed(url) // an addon passes `load` by
        // Not as what a link leads to: that may lie elsewhere, and would pass `load` by too.
        else if (isOwn(fileOf(url))) return { url, shortCircuit: true }
        return next(specifier, context)
      }
      const found = next(specifier, context) // by a package.json, or without its ending
      if (!isFile(found.url) || found.url.includes('/node_modules/')) return found
      const named = found.url.startsWith(real) ? own + found.url.slice(real.length) : found.url
      refuseForeign(named, specifier)
      return { ...found, url: named }
    },
    load(url, context, next: NextLoad) {
      const source = sources.get(fileOf(url))
      if (source !== undefined) return { source, format: formatOf(fileOf(url), source), shortCircuit: true }
      refuseUnhashed(fileOf(url))
      return next(url, context)
    },
  })

  /** What is not its own is not in its hash: neither its changes nor its lock would see it. */
  function refuseForeign(url: string, specifier: string): void {
    if (own.endsWith('/') && url.startsWith(own)) return
    throw notItsOwn(
      `it imports ${specifier}, which does not belong to it: make it a folder with an index.ts, and put the other file into it`,
      specifier,
    )
  }

  /** Nor is what lies in its folder and is left alone there, came later, or has changed since. Packages are covered by their lock file, data in JSON runs nothing. */
  function refuseUnhashed(url: string): void {
    if (!isOwn(url) || url.endsWith('.json')) return
    const isLeftAlone = ownNames(url).some(isBeside)
    if (!isLeftAlone && isAsHashed(fileURLToPath(url))) return
    const why = isLeftAlone
      ? 'is left alone by its name (.…, *.test.*, *.spec.*, *.md): rename it'
      : 'came after it was loaded: the next version has it'
    throw notItsOwn(`it imports ${relative(root, fileURLToPath(url))}, which ${why}`, basename(url))
  }

  /** Lies in its folder, and not as a package there. */
  function isOwn(url: string): boolean {
    if (url === own) return true
    if (!own.endsWith('/') || !url.startsWith(own)) return false
    return !url.slice(own.length).split('/').includes('node_modules') || ownNames(url).some(isBeside)
  }

  /** Below its folder, as far as no package begins. */
  function ownNames(url: string): readonly string[] {
    const names = url.slice(own.length).split('/').map(decodeURIComponent)
    const packages = names.indexOf('node_modules')
    return packages === -1 ? names : names.slice(0, packages)
  }

  /** CommonJS runs a file of any name, from where it lies. */
  function isAsHashed(file: string): boolean {
    const hash = others.get(file)
    return hash !== undefined && hash === createHash('sha256').update(readFileSync(file)).digest('hex')
  }

  function packageOf(specifier: string, context: ResolveHookContext, next: NextResolve): ResolveFnOutput {
    if (context.parentURL?.startsWith(below) !== true) return next(specifier, context)
    // Another copy of our own package would have another GatewayError.
    if (specifier === 'dragoman' || specifier.startsWith('dragoman/')) return ours(specifier, context, next)
    try {
      return next(specifier, context)
    } catch (error) {
      try {
        return ours(specifier, context, next)
      } catch {
        throw error // it names the plugin's file, not ours
      }
    }
  }
}

function notItsOwn(problem: string, specifier: string): Error {
  return Object.assign(new Error(problem), { code: NOT_ITS_OWN, specifier })
}

/** The address of a file without what an import may add to have it once more (`?x`, `#x`). */
function fileOf(url = ''): string {
  return url.replace(/[?#].*$/su, '')
}

function isFile(url: string): boolean {
  return url.startsWith('file:') && existsSync(new URL(url))
}

// require() resolves from the file it stands in, whatever the hook says; only a finished address helps.
function ours(specifier: string, context: ResolveHookContext, next: NextResolve): ResolveFnOutput {
  if (!context.conditions.includes('require'))
    return next(specifier, { ...context, parentURL: import.meta.url })
  const url = pathToFileURL(createRequire(import.meta.url).resolve(specifier)).href
  return { url, shortCircuit: true }
}

/** Its ending or its syntax says what a plugin's file is, whatever a package.json above it says: `npm init` writes "commonjs". */
function formatOf(url: string, source: string): string {
  if (url.endsWith('.json')) return 'json'
  if (url.endsWith('.cts')) return 'commonjs-typescript'
  if (url.endsWith('ts')) return 'module-typescript'
  if (url.endsWith('.mjs')) return 'module'
  return url.endsWith('.cjs') || !ONLY_IN_MODULES.test(source) || isCommonJs(source) ? 'commonjs' : 'module'
}

const ONLY_IN_MODULES = /\b(?:import|export|await)\b/

/** As Node detects syntax itself, which it does not for what a hook has loaded: what cannot be a function's body is a module. */
function isCommonJs(source: string): boolean {
  try {
    compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname'])
    return true
  } catch {
    return false
  }
}

function isPackage(specifier: string): boolean {
  return !isBuiltin(specifier) && !/^(?:\.{0,2}\/|#|[a-z][a-z+.-]*:)/i.test(specifier)
}
