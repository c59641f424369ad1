/** Whether the gateway itself refuses (DESIGN §16, RFC 9457), and nobody on the way to it: a proxy, or the login page of a network. */
export function isProblem({ headers }: Response): boolean {
  return (headers.get('content-type') ?? '').startsWith('application/problem+json')
}
