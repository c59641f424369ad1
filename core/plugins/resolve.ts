// How names resolve in a plugin's worker: its own code is the snapshot, `dragoman` is this gateway, and what its folder lacks the gateway lends.
import { existsSync } from 'node:fs'
import { createRequire, isBuiltin, registerHooks } from 'node:module'
import type { LoadFnOutput, LoadHookContext, ResolveFnOutput, ResolveHookContext } from 'node:module'
import { pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'

export interface PluginCode {
  /** The plugins folder, which may be anywhere and have no package.json. */
  readonly root: string
  /** By `file:` address. */
  readonly sources: ReadonlyMap<string, string>
  /** The address of its file, or of its folder with a slash at the end. */
  readonly own: string
}

/** The code of an import of a file that is not the plugin's own. */
export const NOT_ITS_OWN = 'PLUGIN_NOT_ITS_OWN'

type NextResolve = (specifier: string, context?: Partial<ResolveHookContext>) => ResolveFnOutput
type NextLoad = (url: string, context?: Partial<LoadHookContext>) => LoadFnOutput

/** Called once, in the worker, before the plugin is imported. */
export function lendPackages({ root, sources, own }: PluginCode): void {
  const below = `${pathToFileURL(root).href}/`
  registerHooks({
    resolve(specifier, context, next) {
      if (isPackage(specifier)) return packageOf(specifier, context, next)
      const { parentURL } = context
      const url = isBuiltin(specifier) ? undefined : URL.parse(specifier, parentURL)?.href
      if (url !== undefined && sources.has(url)) return { url, shortCircuit: true }
      if (url !== undefined && sources.has(parentURL ?? '')) refuseForeign(url, specifier)
      return next(specifier, context)
    },
    load(url, context, next: NextLoad) {
      const source = sources.get(url)
      if (source === undefined) return next(url, context)
      return { source, format: formatOf(url, source), shortCircuit: true }
    },
  })

  /** What is not its own is not in its hash: neither its changes nor its lock would see it. */
  function refuseForeign(url: string, specifier: string): void {
    if (!url.startsWith('file:') || !existsSync(new URL(url))) return // not there: Node says so
    if (own.endsWith('/') && url.startsWith(own)) return
    const problem = `it imports ${specifier}, which does not belong to it`
    throw Object.assign(new Error(problem), { code: NOT_ITS_OWN, specifier })
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
