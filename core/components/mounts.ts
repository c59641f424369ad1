// What the edge serves for the channels of a generation.
import type { LinkPlace } from '../api.ts'
import type { RunningChannel } from './components.ts'
import type { Mount, SocketMount } from '../http/edge.ts'
import { REQUEST_BYTES } from '../link/figures.ts'
import type { ReturnRight } from '../return/return-right.ts'

/** Whichever channel it describes, it is the operators' (DESIGN §16). */
const OPENAPI_PATH = '/openapi.json'

/** The return right hears what became of an answer that carried a reply (SEMANTICS 5). */
export function channelMounts(
  channels: Iterable<RunningChannel>,
  { handed: onCarried, owes }: Pick<ReturnRight, 'handed' | 'owes'>,
): { readonly mounts: readonly Mount[]; readonly sockets: readonly SocketMount[] } {
  const all = [...channels].map((channel) => ({
    channel,
    door: {
      channel: channel.id,
      admission: channel.admission,
      ...(channel.access !== undefined && { access: channel.access }),
    },
  }))
  return {
    mounts: all.flatMap(({ channel: { mounts, places, bodyLimitBytes, answering }, door }) =>
      mounts.map(({ path, handler, signed, identifiesLater, refused }) => ({
        path,
        handler: (request, gone) => answering.during(() => handler(request, gone)),
        ...(identifiesLater === true && { access: 'later' as const }),
        ...(signed === true && { access: 'handler' as const }),
        ...door,
        ...(path === OPENAPI_PATH && { access: 'operator' as const }),
        onCarried,
        owes,
        ...(refused !== undefined && { refused }),
        ...(bodyLimitBytes !== undefined && { bodyLimitBytes }),
        leastBodyBytes: (at: string) => (isLink(places, at) ? REQUEST_BYTES : 0),
      })),
    ),
    sockets: all.flatMap(({ channel, door }) => channel.sockets.map((socket) => ({ ...socket, ...door }))),
  }
}

/** One frame has the same limit on every link (DESIGN §16). */
function isLink(places: readonly LinkPlace[], path: string): boolean {
  return places.some(({ protocol, up }) => protocol === 'http' && up === path)
}
