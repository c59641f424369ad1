// Links made by hand: what a client opens, says and closes is seen, and what the gateway says is said by the test.
import type { DownFrame, MsgFrame, UpFrame, WelcomeFrame } from '../../../../../core/api.ts'
import { memoryBox } from '../../../../../core/link/client/box.ts'
import type { Box } from '../../../../../core/link/client/box.ts'
import { Conductor } from '../../../../../core/link/client/conductor.ts'
import { Ledger } from '../../../../../core/link/client/ledger.ts'
import type {
  LinkKind,
  OpenTransport,
  Said,
  StateEvent,
  TransportOptions,
} from '../../../../../core/link/client/types.ts'

export interface FakeLink {
  readonly kind: LinkKind
  readonly up: UpFrame[]
  isClosed: boolean
  readonly numbers: readonly number[]
  /** The gateway says this. */
  say(...frames: readonly DownFrame[]): Promise<void>
  welcome(more?: Partial<WelcomeFrame>): Promise<void>
  /** Everything sent so far is stored. */
  ok(): Promise<void>
  lose(reason?: string): void
  refuse(): void
}

export interface App {
  readonly ledger: Ledger
  readonly said: Said[]
  readonly states: StateEvent[]
  readonly links: FakeLink[]
  conductor: Conductor
  /** The ones of this kind, the oldest first. */
  of(kind: LinkKind): readonly FakeLink[]
  /** `status`, and the kind of link where there is one. */
  status(): string
  send(text: string): Promise<Said>
}

export function welcome(more: Partial<WelcomeFrame> = {}): WelcomeFrame {
  return {
    t: 'welcome',
    epoch: 'e1',
    top: 0,
    recovered: true,
    next: 1,
    refused: [],
    window: { up: 32, down: 64 },
    heartbeat: 25,
    ...more,
  }
}

export function msg(offset: number, text: string, more: Partial<MsgFrame['message']> = {}): MsgFrame {
  return {
    t: 'msg',
    epoch: 'e1',
    offset,
    message: {
      id: `m-${text}`,
      kind: 'message',
      type: 'text',
      channel: 'web',
      conversation: 'link:ann',
      direction: 'outbound',
      sequence: offset,
      receivedAt: '2026-01-01T00:00:00.000Z',
      correlationId: 'c',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      sender: { id: 'bot', role: 'bot' },
      parts: [{ kind: 'text', text }],
      ...more,
    },
  }
}

export async function openLedger(
  box: Box = memoryBox(),
  history = 1000,
): Promise<{ ledger: Ledger; said: Said[]; states: StateEvent[] }> {
  const said: Said[] = []
  const states: StateEvent[] = []
  const ledger = await Ledger.open({
    box,
    history,
    events: {
      onSaid: (one) => said.push(one),
      onState: (event) => states.push(event),
      onFailure: (error) => states.push({ what: 'link', status: 'failed', reason: String(error) }),
    },
  })
  return { ledger, said, states }
}

/** An app without a gateway; time is the test's own (`vi.useFakeTimers`). */
export async function openApp(
  links: readonly LinkKind[] = ['websocket', 'mqtt', 'http'],
  more: {
    readonly token?: () => Promise<string>
    readonly open?: Partial<Readonly<Record<LinkKind, OpenTransport>>>
    readonly box?: Box
  } = {},
): Promise<App> {
  const { ledger, said, states } = await openLedger(more.box)
  const opened: FakeLink[] = []
  const open =
    (kind: LinkKind): OpenTransport =>
    (options) => {
      const { link, transport } = fakeLink(kind, options, ledger)
      opened.push(link)
      return transport
    }
  const way = (kind: LinkKind) => ({ address: `${kind}://gateway`, open: more.open?.[kind] ?? open(kind) })
  const conductor = new Conductor({
    ledger,
    links: () => links,
    transports: { websocket: way('websocket'), mqtt: way('mqtt'), http: way('http') },
    token: more.token ?? (async () => 'ann'),
    async onMessages(messages) {
      for (const message of messages) if (!ledger.take(message)) return false
      await ledger.durable()
      return true
    },
    onReset: ({ epoch, top, oldest }) => ledger.moveTo(epoch, top, oldest),
    onState: (event) => states.push(event),
  })
  return {
    ledger,
    said,
    states,
    links: opened,
    conductor,
    of: (kind) => opened.filter((link) => link.kind === kind),
    status() {
      const last = states.findLast((event) => event.what === 'link')
      return [last?.status ?? 'connecting', last?.link].filter((word) => word !== undefined).join(' ')
    },
    async send(text) {
      const one = await ledger.enqueue({ text })
      conductor.pump()
      return one
    },
  }
}

function fakeLink(kind: LinkKind, options: TransportOptions, ledger: Ledger) {
  const up: UpFrame[] = [options.hello()]
  const link: FakeLink = {
    kind,
    up,
    isClosed: false,
    get numbers() {
      return up.filter((frame) => frame.t === 'send').map(({ n }) => n)
    },
    say: (...frames) => options.onFrames(frames),
    welcome: (more) => options.onFrames([welcome({ next: ledger.first, ...more })]),
    async ok() {
      const sent = up.filter((frame) => frame.t === 'send')
      await options.onFrames(
        sent.map(({ n, id }) => ({ t: 'ok', n, id, messageId: `g-${n}`, sequence: n, duplicate: false })),
      )
    },
    lose: (reason = 'cut') => options.onGone({ reason }),
    refuse: () => options.onGone({ reason: 'answered with 401', isRefused: true }),
  }
  return {
    link,
    transport: {
      send: (frames: readonly UpFrame[]) => void up.push(...frames),
      close: () => {
        link.isClosed = true
      },
    },
  }
}
