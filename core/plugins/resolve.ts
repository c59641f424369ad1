// How names resolve for plugins: `dragoman` is this gateway, and what their own folder lacks the gateway lends.
import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin, registerHooks } from 'node:module'
import type { ResolveFnOutput, ResolveHookContext } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folders = new Set<string>()
let registered = false

/** Lets the files of a folder, which may be anywhere and have no package.json, import the gateway and its dependencies. */
export function lendPackages(folder: string): void {
  folders.add(`${pathToFileURL(folder).href}/`)
  if (registered) return
  registered = true
  registerHooks({ resolve })
}

type Next = (specifier: string, context?: Partial<ResolveHookContext>) => ResolveFnOutput

function resolve(specifier: string, context: ResolveHookContext, next: Next): ResolveFnOutput {
  const { parentURL = '' } = context
  if (!isPackage(specifier)) return asPluginFile(next(specifier, context), parentURL)
  if (placeOf(parentURL) === undefined) return next(specifier, context)
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

// require() resolves from the file it stands in, whatever the hook says; only a finished address helps.
function ours(specifier: string, context: ResolveHookContext, next: Next): ResolveFnOutput {
  if (!context.conditions.includes('require'))
    return next(specifier, { ...context, parentURL: import.meta.url })
  const url = pathToFileURL(createRequire(import.meta.url).resolve(specifier)).href
  return { url, shortCircuit: true }
}

/**
 * A plugin's file belongs to the version that imports it (`?v=`): loaded again, a plugin must not run with its old helpers.
 * It is a module whatever a package.json above it says: `npm init` writes "commonjs".
 */
function asPluginFile(found: ResolveFnOutput, parentURL: string): ResolveFnOutput {
  if (placeOf(found.url) !== 'own') return found
  const version = placeOf(parentURL) === 'own' ? (/\?v=\w+$/.exec(parentURL)?.[0] ?? '') : ''
  const url = found.url.includes('?') ? found.url : `${found.url}${version}`
  const format = formatOf(found.url.replace(/[?#].*$/s, ''))
  return { ...found, url, ...(format !== undefined && { format }) }
}

function formatOf(url: string): string | undefined {
  if (url.endsWith('.ts')) return 'module-typescript'
  if (!url.endsWith('.js')) return undefined // json and wasm speak for themselves
  const source = readFileSync(fileURLToPath(url), 'utf8')
  return /^\s*(?:import\s*[\w{*'"]|export\s*[\w{*])/m.test(source) ? 'module' : undefined
}

/** Whether a file is a plugin's own, a package's that it brings along, or nobody's here. */
function placeOf(url: string): 'own' | 'brought' | undefined {
  for (const folder of folders)
    if (url.startsWith(folder)) return url.includes('/node_modules/', folder.length - 1) ? 'brought' : 'own'
  return undefined
}

function isPackage(specifier: string): boolean {
  return !isBuiltin(specifier) && !/^(?:\.{0,2}\/|#|[a-z][a-z+.-]*:)/i.test(specifier)
}
