// A plugin's worker thread: imports one version of one plugin, and does what the gateway asks of its components.
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { workerData } from 'node:worker_threads'
import { adapterProblem, GatewayError } from '../api.ts'
import type {
  Adapter,
  Agent,
  Backend,
  BackendCall,
  Channel,
  Component,
  Conversation,
  Log,
  Message,
  SchemaResult,
} from '../api.ts'
import { Misfit, shapeDoubt, shapeProblem } from '../components/component-shape.ts'
import { misspelt } from '../components/misspelt.ts'
import { closeNetwork } from '../map/offline.ts'
import type {
  Beginning,
  Begun,
  ComponentRole,
  DescribedAdapter,
  Loading,
  Memory,
  Validated,
  WorkerBirth,
  WorkerOrder,
} from './contract.ts'
import { HINT_ORIGIN } from './contract.ts'
import { adapterCure, explain, failureAt, lineOf } from './explain.ts'
import type { Failure } from './explain.ts'
import { lendPackages } from './resolve.ts'
import { createRpc } from './rpc.ts'
import type { Rpc } from './rpc.ts'
import type { Service } from './scope-service.ts'
import { configValue, isPlain, packError } from './wire.ts'
import { workerHost } from './worker-host.ts'
import { workerScope } from './worker-scope.ts'

interface Instance {
  readonly made: Channel | Backend | Agent
  readonly ending: AbortController
  readonly services: Readonly<Record<string, Service>>
}

const birth = workerData as WorkerBirth // spawn.ts begins it
const instances = new Map<number, Instance>()
const ROLES = { channel: 'object', backend: 'object', agent: 'object' } as const
const NOTHING = 'data:text/javascript,'
const GONE = 'the component is not there any more'
let adapter: Adapter | undefined

if (birth.offline) closeNetwork((what) => rpc.tell('attempted', [what]))
const rpc: Rpc = createRpc(birth.port, { serve, limitBytes: birth.limitBytes })
tellOfExit()
if (birth.isEarly) void warmUp()

// The arguments are those thread.ts and hosted.ts give.
function serve(method: string, args: readonly unknown[], signal: AbortSignal): unknown {
  switch (method) {
    case 'load':
      return load(args[0] as WorkerOrder)
    case 'ping':
      return undefined
    case 'collect':
      return collect()
    case 'validate':
      return validated(args[0] as ComponentRole, args[1] as string)
    case 'begin':
      return begin(args[0] as number, args[1] as Beginning)
    case 'ending':
      return instances.get(args[0] as number)?.ending.abort()
    case 'end':
      return end(args[0] as number)
    case 'held':
      return process.getActiveResourcesInfo()
    default: {
      const [number, ...rest] = args
      const service = instances.get(number as number)?.services[method]
      // Whoever reads a stream is told so by its end, and may ask once more before that has arrived.
      if (service === undefined && method === 'stream.next') throw new GatewayError('CHANNEL_GONE', GONE)
      if (service === undefined) throw new Error(`${GONE} (${method})`)
      return service(rest, signal)
    }
  }
}

async function load(order: WorkerOrder): Promise<Loading> {
  const { file, root } = order
  lendPackages(order)
  try {
    const exported = defaultExport(await import(pathToFileURL(file).href))
    if (exported === undefined)
      return {
        failure: failureAt(
          root,
          { file },
          'it has no default export: add `export default defineAdapter({ … })`',
        ),
      }
    const problem = adapterProblem(exported)
    if (problem !== undefined)
      return refused(order, {
        problem: `${problem}: ${adapterCure(problem)}`,
        texts: ['export default', 'as default', 'module.exports', 'exports.default'],
      })
    const slip = misspelt(exported as object, ROLES) // adapterProblem found nothing
    if (slip !== undefined)
      return refused(order, {
        problem: `has \`${slip.given}\` (did you mean \`${slip.meant}\`?): write \`${slip.meant}\``,
        texts: [`${slip.given}:`, slip.given],
      })
    adapter = exported as Adapter // as above
    return { adapter: described(adapter) }
  } catch (thrown) {
    return { failure: await explained(thrown, order) }
  }
}

