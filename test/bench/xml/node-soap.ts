// A bare node-soap server with the same WSDL and the same answer. Prints its port.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import soap from 'soap'

const wsdl = readFileSync(join(import.meta.dirname, '../../fixtures/soap/wsdl/orders.wsdl'), 'utf8')
const port = {
  CreateOrder: () => ({
    orderId: '9007199254740995',
    total: '22.10',
    itemCount: 3,
    status: 'NEW',
    seen: 'channel=WEB|priority=9|customerRef=000123|externalId=9007199254740993',
  }),
  AddComment: () => ({ seen: 'value:…' }),
}
const server = createServer((_request, response) => response.writeHead(404).end())
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address !== 'object' || address === null) return
  const xml = wsdl.replaceAll('__ENDPOINT__', `http://127.0.0.1:${address.port}`)
  soap.listen(server, {
    path: '/orders',
    xml,
    services: { OrderService: { OrderPort11: port, OrderPort12: port } },
    callback: () => console.log(address.port),
  })
})
