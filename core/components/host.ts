// What a channel is handed: the pipeline, the log, its paths and its operations, all under its own name.
import { GatewayError } from '../api.ts'
import type { Accepted, AcceptOptions, ChannelHost, Draft } from '../api.ts'
import type { Broadcast } from './broadcast.ts'
import type { ChannelParts } from './components.ts'
import { createLogReader } from './conversation-log.ts'
import type { Admission } from '../guard/admission.ts'
import type { IdentityCheck } from '../http/identity.ts'
import type { Links } from '../link/links.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Store } from '../store/store.ts'

export interface HostOptions {
  readonly pipeline: Pipeline
  readonly admission: Admission
  readonly store: Store
  readonly links: Links
  /** Nobody is identified: every program may read everything. */
  readonly open: boolean
  /** The gateway stops. */
  readonly stopping: AbortSignal
  readonly identify: IdentityCheck['forCredential']
  /** The channel serves something new. Throws, with nothing changed, what keeps it from being served while it runs. */
  readonly remount: () => void
  /** Tells the other instances; undefined: there can be none. */
  readonly broadcast: Broadcast | undefined
}

export function createHost(parts: ChannelParts, options: HostOptions): ChannelHost {
  const { settings, operations, mounts, sockets, places, ears, endings } = parts
  const { pipeline, admission, store, links, open, stopping } = options
  const origin = {
    id: settings.id,
    adapter: settings.adapter,
    // What is usual is not said of each message.
    priority: settings.priority === 'normal' ? undefined : settings.priority,
    get pushes() {
      return parts.pushes && !parts.refusable
    },
  }
  endings.push(() => links.sendAway(origin))
  return {
    operations: operations.list,
    // What came by HTTP has passed the edge's door.
    accept: (draft, acceptOptions) =>
      mounts.length === 0
        ? acceptInTurn(draft, acceptOptions)
        : pipeline.accept(origin, draft, acceptOptions),
    draft: (operation, body, base) => operations.draft(operation, body, base),
    arrived: (key) => pipeline.absent.arrived(key),
    async tell(said) {
      options.broadcast?.tell(settings.id, said)
      return options.broadcast !== undefined
    },
    onTold: (handler) => void ears.push(handler),
    handed: (id, how) => pipeline.returnRight.handed(id, how),
    log: createLogReader({ store, channel: settings.id, open, stopping }),
    link: (who, send, linkOptions) => links.open(origin, who, { ...linkOptions, send }),
    linkedAt: (place) => void places.push(place),
    identify(credential, from) {
      if (from === undefined) return options.identify(credential, settings.id)
      const { remote, headers } = typeof from === 'string' ? { remote: from, headers: {} } : from
      return options.identify(credential, settings.id, { access: settings.access, remote, headers })
    },
    serve(path, handler, { signed = false, identifiesLater = false, refused } = {}) {
      checkPath(path)
      mountAt(mounts, { path, handler, signed, identifiesLater, ...(refused !== undefined && { refused }) })
    },
    socket(path, handler, socketOptions = {}) {
      checkPath(path)
      mountAt(sockets, { path, handler, options: socketOptions, open: new Set() })
    },
  }

  /** Here waiting is the refusal: what is not accepted is not acknowledged. */
  async function acceptInTurn(draft: Draft, acceptOptions: AcceptOptions | undefined): Promise<Accepted> {
    const priority = draft.priority ?? settings.priority ?? 'normal'
    await admission.enter({ priority, sheds: !parts.pushes, signal: acceptOptions?.signal })
    return pipeline.accept(origin, draft, acceptOptions)
  }

  /** What cannot be served does not stay: every later generation would be refused for its sake. */
  function mountAt<T>(all: T[], one: T): void {
    all.push(one)
    try {
      options.remount()
    } catch (error) {
      all.splice(all.indexOf(one), 1)
      throw error
    }
  }

  function checkPath(path: string): void {
    if (!path.startsWith('/'))
      throw new GatewayError('INTERNAL', `channel "${settings.id}": the path "${path}" does not begin with /`)
  }
}
