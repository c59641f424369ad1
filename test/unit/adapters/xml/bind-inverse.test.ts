// Writing and reading are inverse, for whatever a schema allows.
import * as fc from 'fast-check'
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import { writeXml } from '../../../../adapters/xml/write.ts'
import { declared, parties, read, written } from './support.ts'

const all = declared(
  `<xs:complexType><xs:sequence>
    <xs:element name="text" type="xs:string"/><xs:element name="token" type="xs:token" minOccurs="0"/>
    <xs:element name="flag" type="xs:boolean"/><xs:element name="int" type="xs:int"/><xs:element name="long" type="xs:long" nillable="true"/>
    <xs:element name="double" type="xs:double"/><xs:element name="decimal" type="xs:decimal" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="amount" type="t:Amount" minOccurs="0"/><xs:element name="party" type="t:Party" minOccurs="0" maxOccurs="3"/>
    <xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="x" type="xs:string"/><xs:element name="y" type="xs:int"/></xs:choice>
    <xs:element name="any" type="xs:anyType" minOccurs="0"/><xs:element name="again" type="t:Again" minOccurs="0"/>
  </xs:sequence><xs:attribute name="id" type="xs:unsignedLong"/></xs:complexType>`,
  `${parties}
   <xs:complexType name="Amount"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="cur" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
   <xs:complexType name="Again"><xs:sequence><xs:element name="again" type="t:Again" nillable="true" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>`,
)

const character = fc
  .string({ unit: 'binary', maxLength: 20 })
  .filter((text) => !/[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|\p{Surrogate}/u.test(text))
const exact = fc.constantFrom(
  '007',
  '1e5',
  '+8613800000000',
  '12345678901234567890',
  '1.10',
  '  spaces  ',
  ']]>',
  '&#x4e2d;',
  '',
)
const text = fc.oneof(character, exact)
const decimal = fc
  .tuple(fc.bigInt(), fc.stringMatching(/^\d{0,8}$/))
  .map(([whole, part]) => (part === '' ? String(whole) : `${whole}.${part}`))
const double = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((number) => (Object.is(number, -0) ? '-0' : number)),
  fc.constantFrom('INF', '-INF', 'NaN'),
)
const party = fc.oneof(
  fc.record({ name: text }),
  fc.record({ '@type': fc.constant('Company'), name: text, vat: text }),
  fc.record({ '@xsi:type': fc.constant('Typed'), '@type': text, name: text }),
)
const { again } = fc.letrec<{ again: Json }>((tie) => ({
  again: fc.record({
    again: fc.array(fc.oneof({ maxDepth: 3, depthSize: 'small' }, fc.constant(null), tie('again')), {
      maxLength: 3,
    }),
  }),
}))
const values = fc.record(
  {
    '@id': fc.bigInt({ min: 0n, max: 18446744073709551615n }).map(String),
    text,
    token: text.map((value) =>
      value
        .replace(/[\t\n\r ]+/g, ' ')
        .trim()
        .replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''),
    ),
    flag: fc.boolean(),
    int: fc.integer(),
    long: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
    double,
    decimal: fc.array(decimal, { maxLength: 3 }),
    amount: fc.record({ '@cur': text, '#text': decimal }),
    party: fc.array(party, { maxLength: 3 }),
    x: fc.array(text, { maxLength: 3 }),
    y: fc.array(fc.integer(), { maxLength: 3 }),
    any: text,
    again,
  },
  { requiredKeys: ['text', 'flag', 'int', 'long', 'double', 'decimal', 'party', 'x', 'y'] },
)

test.each(['utf-8', 'utf-16', 'gb18030', 'gbk', 'big5', 'iso-8859-1'])(
  'what is written of a value in %s reads as that value',
  (charset) => {
    fc.assert(
      fc.property(values, (value: Json) => {
        const bytes = writeXml(fromJson(value, all.name, all), { charset })
        expect(toJson(readXml(bytes).root, all)).toEqual(value)
      }),
      { numRuns: 60 },
    )
  },
)

test('the order of repeated choices survives any mixture', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('x', 'y'), { maxLength: 8 }), (names) => {
      const inner = names.map((name, i) => `<${name}>${i}</${name}>`).join('')
      const decl = declared(
        '<xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="x" type="xs:string"/><xs:element name="y" type="xs:int"/></xs:choice></xs:complexType>',
      )
      expect(written(read(inner, decl), decl)).toBe(inner === '' ? '<e/>' : `<e>${inner}</e>`)
    }),
  )
})
