// The README of the WeChat adapter: its config starts, its command is answered, its tables say what the code says.
import { expect, test } from 'vitest'
import { operationsOf } from '../../adapters/wechat/api/operations.ts'
import { rulingOf } from '../../adapters/wechat/api/errors.ts'
import { products } from '../../adapters/wechat/account.ts'
import { channelConfig } from '../../adapters/wechat/config.ts'
import { startBot } from '../support/bot.ts'
import { startGateway } from '../support/gateway.ts'
import { blocksOf, read, run } from './documents.ts'

const readme = read('adapters/wechat/README.md')

test('the config starts and the command is answered in the response', async () => {
  await using bot = await startBot(async () => ({ body: { text: 'It has been shipped.' } }))
  const [yaml = ''] = blocksOf(readme, 'yaml')
  await using gateway = await startGateway({
    yaml: `${yaml}agents: { helper: { adapter: webhook, url: "${bot.url}" } }\nroutes: [{ agent: helper }]\n`,
  })
  const [command = ''] = blocksOf(readme, 'sh')
  const { stdout } = await run('sh', ['-c', command.replace('http://127.0.0.1:8080', gateway.base)])
  expect(stdout).toContain('<Content><![CDATA[It has been shipped.]]></Content>')
})

/** The rows of the table below a heading or phrase, each as its cells. */
function tableAfter(phrase: string): readonly (readonly string[])[] {
  const lines = readme.slice(readme.indexOf(phrase)).split('\n')
  const start = lines.findIndex((line) => line.startsWith('| ---'))
  const length = lines.slice(start + 1).findIndex((line) => !line.startsWith('|'))
  return lines.slice(start + 1, start + 1 + length).map((line) => line.slice(2, -2).split(' | '))
}
const namesIn = (cell = ''): readonly string[] =>
  [...cell.matchAll(/`([\w-]+)`/gu)].map(([, name = '']) => name)

test('every key of the channel, every product and every operation stands in its table, and no other', () => {
  const keys = tableAfter('## The channel').flatMap(([key]) => namesIn(key))
  expect(keys.toSorted()).toEqual(Object.keys(channelConfig.shape).toSorted())
  const official = Object.keys(operationsOf('official'))
  const rows = tableAfter('## The backend')
  // A bot has no interface but the address it was given.
  expect(rows.flatMap(([product]) => namesIn(product))).toEqual(
    products.filter((each) => each !== 'wecom-bot'),
  )
  for (const [product = '', operations = ''] of rows) {
    const known = products.find((each) => `\`${each}\`` === product) ?? 'wecom-bot'
    const more = namesIn(operations).filter((name) => name !== 'official' && name !== 'authorizer')
    const all = operations.startsWith('those of `official`') ? [...official, ...more] : more
    expect(all.toSorted(), product).toEqual(Object.keys(operationsOf(known)).toSorted())
  }
})

test('the codes mean what the table says', () => {
  const rows = tableAfter('| The platform says').map(([codes = '']) =>
    [...codes.matchAll(/[−\d]+/gu)].map(([code]) => rulingOf(Number(code.replace('−', '-'))).verdict),
  )
  const verdicts = rows.map((row) => [...new Set(row)])
  expect(verdicts).toEqual([['renew'], ['doubt'], ['later'], ['window', 'quota'], ['setup'], []])
})
