// A file or an address in a config.
import { expect, test } from 'vitest'
import { location } from '../../../../adapters/data/location.ts'

test('a file, a file: URL or an http address; a mistyped address is none of them', () => {
  const good = ['orders.wsdl', '/etc/crm.wsdl', './a:b.wsdl', 'C:\\crm.wsdl', 'file:///etc/crm.wsdl']
  for (const text of [...good, 'http://erp:8080/x?wsdl', 'HTTPS://erp/x?wsdl'])
    expect([text, location.safeParse(text).success]).toEqual([text, true])
  for (const text of ['', 'htp://erp/x?wsdl', 'ftp://erp/x', 'localhost:9000/x', 'http:/erp/x', 'http://'])
    expect([text, location.safeParse(text).success]).toEqual([text, false])
})
