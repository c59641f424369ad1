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
      const filled = segments.map((pieces) => {
        const texts = pieces.map((piece, index) =>
          index % 2 === 0 ? piece : piece === 'operation' ? operation : parameter(piece, params),
        )
        const whole = texts.join('')
        if (texts.length > 1 && (whole === '.' || whole === '..'))
          throw refusal(
            `parameter "${pieces[1]}" is ${JSON.stringify(whole)}, which would leave its place in the path`,
          )
        return texts
          .map((text, index) => (index % 2 === 0 ? text : encoded(pieces[index] ?? '', text)))
          .join('')
      })
      return `${prefix}${filled.join('/')}`
    },
  }
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
