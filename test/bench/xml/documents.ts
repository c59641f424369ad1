// What the XML benchmark reads: one SOAP request of 1 kB, and documents of any size made of its parts.

const item = (line: number): string =>
  `<item lineNo="${line}" gift="true"><sku>SKU-${line}</sku><qty>2</qty><price currency="EUR">10.50</price><tag>a</tag><tag>王小明 &lt;&amp;&gt;</tag></item>`

export const envelope =
  `<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>` +
  `<CreateOrder xmlns="urn:example:orders:v1" xmlns:ns2="urn:example:common:v1"><order channel="WEB" priority="9">` +
  `<customerRef>000123</customerRef><externalId>9007199254740993</externalId><orderDate>2024-02-29T10:15:30.250Z</orderDate>` +
  `<shipTo country="GB"><ns2:line>1 High St</ns2:line><ns2:line>Flat 2</ns2:line><ns2:postcode>AB1 2CD</ns2:postcode></shipTo>` +
  [1, 2, 3].map(item).join('') +
  `<note xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/><status>NEW</status></order></CreateOrder></S:Body></S:Envelope>`

/** The same bytes in one text. */
export const comment =
  `<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>` +
  `<AddComment xmlns="urn:example:orders:v1"><ticketId>9007199254740993</ticketId><comment>${'Where is my order? 王小明 &lt;&amp;&gt; '.repeat(20)}</comment></AddComment></S:Body></S:Envelope>`

/** An order with as many items as the bytes hold. */
export function documentOf(bytes: number): string {
  const items: string[] = []
  let length = envelope.length
  for (let line = 1; length < bytes; line += 1) {
    const one = item(line)
    items.push(one)
    length += one.length
  }
  return envelope.replace('<note ', `${items.join('')}<note `)
}
