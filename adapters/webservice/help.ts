// The help page at the path, as ASP.NET web services have it: the operations, and one of them with ways to ask it.
import type { HttpResponse } from 'dragoman'
import type { TypeDecl } from '../xml/schema.ts'
import type { Described } from './contract.ts'
import { offered } from './perform.ts'
import type { Service } from './perform.ts'
import { samplesOf } from './samples.ts'

/** The page: of all operations, or of the one `op` names. */
export function helpPage(service: Service, origin: string, query: string): HttpResponse {
  const address = `${origin}${service.config.path.replace(/\/$/, '')}`
  const asked = new URLSearchParams(query).get('op')
  const names = offered(service)
  if (asked === null) return page(service, 200, overview(service, names))
  if (names?.has(asked) !== true)
    return page(service, 404, `<p>There is no operation <b>${escaped(asked)}</b> here.</p>`)
  return page(service, 200, operationPart(service, asked, address))
}

function overview({ config }: Service, names: ReadonlySet<string> | undefined): string {
  if (names === undefined) return '<p>Any operation is taken: its name is not known before it is asked.</p>'
  const items = [...names].map((name) => {
    const help = Object.hasOwn(config.help, name) ? `<p>${escaped(config.help[name] ?? '')}</p>` : ''
    return `<li><a href="?op=${encodeURIComponent(name)}">${escaped(name)}</a>${help}</li>`
  })
  return `<p>The following operations are supported.</p>\n<ul>\n${items.join('\n')}\n</ul>`
}

function operationPart(service: Service, name: string, address: string): string {
  const { config, contract } = service
  const help = Object.hasOwn(config.help, name) ? `<p>${escaped(config.help[name] ?? '')}</p>` : ''
  const samples = samplesOf(service, name, address).map(
    ({ dialect, command }) => `<h3>${dialect}</h3>\n<pre>${escaped(command)}</pre>`,
  )
  const described = contract.describe(name)
  return [
    '<p><a href="?">All operations</a></p>',
    `<h2>${escaped(name)}</h2>`,
    help,
    described === undefined ? '' : parameterTable(described),
    described?.parameters === undefined ? '' : testForm(service, name, address),
    ...samples,
  ].join('\n')
}

function parameterTable({ parameters, result }: Described): string {
  const rows = (parameters ?? []).map(
    ({ name, decl, items }) =>
      `<tr><td>${escaped(name)}</td><td>${items === undefined ? '' : 'list of '}${typeName((items?.decl ?? decl).type)}</td></tr>`,
  )
  const table =
    rows.length === 0 ? '' : `<table><tr><th>Parameter</th><th>Type</th></tr>${rows.join('')}</table>`
  return `${table}<p>Result: ${result === undefined ? 'none' : typeName(result.type)}</p>`
}

function typeName(type: TypeDecl): string {
  return escaped(type.name?.local ?? (type.kind === 'simple' ? type.builtin : 'structure'))
}

function testForm({ config, contract }: Service, name: string, address: string): string {
  const inputs = (contract.describe(name)?.parameters ?? []).map(
    (parameter) => `<label>${escaped(parameter.name)} <input name="${escaped(parameter.name)}"></label><br>`,
  )
  const target = `${new URL(address).pathname}/${encodeURIComponent(name)}`
  const method = config.get ? 'get' : 'post'
  return `<form method="${method}" action="${escaped(target)}" accept-charset="${config.charset}">${inputs.join('')}<button>Invoke</button></form>`
}

function page({ config }: Service, status: number, content: string): HttpResponse {
  const title = escaped(
    config.title ?? config.path.split('/').findLast((step) => step !== '') ?? 'Web Service',
  )
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'private, max-age=0',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
      'x-content-type-options': 'nosniff',
    },
    body: `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>${title} Web Service</title><style>
body { font-family: Verdana, Arial, sans-serif; font-size: 0.85em; margin: 2em }
pre { background: #f4f4e8; padding: 0.6em; white-space: pre-wrap; overflow-wrap: anywhere }
td, th { text-align: left; padding: 0.1em 1em 0.1em 0 }
</style></head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`,
  }
}

function escaped(text: string): string {
  const references: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (character) => references[character] ?? character)
}
