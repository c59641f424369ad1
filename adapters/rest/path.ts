// A path template: parameters become segments and nothing else.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'

export interface PathTemplate {
  /** The parameters it uses up. */
  readonly names: ReadonlySet<string>
  /** The address. Throws `DECODE_FAILED` where a parameter is missing or would leave its segment. */
  readonly render: (operation: string, params: Readonly<Record<string, Json>>) => string
}

/**
 * Compiles `/orders/{orderNo}` below a base address. Values are percent-encoded; one that is empty, or makes its segment `.` or
 * `..` (which every URL parser resolves, encoded or not: WHATWG URL §4.4), is refused: no value reaches another path or host.
 */
export function compilePath(base: string, template: string): PathTemplate {
  const prefix = base.replace(/\/+$/, '')
  const segments = template.split('/').map((segment) => segment.split(/\{([^{}]+)\}/))
  const names = new Set(segments.flatMap((pieces) => pieces.filter((_, index) => index % 2 === 1)))
  names.delete('operation') // the operation's own name, not a parameter
  return {
    names,
    render: (operation, params) => {
      let address = prefix
      // The template begins with a slash: before it is nothing.
      for (let index = 1; index < segments.length; index += 1)
        address += `/${filled(segments[index] ?? [], operation, params)}`
      return address
    },
  }
}

/** One segment: its odd pieces are the names of parameters. */
function filled(
  pieces: readonly string[],
  operation: string,
  params: Readonly<Record<string, Json>>,
): string {
  const [only = ''] = pieces
  if (pieces.length <= 1) return only
  let whole = ''
  let text = ''
  for (const [index, piece] of pieces.entries()) {
    const isName = index % 2 === 1
    const value = !isName ? piece : piece === 'operation' ? operation : parameter(piece, params)
    whole += value
    text += isName ? encoded(piece, value) : value
  }
  if (whole === '.' || whole === '..')
    throw refusal(
      `parameter "${pieces[1]}" is ${JSON.stringify(whole)}, which would leave its place in the path`,
    )
  return text
}

function parameter(name: string, params: Readonly<Record<string, Json>>): string {
  const value = Object.hasOwn(params, name) ? params[name] : undefined
  if (value === undefined || value === null) throw refusal(`parameter "${name}" is missing`)
  if (typeof value === 'object') throw refusal(`parameter "${name}" is not a single value`)
  if (value === '') throw refusal(`parameter "${name}" is empty`)
  return String(value)
}

function encoded(name: string, text: string): string {
  if (!text.isWellFormed()) throw refusal(`parameter "${name}" holds half a surrogate pair`)
  return encodeURIComponent(text)
}

function refusal(message: string): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { notExecuted: true })
}
