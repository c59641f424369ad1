// The SOAP backend: operations of a WSDL, called with our own codec over the guarded fetch.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Scope } from 'dragoman'
import { Description } from '../data/description.ts'
import { requestAddressing } from './addressing.ts'
import { blockCodec, type BlockCodec } from './blocks.ts'
import type { BackendConfig } from './config.ts'
import { loadDocuments } from './documents.ts'
import { makeEnvelope, packEnvelope } from './envelope.ts'
import { faultContext, type FaultContext } from './details.ts'
import { metadataToHeaders, withTrace } from './headers.ts'
import { messageCodec, type MessageCodec } from './messages.ts'
import { versions, type Version } from './names.ts'
import { readAnswer } from './answer.ts'
import { backendGuard, type Guard } from './security.ts'
import { lackOfInput, readWsdl, refuseStrangers, type Wsdl, type WsdlOperation } from './wsdl.ts'

/** An operation with its codecs, on the port that is called. */
export interface CalledOperation {
  readonly operation: WsdlOperation
  readonly version: Version
  readonly input: MessageCodec
  readonly output: MessageCodec | undefined
  /** Blocks the binding declares, inwards (of the answer) and outwards. */
  readonly headersIn: readonly BlockCodec[]
  readonly headersOut: readonly BlockCodec[]
  readonly faults: FaultContext
}

