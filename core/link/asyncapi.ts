// The AsyncAPI 3.0 document: the frames, made of the schemas that read them, and where they are spoken.
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { HttpRequest, HttpResponse, LinkPlace } from '../api.ts'
import type { Mount } from '../http/edge.ts'
import { FRAMES_AT_ONCE, FRAME_BYTES } from './figures.ts'
import { LIMITS } from '../plugins/thread.ts'
import { DOWN, UP, published } from './frames.ts'

type Document = Readonly<Record<string, unknown>>

interface Described {
  readonly places: readonly PlaceInUse[]
  /** The longest body or answer that the config lets in. */
  readonly largestBytes: number
}

export interface PlaceInUse extends LinkPlace {
  readonly channel: string
}

/** Serves it without a token on loopback (DESIGN §16). `largestBytes`: as of `asyncApi`. */
export function asyncApiMount(
  channels: Iterable<{ readonly id: string; readonly places: readonly LinkPlace[] }>,
  largestBytes: number,
): Mount {
  const places = [...channels].flatMap(({ id, places: own }) =>
    own.map((place) => ({ ...place, channel: id })),
  )
  return {
    path: '/asyncapi.json',
    channel: 'core',
    access: 'operator',
    handler: async (request) => answer({ places, largestBytes }, request),
  }
}

/** Throws `METHOD_NOT_ALLOWED`. */
function answer(described: Described, request: HttpRequest): HttpResponse {
  const { method, origin } = request
  if (method !== 'GET' && method !== 'HEAD')
    throw new GatewayError('METHOD_NOT_ALLOWED', `${method} is not taken here: use GET`, {
      detail: { allow: 'GET, HEAD' },
    })
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asyncApi(described, origin)),
  }
}

const FRAME = '#/components/messages/'
const PLUGIN_BYTES = LIMITS.messageBytes

/** Plain data, ready for JSON.stringify. `origin`: our own base address as callers see it. */
export function asyncApi({ places, largestBytes }: Described, origin: string): Document {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Dragoman',
      version: '1',
      description: [
        'One client protocol over three links: an app can lose one and go on over the next. Frames are JSON; every frame has a member `t`, its name. Over WebSocket and MQTT one frame or an array of them is one message; over HTTP they are in an envelope. What an app sends is in `…_receive`, what the gateway sends in `…_send`.',
        `What an app sends has its limits: a frame ${FRAME_BYTES} bytes, a message of a WebSocket or a packet of MQTT 256 kB, a request over HTTP as much, or \`bodyLimit\` where that is more.`,
        `What the gateway sends is as large as it is: a \`msg\` holds a whole message of a conversation, with a body or an answer of up to ${largestBytes} bytes here (\`bodyLimit\`, \`responseLimit\`; ${PLUGIN_BYTES} of a plugin), and escapes make it longer. Set the maximum of your library to twice as much, or none: one that takes less (Python's websockets: 1 MiB) closes with 1009 at that message, over and over. Over HTTP an answer ends behind the \`msg\` with which it passes 1 MiB.`,
      ].join('\n\n'),
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    servers: Object.fromEntries(places.flatMap((place) => serversOf(place, new URL(origin)))),
    channels: Object.fromEntries(places.flatMap(channelsOf)),
    operations: Object.fromEntries(places.flatMap(operationsOf)),
    components: {
      messages: messages(),
      schemas: schemas(),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: "The customer's token" },
        password: {
          type: 'userPassword',
          description: "The customer's token is the password; the user name is any",
        },
      },
    },
  }
}

/** Where it is reached, by the server's name. */
function serversOf(
  place: PlaceInUse,
  { host, hostname, protocol }: URL,
): readonly (readonly [string, Document])[] {
  const isSecure = protocol === 'https:'
  if (place.protocol === 'http')
    return [[nameOf(place), { host, protocol: isSecure ? 'https' : 'http', security: [TOKEN] }]]
  const ws = { host, protocol: isSecure ? 'wss' : 'ws', protocolVersion: '13' }
  if (place.protocol === 'ws')
    return [
      [
        nameOf(place),
        {
          ...ws,
          description:
            'Subprotocol `dragoman.1`. The token goes as `Authorization: Bearer`, or where that cannot be set, as in browsers, as a second subprotocol `bearer.TOKEN`.',
          security: [TOKEN],
        },
      ],
    ]
  const mqtt = {
    security: [{ $ref: '#/components/securitySchemes/password' }],
    bindings: { mqtt: { clientId: '{device}', cleanSession: true, bindingVersion: '0.2.0' } },
  }
  const { port, tls, websocket } = place
  const servers: (readonly [string, Document])[] = []
  if (port !== undefined)
    servers.push([
      nameOf(place),
      {
        host: `${hostname}:${port}`,
        protocol: tls === true ? 'secure-mqtt' : 'mqtt',
        protocolVersion: '3.1.1',
        description: 'The client id is the device of the topics.',
        ...mqtt,
      },
    ])
  if (websocket !== undefined)
    servers.push([
      `${nameOf(place)}_websocket`,
      {
        ...ws,
        pathname: websocket,
        description:
          'MQTT 3.1.1 over WebSocket, subprotocol `mqtt`. The client id is the device of the topics.',
        ...mqtt,
      },
    ])
  return servers
}

