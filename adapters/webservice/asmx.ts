// ASP.NET web services by HTTP GET and HTTP POST: form fields in, a typed document out.
import type { HttpResponse, Json } from 'dragoman'
import { charsetLabel } from '../xml/charset.ts'
import { XSD_NS, XSI_NS } from '../xml/names.ts'
import type { XmlElement } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import { asmxError, asmxFault, AsmxProblem } from './asmx-errors.ts'
import { checkHarmless, describedParameters, plainParameters } from './asmx-form.ts'
import { describedResult, plainResult } from './asmx-results.ts'
import { formText, readForm } from './form.ts'
import type { Field } from './form.ts'
import { freshness } from './http.ts'
import { isOffered, perform } from './perform.ts'
import type { Call, Outcome, Service } from './perform.ts'
import { marked } from './pox.ts'

export interface AsmxCall extends Call {
  /** The path's segment below the channel's path. */
  readonly operation: string
}

/** Answers one call. Never throws: what goes wrong is told as the original tells it. */
export async function answerAsmx(service: Service, call: AsmxCall): Promise<HttpResponse> {
  const { operation, charset } = call
  try {
    const data = parametersOf(service, call)
    const outcome = await perform(service, call, { operation, data })
    const { fault, accepted } = outcome
    if (fault !== undefined) return { ...asmxFault(fault, charset), carries: accepted.id }
    return resultResponse(service, call, outcome)
  } catch (error) {
    const response = asmxError(error, charset)
    if (!(error instanceof AsmxProblem)) service.scope.log.debug('a call was refused', { operation, error })
    return response
  }
}

function parametersOf(service: Service, { request, operation, charset }: AsmxCall): Json {
  const { config, contract } = service
  const described = contract.describe(operation)
  // An operation with more than simple parameters has no GET and no form POST.
  if (!isOffered(service, operation) || (described !== undefined && described.parameters === undefined))
    throw new AsmxProblem(
      'System.InvalidOperationException',
      `${operation} Web Service method name is not valid.`,
    )
  const isForm = request.method === 'POST'
  const fields: Field[] = readForm(isForm ? formText(request.body) : request.query, charset)
  if (config.requestValidation) checkHarmless(fields, isForm ? 'Form' : 'QueryString')
  return described?.parameters === undefined
    ? plainParameters(operation, fields, config)
    : describedParameters(fields, described.parameters)
}

const cacheControl = { 'cache-control': 'private, max-age=0' }

function resultResponse(service: Service, call: AsmxCall, outcome: Outcome): HttpResponse {
  const { charset } = call
  const { accepted } = outcome
  const carries = accepted.reply === undefined ? {} : { carries: accepted.id }
  const root = resultElement(service, call, outcome)
  if (root === undefined) return { status: 200, headers: cacheControl, ...carries }
  const isSimple = root.children.every((child) => typeof child === 'string') && root.attributes.length === 0
  return {
    status: 200,
    headers: {
      'content-type': `text/xml; charset=${charsetLabel(charset)}`,
      ...cacheControl,
      ...freshness(accepted, service.scope.now()),
    },
    body: writeXml(marked(root, accepted.reply), {
      charset,
      prefixes: new Map([[root.uri, '']]),
      // The original declares both wherever a type is not one of XSD's own.
      ...(!isSimple && {
        extraNamespaces: new Map([
          ['xsd', XSD_NS],
          ['xsi', XSI_NS],
        ]),
      }),
    }),
    ...carries,
  }
}

/** Undefined: the operation has no result. */
function resultElement(
  { contract, config, scope }: Service,
  { operation }: AsmxCall,
  { value, isAcknowledgement }: Outcome,
): XmlElement | undefined {
  const described = contract.describe(operation)
  if (value === undefined || (described !== undefined && described.result === undefined)) return undefined
  const namespace = contract.namespace ?? ''
  if (described?.result === undefined) return plainResult(value, { operation, namespace }, config)
  return describedResult(value, described.result, {
    namespace,
    lenient: isAcknowledgement,
    dropped: (path) => scope.log.debug('left out of an answer: the schema does not have it', { path }),
  })
}
