// The hosts a component's config names: those it may reach wherever they are.

/** Every `host:port` of an http(s) URL found in a config, however deep. Urls with a `{parameter}` in the host count for none. */
export function hostsOf(config: unknown): readonly string[] {
  const hosts = new Set<string>()
  collect(config, hosts, 0)
  return [...hosts]
}

const MAX_DEPTH = 16

function collect(value: unknown, hosts: Set<string>, depth: number): void {
  if (depth > MAX_DEPTH) return
  if (typeof value === 'string') {
    if (!/^https?:\/\//iu.test(value) || !URL.canParse(value)) return
    const { host, hostname, port, protocol } = new URL(value)
    if (!/^[\w.:[\]-]+$/u.test(host)) return
    hosts.add(`${hostname}:${port === '' ? (protocol === 'https:' ? '443' : '80') : port}`)
    return
  }
  if (typeof value === 'object' && value !== null)
    for (const member of Object.values(value)) collect(member, hosts, depth + 1)
}