const TOKEN = { $ref: '#/components/securitySchemes/token' }

function channelsOf(place: PlaceInUse): readonly (readonly [string, Document])[] {
  const { protocol, up, down, port, websocket } = place
  const servers = [
    ...(protocol !== 'mqtt' || port !== undefined ? [nameOf(place)] : []),
    ...(websocket === undefined ? [] : [`${nameOf(place)}_websocket`]),
  ].map((name) => ({ $ref: `#/servers/${name}` }))
  const channel = (address: string, names: readonly string[]): Document => ({
    address,
    servers,
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `${FRAME}${name}` }])),
    ...(address.includes('{device}') && {
      parameters: { device: { description: 'The id the app keeps, as in its hello' } },
    }),
    ...(protocol === 'ws' && { bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } } }),
  })
  const sent = up === down ? [...saidIn(place, 'receive'), ...saidIn(place, 'send')] : []
  if (up === down) return [[nameOf(place), channel(up, sent)]]
  return [
    [`${nameOf(place)}_up`, channel(up, saidIn(place, 'receive'))],
    [`${nameOf(place)}_down`, channel(down, saidIn(place, 'send'))],
  ]
}

type Action = 'receive' | 'send'

/** The messages of one direction: frames, or their envelope. */
function saidIn({ protocol }: PlaceInUse, action: Action): readonly string[] {
  if (protocol === 'http') return [action === 'receive' ? 'requestBody' : 'responseBody']
  return action === 'receive' ? UP : DOWN
}

/** AsyncAPI 3.0: the action is the gateway's; `receive` is what an app sends. */
function operationsOf(place: PlaceInUse): readonly (readonly [string, Document])[] {
  const { protocol, up, down } = place
  const operation = (action: Action): Document => {
    const channel = up === down ? nameOf(place) : `${nameOf(place)}_${action === 'receive' ? 'up' : 'down'}`
    return {
      action,
      channel: { $ref: `#/channels/${channel}` },
      messages: saidIn(place, action).map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
      ...(protocol === 'mqtt' && {
        bindings: { mqtt: { qos: action === 'receive' ? 1 : 0, retain: false, bindingVersion: '0.2.0' } },
      }),
      ...(protocol === 'http' &&
        action === 'receive' && {
          description: 'Complete in itself: hello comes first. `Prefer: wait=25` waits for news.',
          bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
        }),
    }
  }
  return [
    [`${nameOf(place)}_receive`, operation('receive')],
    [`${nameOf(place)}_send`, operation('send')],
  ]
}

function nameOf({ channel, protocol }: PlaceInUse): string {
  return `${channel}_${protocol}`
}

function messages(): Document {
  const frames = [...UP, ...DOWN].map(
    (name) => [name, { name, payload: { $ref: `#/components/schemas/${name}` } }] as const,
  )
  return {
    ...Object.fromEntries(frames),
    requestBody: { name: 'requestBody', payload: envelope(UP, { maxItems: FRAMES_AT_ONCE }) },
    responseBody: { name: 'responseBody', payload: envelope(DOWN) },
  }
}

/** What one HTTP request or answer holds; an answer has as many frames as there are to say. */
function envelope(names: readonly string[], limits: { readonly maxItems?: number } = {}): Document {
  const items = { oneOf: names.map((name) => ({ $ref: `#/components/schemas/${name}` })) }
  return {
    type: 'object',
    required: ['frames'],
    properties: { frames: { type: 'array', ...limits, items } },
  }
}

function schemas(): Document {
  const { schemas: all } = z.toJSONSchema(published, {
    target: 'draft-07', // AsyncAPI 3.0: a superset of it
    io: 'input',
    unrepresentable: 'any',
    uri: (id) => `#/components/schemas/${id}`,
  })
  return Object.fromEntries(
    Object.entries(all).map(([name, { $schema: _dialect, $id: _address, ...schema }]) => [name, schema]),
  )
}
