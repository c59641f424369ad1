// What an MQTT channel and an MQTT backend take.
import { z } from 'zod'

import { expressionProblem } from '../data/expression.ts'
import { namedChannel } from '../data/named-channel.ts'
import type { NamedChannel } from '../data/named-channel.ts'
import { filterProblem, topicProblem } from './topics.ts'

const expression = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const problem = expressionProblem(source)
    if (problem !== undefined)
      context.addIssue({ code: 'custom', message: `"${source}" is not JSONata: ${problem}` })
  })
  .meta({ format: 'jsonata', description: 'JSONata; a fixed text stands in quotes of its own: "\'text\'"' })

const qos = z.union([z.literal(0), z.literal(1)])

const filter = z.string().superRefine((text, context) => {
  const problem = filterProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `"${text}": ${problem}` })
  else if (/^(?:\$|dragoman\/|[+#])/u.test(text))
    context.addIssue({
      code: 'custom',
      message: `"${text}": a mapped topic begins with a name of its own, not with a wildcard, $ or dragoman/`,
    })
})

const mapped = z
  .strictObject({
    kind: z.enum(['message', 'event', 'request']),
    type: expression.optional().meta({ description: "Default: 'text' for a message, else the topic." }),
    sender: expression
      .optional()
      .meta({ description: 'The customer. Default: the credential, else the channel.' }),
    text: expression.optional().meta({ description: 'Default for a message: its text, or the payload.' }),
    data: expression.optional().meta({ description: 'Default: the payload; none for a message of text.' }),
    externalId: expression.optional().meta({ description: "Default: the payload's id." }),
    conversation: expression.optional(),
    priority: expression.optional(),
    reply: expression.optional().meta({ description: 'The topic that the reply is published to.' }),
    qos: qos.default(1).meta({ description: 'Of replies, and of the subscription in bridge mode.' }),
  })
  .meta({ description: 'Values see the members of the payload, `topic` (its levels) and `$payload`.' })

const file = z.string().min(1).meta({ format: 'file' })
const files = z.strictObject({
  cert: file,
  key: file,
  ca: file.optional().meta({ description: 'Clients must then show a certificate of it.' }),
})

const brokerUrl = z
  .url({ protocol: /^(?:mqtts?|wss?)$/, error: 'expected an address such as mqtt://broker.example.com:1883' })
  .meta({ description: 'mqtt, mqtts, ws or wss; user and password may stand in it.' })

const client = {
  clientId: z.string().min(1).max(128).optional(),
  keepAlive: z
    .int()
    .min(5)
    .max(3600)
    .optional()
    .meta({ description: 'Seconds, towards the other broker; default 30.' }),
}

const LISTENING = [
  'port',
  'host',
  'websocket',
  'tls',
  'maxKeepAlive',
  'connections',
  'subscribe',
  'keepReplies',
] as const

const granted = z.string().superRefine((text, context) => {
  const problem = filterProblem(text.replaceAll(/\{(?:client|identity)\}/gu, 'x'))
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `"${text}": ${problem}` })
  else if (/^(?:\$|dragoman\/|[+#])/u.test(text))
    context.addIssue({
      code: 'custom',
      message: `"${text}": it begins with a name of its own, not with a wildcard, $ or dragoman/`,
    })
})

export const channelConfig = z
  .strictObject({
    port: z.int().min(0).max(65_535).optional().meta({ description: 'TCP; 0 for any free one.' }),
    host: z.string().min(1).optional().meta({ description: 'The address to listen on; default 127.0.0.1.' }),
    websocket: z
      .string()
      .regex(/^(\/[\w.~-]+)+$/, 'expected a path such as /mqtt')
      .optional()
      .meta({ description: 'MQTT over WebSocket on the HTTP listener.' }),
    tls: files.optional(),
    maxKeepAlive: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .meta({ description: 'Seconds; a longer keep-alive, or none, counts as this. Default 600.' }),
    connections: z.int().min(1).max(1_000_000).optional().meta({ description: 'At most; default 10000.' }),
    keepReplies: z
      .int()
      .min(1)
      .max(30 * 86_400)
      .optional()
      .meta({
        description: 'Seconds that a reply waits for a device that is away; default 86400.',
      }),
    url: brokerUrl.optional(),
    clientId: client.clientId,
    keepAlive: client.keepAlive,
    topics: z.record(filter, mapped).default({}),
    subscribe: z.array(granted).optional().meta({
      description:
        'What devices may subscribe to, for replies; {client} is the client id, {identity} the customer. Without either it is for programs.',
    }),
  })
  .superRefine((config, context) => {
    const issue = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (config.url === undefined) {
      if (config.port === undefined && config.websocket === undefined)
        issue('port', 'a port, a websocket path or the url of another broker is needed')
      for (const key of ['clientId', 'keepAlive'] as const)
        if (config[key] !== undefined) issue(key, 'this is for a channel with a url')
      if (config.tls !== undefined && config.port === undefined)
        issue('tls', 'this is for the port; the websocket has the TLS of the HTTP listener')
    } else {
      for (const key of LISTENING)
        if (config[key] !== undefined) issue(key, 'a channel with a url does not listen')
      if (Object.keys(config.topics).length === 0) issue('topics', 'a channel with a url needs topics')
    }
  })

export type ChannelConfig = z.output<typeof channelConfig>
export type MappedTopic = z.output<typeof mapped>

const template = z.string().superRefine((text, context) => {
  const problem = topicProblem(text.replaceAll(/\{[^{}/]+\}/gu, 'x'))
  if (problem !== undefined || /[{}]/u.test(text.replaceAll(/\{[^{}/]+\}/gu, '')))
    context.addIssue({ code: 'custom', message: `"${text}": ${problem ?? 'a placeholder is {name}'}` })
  else if (/^(?:\$|dragoman\/|\{)/u.test(text))
    context.addIssue({
      code: 'custom',
      message: `"${text}": a topic begins with a name of its own, not with a placeholder, $ or dragoman/`,
    })
})

const operation = z.strictObject({
  topic: template.meta({ description: '{name} is a parameter, {operation} the name of the operation.' }),
  replyTopic: template.optional().meta({
    description:
      'Where the answer comes; {correlation} in it tells the calls apart, else `correlationid` in the payload. Without it nobody is waited for.',
  }),
  qos: qos.default(1),
  body: expression
    .optional()
    .meta({ description: 'The payload; default: a CloudEvent with all parameters.' }),
  result: expression.optional().meta({ description: 'Default: the data of the answer.' }),
})

export const backendConfig = z
  .strictObject({
    url: brokerUrl.optional(),
    channel: namedChannel<ChannelConfig>('an mqtt channel', {
      member: 'topics',
      description: 'An MQTT channel: its devices are asked.',
    }),
    clientId: client.clientId,
    keepAlive: client.keepAlive,
    operations: z.record(z.string().min(1), operation),
  })
  .superRefine((config, context) => {
    const { url, channel, clientId, keepAlive } = config
    if ((url === undefined) === (channel === undefined))
      context.addIssue({ code: 'custom', path: ['url'], message: 'either a url or a channel is needed' })
    if (url === undefined && (clientId !== undefined || keepAlive !== undefined))
      context.addIssue({ code: 'custom', path: ['url'], message: 'clientId and keepAlive go with a url' })
    if (!hearsItself(config)) return
    for (const [name, { topic, replyTopic }] of Object.entries(config.operations))
      if (topic === replyTopic)
        context.addIssue({
          code: 'custom',
          path: ['operations', name, 'replyTopic'],
          message: `"${topic}" is the topic of the question: a broker shows it to who waits there, and it would pass for its own answer`,
        })
  })

/** Whether what is published comes back where it is subscribed to: MQTT 3.1.1 has no "no local". The gateway's own devices get it alone. */
export function hearsItself({
  url,
  channel,
}: {
  readonly url?: string | undefined
  readonly channel?: NamedChannel<ChannelConfig> | undefined
}): boolean {
  return url !== undefined || channel?.config.url !== undefined
}

export type BackendConfig = z.output<typeof backendConfig>
export type BackendOperation = BackendConfig['operations'][string]