/** Of the default export; its line is the first that has one of these texts in it. */
function refused(
  order: WorkerOrder,
  { problem, texts }: { readonly problem: string; readonly texts: readonly string[] },
): Loading {
  const { file, root } = order
  const line = lineOf(textOf(order)(file), texts)
  const place = { file, ...(line !== undefined && { line }) }
  return { failure: failureAt(root, place, `the default export ${problem}`) }
}

/**
 * Of a module. CommonJS has one value in its place; where a compiler wrote it, that value is the module as it was, and names itself
 * `__esModule`: without a default it may be an adapter of named exports. One that exports nothing has none.
 */
function defaultExport(module: Readonly<Record<string, unknown>>): unknown {
  const exported = module['default']
  if (!('module.exports' in module) || typeof exported !== 'object' || exported === null) return exported
  const has = exported as Readonly<Record<string, unknown>> // any object may be asked for any member
  if (has['__esModule'] === true) {
    if ('default' in has) return has['default']
    return adapterProblem(has) === undefined ? has : undefined
  }
  const isUntouched = Object.getPrototypeOf(has) === Object.prototype && Reflect.ownKeys(has).length === 0
  return isUntouched ? undefined : has
}

/** Nearly every plugin is TypeScript and makes its schema with zod: both take longer to load than all of ours. */
async function warmUp(): Promise<void> {
  const hooks = registerHooks({
    load: (url, context, next) =>
      url === NOTHING
        ? { source: 'export type {}', format: 'module-typescript', shortCircuit: true }
        : next(url, context),
  })
  try {
    await import(NOTHING)
    await import('zod')
  } catch {
    return // whoever needs it will be told
  } finally {
    hooks.deregister()
  }
}

/** Whatever a plugin throws, even if looking at it throws again, stays its own failure. */
async function explained(thrown: unknown, order: WorkerOrder): Promise<Failure> {
  const { file, root } = order
  try {
    return await explain(thrown, { file, root, text: textOf(order) })
  } catch {
    return failureAt(root, { file }, 'it throws something that cannot be read: throw an Error')
  }
}

function textOf({ sources }: WorkerOrder): (file: string) => string {
  return (file) => sources.get(pathToFileURL(file).href) ?? ''
}

function described(of: Adapter): DescribedAdapter {
  const roles: { [role in ComponentRole]?: { jsonSchema?: unknown } } = {}
  for (const role of ['channel', 'backend', 'agent'] as const) {
    const component = of[role]
    if (component !== undefined) roles[role] = jsonSchemaOf(component)
  }
  return { name: of.name, roles }
}

/** Standard JSON Schema, where the vendor has it: for editors and "did you mean". */
function jsonSchemaOf({ config }: Component<unknown>): { readonly jsonSchema?: unknown } {
  const standard = config['~standard'] as { jsonSchema?: { input?: unknown } } // optional beside v1
  const convert = standard.jsonSchema?.input
  if (typeof convert !== 'function') return {}
  try {
    const jsonSchema: unknown = convert({
      target: 'draft-2020-12',
      libraryOptions: { unrepresentable: 'any' },
    })
    return isPlain(jsonSchema) ? { jsonSchema } : {}
  } catch {
    return {} // by the specification a vendor throws for what JSON Schema cannot say
  }
}

async function validated(role: ComponentRole, config: string): Promise<Validated> {
  const given = configValue(config)
  const { value, issues } = await resultOf(role, given)
  if (issues !== undefined) return { issues: structuredClone(plainIssues(issues)) }
  // What the schema made of it stays here; the gateway looks at it for addresses, if it can.
  return { value: isPlain(value) ? value : given }
}

interface Result {
  readonly value?: unknown
  readonly issues?: NonNullable<SchemaResult<unknown>['issues']>
}

async function resultOf(role: ComponentRole, given: unknown): Promise<Result> {
  const component = adapter?.[role]
  if (component === undefined) throw new Error(`the adapter offers no ${role}`)
  const { value, issues } = (await component.config['~standard'].validate(given)) as Result // one of the two is there
  return issues === undefined ? { value } : { issues }
}

