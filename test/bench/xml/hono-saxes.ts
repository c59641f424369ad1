// The least a SOAP server in Node could be: Hono, saxes over the body, an answer put together from text. Prints its port.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { SaxesParser } from 'saxes'

const head =
  '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
const app = new Hono()
app.post('/orders', async (context) => {
  const parser = new SaxesParser({ xmlns: true })
  const open: string[] = []
  const values = new Map<string, string>()
  let text = ''
  parser.on('opentag', ({ local }) => {
    open.push(local)
    text = ''
  })
  parser.on('text', (run) => (text += run))
  parser.on('closetag', ({ local }) => {
    values.set(open.join('/'), text)
    open.pop()
    text = ''
    if (open.length === 0) values.set('root', local)
  })
  parser.write(await context.req.text()).close()
  const operation = [...values.keys()].find((path) => path.split('/').length === 3)?.split('/')[2] ?? ''
  const body = `${head}<${operation}Response xmlns="urn:example:orders:v1"><orderId>9007199254740995</orderId><seen>${values.size}</seen></${operation}Response></s:Body></s:Envelope>`
  return context.body(body, 200, { 'content-type': 'text/xml; charset=utf-8' })
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => console.log(port))