/** Makes a SOAP backend. A WSDL from a file must be readable at the start; one from a URL may come later, with its system. */
export function createBackend(config: BackendConfig, scope: Scope): Backend {
  let operations: Backend['operations'] = { '*': { safe: false, readsMessage: false } }
  let named: readonly string[] = []
  const description = new Description<Loaded>({
    what: `backend "${scope.id}": its WSDL`,
    scope,
    async read(fetch) {
      const loaded = await load(config, scope, fetch)
      refuseStrangers(loaded.wsdl, named, (problem) => scope.log.warn(`backend "${scope.id}": ${problem}`))
      operations = Object.fromEntries(
        [...loaded.calls.keys()].map((name) => [name, { safe: false, readsMessage: false }]),
      )
      return loaded
    },
  })
  const { security } = config
  let guarding: Promise<Guard> | undefined
  const guard = async (): Promise<Guard | undefined> =>
    security === undefined ? undefined : (guarding ??= backendGuard(security, scope))
  return {
    get operations() {
      return operations
    },
    async start(signal, asked = []) {
      named = asked
      await guard()
      await description.begin(signal)
    },
    async call(call, signal) {
      const { wsdl, calls } = description.value ?? (await description.forCall(signal))
      const ambiguous = wsdl.ambiguous.get(call.operation)
      if (ambiguous !== undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has several operations "${call.operation}" in its WSDL`,
          { cause: new GatewayError('NO_ROUTE', ambiguous) },
        )
      const called = calls.get(call.operation)
      if (called === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          wsdl.names.has(call.operation)
            ? `backend "${scope.id}" cannot be asked for operation "${call.operation}" as its WSDL binds it`
            : `backend "${scope.id}" has no operation "${call.operation}" in its WSDL`,
        )
      return send({ config, scope, wsdl, called, guard: await guard() }, call, signal)
    },
    async probe(signal) {
      const { wsdl } = await description.load(signal)
      const address = config.endpoint ?? wsdl.operations[0]?.port.location ?? ''
      const answer = await scope.fetch(address, { method: 'GET', signal })
      if (answer.status >= 502)
        throw new GatewayError('BACKEND_FAILED', `${address} answers ${answer.status}`)
    },
    async [Symbol.asyncDispose]() {
      description.end()
    },
  }
}

interface Loaded {
  readonly wsdl: Wsdl
  readonly calls: ReadonlyMap<string, CalledOperation>
}

async function load(config: BackendConfig, scope: Scope, fetch: Scope['fetch']): Promise<Loaded> {
  const { wsdl: location, imports, service, port, version } = config
  const wsdl = readWsdl(await loadDocuments(location, { fetch, imports }), {
    ...(service === undefined ? {} : { service }),
    ...(port === undefined ? {} : { port }),
  })
  const lacks = wsdl.operations.flatMap((operation) => lackOfInput(operation) ?? [])
  for (const why of new Set([...wsdl.left, ...lacks])) scope.log.warn(`backend "${scope.id}": ${why}`)
  return { wsdl, calls: calledOperations(wsdl, version) }
}

/**
 * One port per operation: the first that speaks the wanted version, else the first (both versions are one port type). Left
 * out is one whose input has a part that we cannot send: without it another thing would be asked for.
 */
function calledOperations(wsdl: Wsdl, wanted: Version | undefined): Map<string, CalledOperation> {
  const calls = new Map<string, CalledOperation>()
  for (const operation of wsdl.operations) {
    if (lackOfInput(operation) !== undefined) continue
    const known = calls.get(operation.name)
    if (known !== undefined && (known.operation.port.version === wanted || operation.port.version !== wanted))
      continue
    calls.set(operation.name, calledOperation(wsdl, operation, wanted ?? operation.port.version))
  }
  return calls
}

function calledOperation({ schemas }: Wsdl, operation: WsdlOperation, version: Version): CalledOperation {
  const { input, output } = operation
  return {
    operation,
    version,
    input: messageCodec(schemas, operation, input),
    output: output === undefined ? undefined : messageCodec(schemas, operation, output),
    headersIn: output?.headers.map((part) => blockCodec(schemas, part, version)) ?? [],
    headersOut: input.headers.map((part) => blockCodec(schemas, part, version)),
    faults: faultContext(schemas, operation, version),
  }
}

/** What a call is made with. */
export interface Caller {
  readonly config: BackendConfig
  readonly scope: Scope
  readonly wsdl: Wsdl
  readonly called: CalledOperation
  readonly guard: Guard | undefined
}

function addressOf({ config, called }: Caller): string {
  return config.endpoint ?? called.operation.port.location
}

/** Throws `DECODE_FAILED`: what schema and XML cannot carry is the caller's mistake, and nothing has gone out. */
function request(caller: Caller, call: BackendCall) {
  try {
    return packed(caller, call)
  } catch (error) {
    const { code, message } = GatewayError.from(error)
    if (code !== 'ENCODE_FAILED') throw error
    throw new GatewayError('DECODE_FAILED', message, { cause: error, notExecuted: true })
  }
}

function packed(caller: Caller, call: BackendCall) {
  const { config, scope, wsdl, called, guard } = caller
  const { operation, version, input, headersOut } = called
  const body = input.encode(call.params ?? {}, version, {
    dropped: (path) =>
      scope.log.warn(`${path} is not in the schema of backend "${scope.id}" and is left out`),
  })
  const { metadata, traceparent } = call.message
  const headers = [
    ...(config.addressing
      ? requestAddressing(operation.input.action, addressOf(caller), `urn:uuid:${call.key}`)
      : []),
    ...metadataToHeaders(withTrace(metadata, traceparent, headersOut), {
      // headers of other systems may hold secrets: only what this binding declares goes out
      declared: headersOut,
      schemas: wsdl.schemas,
      dropped: (name) =>
        scope.log.debug(`header "${name}" is not one of "${call.operation}" and is not sent`),
    }),
  ]
  const envelope = makeEnvelope({
    version,
    headers,
    encoded: input.encoded,
    ...(body === undefined ? {} : { body }),
  })
  const attach = config.mtom && body !== undefined ? input.attachable(body) : undefined
  return packEnvelope(envelope, {
    version,
    sealer: guard,
    action: operation.soapAction === '' ? undefined : operation.soapAction,
    attach: attach?.size === 0 ? undefined : attach,
  })
}

async function send(caller: Caller, call: BackendCall, signal: AbortSignal): Promise<Answer> {
  const { scope, called } = caller
  const { operation, version } = called
  const { bytes, contentType } = request(caller, call)
  const address = addressOf(caller)
  const answer = await scope
    .fetch(address, {
      method: 'POST',
      headers: {
        ...requestHeaders(operation, version),
        traceparent: call.message.traceparent,
        'content-type': contentType,
      },
      body: Buffer.from(bytes),
      signal,
      redirect: 'manual', // it would take the password along, or, as a GET, end a one-way call that reached nobody
    })
    .catch((error: unknown) => {
      throw explained(error, address)
    })
  if (answer.status >= 300 && answer.status < 400) throw redirected(caller, answer, address)
  return readAnswer(caller, answer)
}

/** The cause, for the log alone, says where to: without the query, which may hold a session or a token. */
function redirected({ scope, called }: Caller, { status, headers }: Response, address: string): GatewayError {
  const target = URL.parse(headers.get('location') ?? '', address)
  const where =
    headers.has('location') && target !== null ? `to ${target.origin}${target.pathname}` : 'nowhere'
  const what = `backend "${scope.id}", operation "${called.operation.name}"`
  return new GatewayError('BACKEND_FAILED', `${what} answered ${status}, a redirect`, {
    cause: new GatewayError(
      'BACKEND_FAILED',
      `it leads ${where}: write the address that is meant as endpoint`,
    ),
    detail: { status },
  })
}

/** The guard's refusal of an address that stands in no config: the operator's to mend, not the caller's. */
function explained(error: unknown, address: string): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'FORBIDDEN') return error
  return new GatewayError('BACKEND_FAILED', 'the address in the WSDL is not a public one', {
    cause: new GatewayError('BACKEND_FAILED', `${address} stands only in the WSDL: write it as endpoint`, {
      cause: error,
    }),
    notExecuted: error.notExecuted,
  })
}

/** SOAP 1.1: a quoted SOAPAction, `""` if there is none (WS-I BP 1.1 R2744, R2745). 1.2 has the `action` parameter (Part 2 §6.5). */
function requestHeaders({ soapAction }: WsdlOperation, version: Version): Record<string, string> {
  const accept = `${versions[version].mediaType}, multipart/related;q=0.5`
  return version === '1.1' ? { accept, soapaction: `"${soapAction}"` } : { accept }
}
