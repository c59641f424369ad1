// Where Redis is: one server, a master that Sentinels know, or a cluster, from one URL.
import { GatewayError } from '../../api.ts'

export interface Node {
  readonly host: string
  readonly port: number
}

export interface Address {
  readonly kind: 'server' | 'sentinel' | 'cluster'
  /** The server; or the Sentinels; or the cluster's nodes to begin with. */
  readonly nodes: readonly Node[]
  readonly isTls: boolean
  readonly user?: string
  readonly password?: string
  /** What the Sentinels call it. */
  readonly master?: string
  readonly database: number
}

const URL_FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<login>[^@/\s]*)@)?(?<nodes>[^@/?#\s]+)(?<path>\/[^?#\s]*)?$/u
const NODE = /^(?:\[(?<six>[\da-f:.]+)\]|(?<name>[^\s:[\]]+))(?::(?<port>\d{1,5}))?$/iu

/**
 * Reads `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `redis+sentinel://USER:PASSWORD@HOST,HOST/MASTER/DATABASE` and
 * `redis+cluster://USER:PASSWORD@HOST,HOST`; `rediss` instead of `redis` is TLS. What stands in user and password is
 * percent-encoded. Throws `STORE_UNAVAILABLE`, never with the URL itself: it holds a password.
 */
export function addressOf(url: string): Address {
  const { tls, kind, login, nodes, path = '' } = URL_FORM.exec(url)?.groups ?? {}
  if (nodes === undefined) throw invalid('it is not redis://HOST:PORT/DATABASE or another of its forms')
  const shape = kind === 'sentinel' || kind === 'cluster' ? kind : 'server'
  const usual = shape === 'sentinel' ? 26_379 : 6379
  const found = nodes.split(',').map((node) => nodeOf(node, usual))
  if (shape === 'server' && found.length > 1)
    throw invalid('it names several hosts: redis+sentinel:// and redis+cluster:// do')
  const parts = path.split('/').slice(1)
  const master = shape === 'sentinel' ? decoded(parts.shift() ?? '') : undefined
  if (master === '')
    throw invalid('it does not say the master: redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE')
  const [database = ''] = parts
  if (parts.length > 1 || !/^\d{0,5}$/u.test(database)) throw invalid(`"${path}" names no database`)
  if (shape === 'cluster' && Number(database) !== 0) throw invalid('a cluster has one database, 0')
  return {
    kind: shape,
    nodes: found,
    isTls: tls === 's',
    ...loginOf(login),
    ...(master !== undefined && { master }),
    database: Number(database),
  }
}

function nodeOf(text: string, usual: number): Node {
  const { six, name, port } = NODE.exec(text)?.groups ?? {}
  const host = six ?? name
  const number = Number(port ?? usual)
  if (host === undefined || number < 1 || number > 65_535) throw invalid(`"${text}" is not HOST:PORT`)
  return { host, port: number }
}

function loginOf(login: string | undefined): Pick<Address, 'user' | 'password'> {
  if (login === undefined || login === '') return {}
  const at = login.indexOf(':')
  const user = decoded(at === -1 ? login : login.slice(0, at))
  return { ...(user !== '' && { user }), ...(at !== -1 && { password: decoded(login.slice(at + 1)) }) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('a % in it is followed by no two hexadecimal digits: write it as %25')
  }
}

function invalid(why: string): GatewayError {
  return new GatewayError('STORE_UNAVAILABLE', `store.url: ${why}`)
}
