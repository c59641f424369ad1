// The interoperability suite of Eclipse Paho for MQTT 3.1.1, unchanged, against a gateway: `node test/bench/mqtt-paho-suite.ts FOLDER`,
// FOLDER being `interoperability` of github.com/eclipse/paho.mqtt.testing. Prints a table; adapters/mqtt/README.md says which cases apply.
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

import { startBot, textOf } from '../support/bot.ts'
import { startGateway } from '../support/gateway.ts'

const CASES = [
  'testBasic',
  'test_retained_messages',
  'will_message_test',
  'test_zero_length_clientid',
  'test_offline_message_queueing',
  'test_overlapping_subscriptions',
  'test_keepalive',
  'test_redelivery_on_reconnect',
  'test_subscribe_failure',
  'test_dollar_topics',
  'test_unsubscribe',
]
/** What the suite publishes and subscribes to. */
const TOPICS = ['TopicA', 'TopicA/B', 'Topic/C', 'TopicA/C', '/TopicA']
const CASE_MS = 60_000

const folder = process.argv[2]
if (folder === undefined) throw new Error('say where the folder `interoperability` of the suite is')

// A sender for each message: a reply that nobody takes holds up those behind it.
// Nothing goes from one client to another: a bot echoes what is said, and the reply goes to the topic it was said on.
await using bot = await startBot((asked) => ({ body: { text: textOf(asked) } }))
const mapped = TOPICS.map(
  (topic) =>
    `      '${topic}': { kind: message, sender: "$string($random())", text: "$string($payload) & ' '", reply: "'${topic}'" }`,
)
await using gateway = await startGateway({
  yaml: `
log: { level: error }
channels:
  devices:
    adapter: mqtt
    port: 0
    subscribe: ${JSON.stringify(TOPICS)}
    topics:
${mapped.join('\n')}
agents: { bot: { adapter: webhook, url: "${bot.url}" } }
routes: [ { agent: bot } ]
`,
})
const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line

console.log('| Case | Result |\n| --- | --- |')
for (const name of CASES) {
  const script = `
import unittest, client_test as suite
suite.host, suite.port = "127.0.0.1", ${mqtt}
suite.topics = ${JSON.stringify(TOPICS)}
suite.wildtopics = ["TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#"]
suite.nosubscribe_topics = ["test/nosubscribe"]
result = unittest.TextTestRunner().run(unittest.TestSuite([suite.Test("${name}")]))
raise SystemExit(0 if result.wasSuccessful() else 1)`
  const isPassed = await promisify(execFile)('/usr/bin/python3', ['-c', script], {
    cwd: resolve(folder),
    timeout: CASE_MS,
  }).then(
    () => true,
    () => false,
  )
  console.log(`| ${name} | ${isPassed ? 'passed' : 'failed'} |`)
}
