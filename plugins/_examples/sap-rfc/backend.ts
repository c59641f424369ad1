// The backend: function modules over SOAP-RFC, and IDocs by HTTP.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Component, Json, Operation, Scope } from 'dragoman'
import { backendConfig } from './config.ts'
import type { BackendConfig, OperationConfig } from './config.ts'
import { docnumOf, idocXml } from './idoc.ts'
import { answerIn, callXml, contentOf, isEnvelope, returnFault } from './rfc.ts'
import type { Content } from './rfc.ts'
import type { Members, Shape } from './values.ts'
import { readXml } from './xml.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  create: (config, scope) => createBackend(config, scope),
}

interface Remote {
  readonly config: BackendConfig
  readonly scope: Scope
  readonly post: (path: string, body: string, signal: AbortSignal) => Promise<Response>
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const name of Object.keys(config.operations)) operations[name] = { safe: false }
  const { user, password = '', client, language } = config
  const query = new URLSearchParams({
    ...(client !== undefined && { 'sap-client': client }),
    ...(language !== undefined && { 'sap-language': language.toUpperCase() }),
  })
  const headers = {
    'content-type': 'text/xml; charset=utf-8',
    accept: 'text/xml',
    ...(user !== undefined && {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    }),
  }
  const at = (path: string): string => {
    const url = new URL(config.url)
    url.pathname = path
    url.search = query.toString()
    return url.href
  }
  const remote: Remote = {
    config,
    scope,
    // A redirect leads to a logon page, and would repeat the call there.
    post: (path, body, signal) =>
      scope.fetch(at(path), {
        method: 'POST',
        headers: { ...headers, soapaction: '""' },
        body,
        signal,
        redirect: 'manual',
      }),
  }

  return {
    operations,
    async call(call, signal) {
      const operation = Object.hasOwn(config.operations, call.operation)
        ? config.operations[call.operation]
        : undefined
      if (operation === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${Object.keys(config.operations).join(', ')}`,
          { notExecuted: true },
        )
      const { idoc } = operation
      if (idoc !== undefined) return sendIdoc({ ...operation, idoc }, call, { ...remote, signal })
      return callFunction(operation, call, { ...remote, signal })
    },
    async probe(signal) {
      await scope.fetch(at(config.path), { method: 'HEAD', headers, signal, redirect: 'manual' })
    },
    async [Symbol.asyncDispose]() {
      // nothing is held
    },
  }
}

interface Calling extends Remote {
  readonly signal: AbortSignal
}

async function callFunction(
  operation: OperationConfig,
  call: BackendCall,
  { config, scope, post, signal }: Calling,
): Promise<Answer> {
  const name = operation.function ?? call.operation
  const shape: Shape = {
    types: { ...config.fields, ...operation.fields },
    tables: operation.tables,
    style: { dates: config.dates, minus: 'before' },
  }
  const body = written(name, () =>
    callXml(name, { ...paramsOf(call, operation.set), ...operation.set }, shape),
  )
  const response = await post(config.path, body, signal)
  return understood(name, async () => {
    const content = await contentIn(name, response)
    if (content.kind === 'fault') return faulty(name, content, { operation, scope })
    const data = answerIn(name, content, shape)
    const fault = operation.return === false ? undefined : returnFault(data, operation.return)
    return fault === undefined ? { data } : { fault }
  })
}

async function sendIdoc(
  { idoc, control, fields }: OperationConfig & { readonly idoc: string },
  call: BackendCall,
  { config, post, signal }: Calling,
): Promise<Answer> {
  // The same for every try of this call, on any instance: the receiver can tell a repeat.
  const { EDI_DC40: own = {}, ...segments } = paramsOf(call, {})
  const moment = call.message.receivedAt.replace(/\D/g, '')
  const head = {
    TABNAM: 'EDI_DC40',
    ...(config.client !== undefined && { MANDT: config.client }),
    DOCNUM: docnumOf(call.key),
    DIRECT: '2',
    IDOCTYP: idoc,
    CREDAT: moment.slice(0, 8),
    CRETIM: moment.slice(8, 14),
    ARCKEY: call.key.slice(0, 70),
    ...control,
    ...textsOf(own),
  }
  const body = written(idoc, () => idocXml(idoc, head, segments, { ...config.fields, ...fields }))
  const response = await post(config.idocPath, body, signal)
  if (!response.ok) refuseStatus(idoc, response.status)
  return { data: { DOCNUM: head.DOCNUM } }
}

/** What does not fit is the caller's mistake, and nothing has gone out. */
function written(name: string, work: () => string): string {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw refused(`${name}: ${error.message}`, error)
  }
}

function refused(message: string, cause?: unknown): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { cause, notExecuted: true })
}

/** A caller may say what the config fixes only if he says the same. */
function paramsOf({ params, operation }: BackendCall, set: Members): Members {
  if (params === null) return {}
  if (typeof params !== 'object' || Array.isArray(params))
    throw refused(`${operation} takes an object with its parameters`)
  const own = params as Members // an object that is no array
  const other = Object.keys(set).find(
    (name) => Object.hasOwn(own, name) && JSON.stringify(own[name]) !== JSON.stringify(set[name]),
  )
  if (other !== undefined) throw refused(`${operation}: ${other} is fixed: leave it out`)
  return own
}

function textsOf(control: Json): Readonly<Record<string, string>> {
  if (typeof control !== 'object' || control === null || Array.isArray(control))
    throw refused('EDI_DC40 is an object with texts')
  const entries = Object.entries(control as Members).map(([name, value]) => {
    if (typeof value !== 'string') throw refused(`EDI_DC40.${name} is no text`)
    return [name, value] as const
  })
  return Object.fromEntries(entries)
}

async function understood<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw failed(`the answer to ${name} cannot be read: ${error.message}`, error)
  }
}

function failed(message: string, cause?: unknown): GatewayError {
  return new GatewayError('BACKEND_FAILED', message, { cause })
}

async function contentIn(name: string, response: Response): Promise<Content> {
  const { status, headers } = response
  const type = headers.get('content-type') ?? ''
  const isXml = /^(?:text|application)\/(?:[\w.-]+\+)?xml\b/i.test(type)
  // A fault comes with 500, as SOAP 1.1 §6.2 has it.
  if (!isXml || (status !== 500 && !response.ok)) refuseStatus(name, status, type)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const root = readXml(bytes, /charset\s*=\s*"?([\w-]+)/i.exec(type)?.[1])
  if (!isEnvelope(root)) throw new RangeError(`it is <${root.name.slice(0, 60)}>, no envelope`)
  return contentOf(root)
}

function refuseStatus(name: string, status: number, type = ''): never {
  if (status === 401 || status === 403)
    throw failed(`${name}: SAP refuses the user or its rights (${status})`)
  if (status === 404) throw failed(`${name}: there is no such service (404): activate it in SICF`)
  if (status < 300) throw failed(`${name} was answered with "${type.slice(0, 60)}": a logon page, not SOAP`)
  throw failed(`${name} was answered with ${status}`)
}

interface FaultContext {
  readonly operation: OperationConfig
  readonly scope: Scope
}

/** An exception of the function module is its answer. A fault of the runtime is a breakage, unless the config knows better. */
function faulty(
  name: string,
  { words, message, exception }: Extract<Content, { kind: 'fault' }>,
  { operation, scope }: FaultContext,
): Answer {
  if (exception !== undefined) return { fault: exception }
  const known = words.find((word) => operation.exceptions.includes(word))
  if (known !== undefined) return { fault: { code: known, message: message || known } }
  scope.log.warn('SAP refused a call', { function: name, fault: words.join(': '), message })
  throw failed(`${name} failed in SAP: ${words.join(': ').slice(0, 200)}`)
}
