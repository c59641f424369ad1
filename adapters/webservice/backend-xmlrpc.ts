// How a business system is asked by XML-RPC.
import { charsetLabel } from '../xml/charset.ts'
import { readXml } from '../xml/read.ts'
import { writeXml } from '../xml/write.ts'
import type { BackendConfig } from './config.ts'
import type { Dialect, Outbound } from './dialect.ts'
import { charsetOf, mediaType } from './http.ts'
import { callElement, readResponse, writeParameters } from './xmlrpc-messages.ts'
import { firstOf, typesByName, typesByPointer, typesMetadata, typesOf } from './xmlrpc-types.ts'
import type { ScalarType } from './xmlrpc-types.ts'
import { readValue } from './xmlrpc-read.ts'

/** A fault is the business system's no: an answer. */
export function xmlRpcDialect({ charset, types }: BackendConfig): Dialect {
  return {
    request({ operation, params, message }, { parameters }): Outbound {
      // What came by XML-RPC goes on as the types it came as, where a route has not changed it.
      const typeOf = firstOf(
        typesByPointer(typesOf(message.metadata), message.data),
        typesByName(operation, types),
      )
      const document = callElement(operation, writeParameters(params, parameters, typeOf))
      return {
        method: 'POST',
        contentType: `text/xml; charset=${charsetLabel(charset)}`,
        body: writeXml(document, { charset }),
      }
    },
    answer(response, bytes) {
      if (!response.ok) return undefined
      const { charset: stated } = mediaType(response.headers.get('content-type'))
      const { root } = readXml(bytes, {
        charset: charsetOf(bytes, stated, charset),
        joinSurrogateReferences: true,
        processingInstructions: 'ignore',
      })
      const answer = readResponse(root)
      if ('fault' in answer) {
        const { faultCode, faultString } = answer.fault
        const code = String(faultCode).trim() || '0'
        return { fault: { code, message: faultString.trim() === '' ? code : faultString } }
      }
      if (answer.value === undefined) return {}
      const noted = new Map<string, ScalarType>()
      const data = readValue(answer.value, noted)
      const metadata = typesMetadata(noted)
      return { data, ...(noted.size > 0 && { metadata }) }
    },
  }
}
