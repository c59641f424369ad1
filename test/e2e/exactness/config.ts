// A gateway with one channel for each pair of protocols, so that the channel's name says where its requests go.
import { join } from 'node:path'
import { protocols } from './protocols.ts'

const WSDL = join(import.meta.dirname, 'echo.wsdl')
const LISTS = ['EchoText', 'EchoTextResponse'].flatMap((root) => [`${root}/doc/item`, `${root}/doc/item/tag`])

/** `typed`: plain XML by the schema; otherwise nobody tells the webservice adapter a type, only what is a list. */
export function gatewayYaml(base: string, typed: boolean): string {
  const schema = typed ? `schema: ${WSDL}` : `namespace: "urn:example:echo", lists: ${JSON.stringify(LISTS)}`
  const channels = {
    rest: 'adapter: rest',
    soap: `adapter: soap, wsdl: ${WSDL}`,
    webservice: `adapter: webservice, ${schema}`,
    xmlrpc: 'adapter: webservice',
  }
  const backends = {
    rest: `adapter: rest, url: "${base}/rest"`,
    soap: `adapter: soap, wsdl: ${WSDL}, endpoint: "${base}/soap"`,
    webservice: `adapter: webservice, dialect: pox, url: "${base}/webservice", ${schema}`,
    xmlrpc: `adapter: webservice, dialect: xmlrpc, url: "${base}/xmlrpc"`,
  }
  const pairs = protocols.flatMap(({ name: from }) => protocols.map(({ name: to }) => [from, to] as const))
  return [
    'http: { port: 0 }',
    'plugins: ./plugins',
    'channels:',
    ...pairs.map(([from, to]) => `  ${from}-${to}: { path: ${pathOf(from, to)}, ${own(channels, from)} }`),
    'backends:',
    ...protocols.map(({ name }) => `  ${name}: { ${own(backends, name)} }`),
    'routes:',
    ...pairs.map(([from, to]) => `  - { when: "channel = '${from}-${to}'", backend: ${to} }`),
    '',
  ].join('\n')
}

export function pathOf(from: string, to: string): string {
  return `/${from}/${to}`
}

function own(table: Readonly<Record<string, string>>, name: string): string {
  return table[name] ?? ''
}
