// The order of elements outwards: as they came where the content model has it so, else the content model's.
import { expect, test } from 'vitest'
import { declared, read, refusal, sequence, written } from './support.ts'

const int = (name: string): string => `<xs:element name="${name}" type="xs:int" minOccurs="0"/>`
const choice = declared(
  sequence(
    `${int('a')}${int('b')}<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="x" type="xs:int"/><xs:element name="y" type="xs:int"/></xs:choice>`,
  ),
)
const open = declared(
  sequence(`${int('a')}<xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/>${int('z')}`),
)
const heads = declared(
  sequence(`${int('a')}<xs:element ref="t:shape" minOccurs="0" maxOccurs="unbounded"/>${int('z')}`),
  `<xs:element name="shape" abstract="true" type="xs:int"/><xs:element name="dot" substitutionGroup="t:shape"/><xs:element name="line" substitutionGroup="t:shape"/>`,
)
const pairs = declared(
  '<xs:complexType><xs:sequence maxOccurs="unbounded"><xs:choice><xs:element name="k" type="xs:int"/><xs:element name="l" type="xs:int"/></xs:choice><xs:element name="v" type="xs:int"/></xs:sequence></xs:complexType>',
)

test.each([
  ['before a repeated choice', choice, '<b>3</b><y>1</y><x>2</x><y>4</y>'],
  ['around a repeated wildcard', open, '<a>1</a><q>2</q><p>3</p><q>4</q><z>5</z>'],
  ['around a repeated substitution group', heads, '<a>1</a><line>2</line><dot>3</dot><line>4</line><z>5</z>'],
  ['in groups that repeat', pairs, '<l>1</l><v>2</v><k>3</k><v>4</v>'],
])('elements that stand where the schema has them, %s, keep their order', (_where, decl, inner) => {
  expect(written(read(inner, decl), decl)).toBe(`<e>${inner}</e>`)
})

test.each([
  ['behind a repeated choice', choice, '<y>1</y><x>2</x><b>3</b>', '<b>3</b><x>2</x><y>1</y>'],
  ['in another order than the sequence', choice, '<b>3</b><a>2</a><y>1</y>', '<a>2</a><b>3</b><y>1</y>'],
  ['amid a repeated wildcard', open, '<q>2</q><a>1</a><z>5</z><p>3</p>', '<a>1</a><q>2</q><p>3</p><z>5</z>'],
  [
    'amid a substitution group',
    heads,
    '<dot>2</dot><z>5</z><line>3</line><a>1</a>',
    '<a>1</a><dot>2</dot><line>3</line><z>5</z>',
  ],
  ['the wrong way round in a group', pairs, '<v>2</v><l>1</l>', '<l>1</l><v>2</v>'],
])('elements that came %s go out as the schema has them', (_where, decl, inner, outer) => {
  expect(written(read(inner, decl), decl)).toBe(`<e>${outer}</e>`)
})

test('what is left out on the way out has no place in the order', () => {
  const nil = '<b xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
  const value = read(`${nil}<y>1</y><x>2</x>`, choice)
  expect(value).toMatchObject({ b: null, '#order': ['b', 'y', 'x'] })
  expect(written(value, choice)).toBe('<e><y>1</y><x>2</x></e>')
  expect(written({ y: [1], x: [2], '#order': ['y', 'gone', 'x'] }, choice)).toBe('<e><y>1</y><x>2</x></e>')
  expect(refusal(() => written({ y: [1, 3], x: [2], '#order': ['y', 'x'] }, choice))).toContain('e/#order')
})

test('an order hides no member that is missing', () => {
  expect(refusal(() => written({ v: [2], l: [], '#order': ['v'] }, pairs))).toContain('is missing')
})
