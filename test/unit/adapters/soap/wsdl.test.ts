// Which services and ports of a WSDL are meant.
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { loadDocuments } from '../../../../adapters/soap/documents.ts'
import { readWsdl } from '../../../../adapters/soap/wsdl.ts'

const crm = resolve(import.meta.dirname, '../../../../config/crm.wsdl')
const documents = await loadDocuments(crm, { fetch, imports: [] })

test.each([
  [{ service: 'Nope' }, 'service', 'has no service "Nope": there is CrmService'],
  [{ service: 'CrmServce', port: 'CrmSoap11' }, 'service', 'has no service "CrmServce": there is CrmService'],
  [{ port: 'Crm' }, 'port', 'has no SOAP port named "Crm": there is CrmSoap11, CrmSoap12'],
  [
    { service: 'CrmService', port: 'Crm' },
    'port',
    'has no SOAP port named "Crm" in the service "CrmService": there is CrmSoap11, CrmSoap12',
  ],
])('%o is refused at the key that names what is not there, with what there is', (options, key, message) => {
  expect(() => readWsdl(documents, options)).toThrow(
    expect.objectContaining({
      code: 'DECODE_FAILED',
      message: `${JSON.stringify(crm)} ${message}`,
      detail: { at: [key] },
    }),
  )
})
