// Which port a channel got: for the ready line, where the config says 0.

const ports = new Map<string, number[]>()

/** A channel listens. Returns what takes it back. */
export function portOpened(channel: string, port: number): () => void {
  const open = ports.get(channel) ?? []
  ports.set(channel, open)
  open.push(port)
  return () => {
    open.splice(open.indexOf(port), 1)
    if (open.length === 0 && ports.get(channel) === open) ports.delete(channel)
  }
}

/** The port of that MQTT channel in this process, the newest one; undefined if it does not listen. */
export function portOf(channel: string): number | undefined {
  return ports.get(channel)?.at(-1)
}