/** zod adds functions to its issues; the reader wants what is data. */
function plainIssues(issues: NonNullable<Result['issues']>): NonNullable<Result['issues']> {
  return JSON.parse(
    JSON.stringify(issues, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  ) as NonNullable<Result['issues']> // the same members
}

async function begin(number: number, beginning: Beginning): Promise<Begun> {
  const { role, id, config, operations } = beginning
  const { value, issues } = await resultOf(role, configValue(config))
  if (issues !== undefined) throw new Error(issues.map(({ message }) => message).join('; '))
  const ending = new AbortController()
  const scope = workerScope(rpc, number, beginning)
  const { signal } = ending
  if (role === 'channel' && adapter?.channel !== undefined) {
    const made = shaped(role, adapter.channel.create(value, scope), scope.log)
    const { host, services } = workerHost(rpc, number, { id, operations, log: scope.log })
    const send: Service = ([message, key], within) => made.send?.(message as Message, key as string, within)
    instances.set(number, { made, ending, services: { ...services, send } })
    await made.start(host, signal)
    const hint = made.hint?.(HINT_ORIGIN)
    return {
      operations: {},
      sends: made.send !== undefined,
      pushesWhole: made.pushesWhole === true,
      refusable: made.refusable === true,
      probes: false,
      ...(typeof hint === 'string' && { hint }),
    }
  }
  if (role === 'backend' && adapter?.backend !== undefined) {
    const made = shaped(role, adapter.backend.create(value, scope), scope.log)
    const call: Service = ([asked], within) => made.call(asked as BackendCall, within)
    const probe: Service = async (_args, within) => {
      await made.probe?.(within) // whatever it resolves with is nobody's
    }
    instances.set(number, { made, ending, services: { call, probe } })
    await made.start?.(signal)
    const problem = shapeProblem(role, made) // it may have learnt its operations in `start`
    if (problem !== undefined) throw new Error(`${problem} (after \`start\`)`) // no Misfit: it may learn them at another try
    return { operations: saidOf(made.operations), sends: false, probes: made.probe !== undefined }
  }
  if (adapter?.agent === undefined) throw new Error(`the adapter offers no ${role}`)
  const made = shaped('agent', adapter.agent.create(value, scope), scope.log)
  const answer: Service = ([message, conversation], within) =>
    made.answer(message as Message, conversation as Conversation, within)
  instances.set(number, { made, ending, services: { answer } })
  await made.start?.(signal)
  return { operations: {}, sends: false, probes: false }
}

/** What the gateway reads of them, getters and inherited members too: a clone would leave those out, and refuses a function beside them. */
function saidOf(operations: Backend['operations']): Backend['operations'] {
  return Object.fromEntries(
    Object.entries(operations).map(([name, { safe, idempotent, readsMessage }]) => [
      name,
      {
        safe,
        ...(idempotent !== undefined && { idempotent }),
        ...(readsMessage !== undefined && { readsMessage }),
      },
    ]),
  )
}

/** Throws what is wrong with it, as `Misfit`: nobody has started it, so there is nothing to end. What may be wrong goes into the log. */
function shaped<T extends object>(role: ComponentRole, made: T, log: Log): T {
  const problem = shapeProblem(role, made)
  if (problem === undefined) {
    const doubt = shapeDoubt(role, made)
    if (doubt !== undefined) log.warn(doubt)
    return made
  }
  // Of an `async create` what it rejects with is not another failure of the worker.
  void Promise.resolve(made).catch(() => undefined)
  throw new Misfit(problem)
}

async function end(number: number): Promise<void> {
  const instance = instances.get(number)
  if (instance === undefined) return
  instance.ending.abort()
  await instance.made[Symbol.asyncDispose]()
  instances.delete(number)
}

/** What is left when nothing is garbage any more. About 1 ms for each MB of it. */
function collect(): Memory {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  setFlagsFromString('--no-expose-gc')
  const { heapUsed, external } = process.memoryUsage()
  return { heap: heapUsed, external }
}

/** Who ends the worker on purpose is asked where he does it. */
function tellOfExit(): void {
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    rpc.tell('exiting', [packError(new Error(`it calls process.exit(${code ?? ''})`))])
    rpc.flush()
    return exit(code)
  }
}
