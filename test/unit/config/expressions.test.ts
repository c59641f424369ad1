// JSONata is compiled when the file is read.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { expressionFault, predicateFault, readPredicate, templateFault } from '../../../config/expressions.ts'
import { BUILT_IN } from '../../../config/functions.ts'

test('an expression that does not compile is reported at the token that is in the way', () => {
  expect(expressionFault("kind = 'request' and $count(data.items) > 1")).toBeUndefined()
  expect(expressionFault('a b')).toEqual({
    message: 'not a JSONata expression: syntax error: "b"',
    offset: 2,
  })
  expect(expressionFault('a =')).toMatchObject({ offset: 3 })
  expect(expressionFault('')).toMatchObject({ offset: 0 })
  expect(expressionFault('('.repeat(100_000))).toEqual({ message: 'nested too deeply', offset: 0 })
})

test('a template is checked in each of its expressions, and every {{ has its }}', () => {
  expect(templateFault('Order {{data.orderNo}} of {{ $now() }}.')).toBeUndefined()
  expect(templateFault('no expression } }} {')).toBeUndefined()
  expect(templateFault('a {{b}} {{ c d }}')).toMatchObject({ offset: 13 })
  expect(templateFault('a {{b}} {{ c')).toEqual({ message: '{{ without }}', offset: 8 })
  expect(templateFault('{{}}')).toMatchObject({ offset: 2 })
})

test.each([
  ["kind = 'message' and $lowercse(type) = 'vip'", 21, '"$lowercse" (did you mean "$lowercase"?)'],
  ['name ~> $uppercse', 8, '"$uppercse" (did you mean "$uppercase"?)'],
  ['name ~> $trm() ~> $uppercase', 8, '"$trm" (did you mean "$trim"?)'],
  ['$substrng(?, 0, 5)', 0, '"$substrng" (did you mean "$substring"?)'],
  ['{ "a": [1, $sm(b)] }', 11, '"$sm" (did you mean "$sum"?)'],
  ['items[$lengt(name) > 3]^(>$price).{ "n": name }', 6, '"$lengt" (did you mean "$length"?)'],
  ['items^(>$prce(price))', 8, '"$prce"'],
  ['items{ $strng(id): name }', 7, '"$strng" (did you mean "$string"?)'],
  ['a ? $b() : $c()', 4, '"$b"'],
  ['$map(items, function($i) { $uper($i.name) })', 27, '"$uper"'],
  ['($greet := function($n) { $n }; $gret("x"))', 32, '"$gret" (did you mean "$greet"?)'],
  ['$ ~> | items | { "n": $nme(name) } |', 22, '"$nme"'],
  ['$present()', 0, '"$present"'],
  ['$message()', 0, '"$message"'],
])('a call of a function that nothing defines is reported at its name: %s', (source, offset, named) => {
  expect(expressionFault(source)).toEqual({ message: `unknown function ${named}`, offset })
})

test('a route\'s "when" has a function of its own, and templates have JSONata\'s', () => {
  expect(predicateFault("kind = 'message' and $not($present())")).toBeUndefined()
  expect(predicateFault('$presnt()')).toEqual({
    message: 'unknown function "$presnt" (did you mean "$present"?)',
    offset: 0,
  })
  expect(templateFault('Hello {{ $uppercse(name) }}')).toMatchObject({ offset: 9 })
})

test('a regular expression that cannot be matched in linear time is reported where it stands', () => {
  expect(predicateFault("kind = 'message' and $contains(text, /^(a+)+$/i)")).toBeUndefined()
  expect(predicateFault('$contains(text, /a(?=b)/)')).toEqual({
    message:
      'the regular expression /a(?=b)/ cannot be used: "(?=" looks around and may take for ever: write two of them, joined with "and"',
    offset: 16,
  })
  expect(templateFault('{{ $replace(text, /(a)\\1/, "") }}')).toMatchObject({ offset: 18 })
})

// Of JSONata's own documentation: docs.jsonata.org
test.each([
  '$sum(Account.Order.Product.(Price * Quantity))',
  'Account.Order.Product ~> $map(function($p) { $p.Price }) ~> $sum()',
  '$map([1..5], $string)',
  '$reduce([1..5], function($i, $j) { $i * $j })',
  '$sift(function($v, $k) { $k ~> /^Product/ })',
  '$each(Address, function($v, $k) { $k & ": " & $v })',
  '( $volume := function($l, $w, $h) { $l * $w * $h }; $volume(10, 10, 5) )',
  '( $factorial := function($x) { $x <= 1 ? 1 : $x * $factorial($x-1) }; $factorial(4) )',
  '( $factorial := function($x){ ( $iter := function($x, $acc) { $x <= 1 ? $acc : $iter($x - 1, $x * $acc) }; $iter($x, 1) ) }; $factorial(170) )',
  '( $twice := function($f) { function($x){ $f($f($x)) } }; $add3 := function($y){ $y + 3 }; $add6 := $twice($add3); $add6(7) )',
  '( $firstn := $substring(?, 0, ?); $first5 := $firstn(?, 5); $first5("Hello, World") )',
  '( $normalize := $uppercase ~> $trim; $normalize("   Some   Words   ") )',
  '( $fns := [$uppercase, $lowercase]; $fns.$("a") )',
  '( $matcher := /[a-z]*an[a-z]*/i; $matcher("A man, a plan, a canal, Panama!") )',
  '"one" ~> (function($x) { $x & "two" })',
  'λ($x) { $x }(1)',
  'function($n) { $n }(1) ~> $string',
  '$$.Account.Order.Product#$i.{ "n": $string($i) }',
  'library.loans@$l.books@$b[$l.isbn = $b.isbn].{ "title": $b.title, "n": $uppercase($l.customer) }',
  'Account.Order.Product.{ "parent": %.OrderID }^(>parent)',
  'Account.Order.Product{ `Product Name`: { "Price": Price, "Qty": $sum(Quantity) } }',
  '$ ~> |Account.Order.Product|{ "Price": Price * 1.2 }, ["Description"]|',
  '$now() & $millis() & $fromMillis(1510067557121, "[M01]/[D01]/[Y0001] [h#1]:[m01][P]")',
  'payload.value ?: $string(1) ?? "none"',
  '( $f := $lookup($handlers, "a"); $f(1) )',
  '$eval("($f := function($x) { $x }; $f(1))")',
  '( $eval("$double := function($x) { $x * 2 }"); $double(2) )',
  '$sort(Product, function($l, $r) { $l.Price > $r.Price })',
  'a.b.(c; $x := d; $g := function() { $x }; $g())',
])('what JSONata takes is not doubted: %s', (source) => {
  expect(expressionFault(source)).toBeUndefined()
})

test('the functions that are known are those of the JSONata that is installed', () => {
  const source = readFileSync(createRequire(import.meta.url).resolve('jsonata'), 'utf8')
  const bound = source.matchAll(/(?:staticFrame|environment)\.bind\('(\w+)'/gu)
  expect(new Set([...bound].map(([, name]) => name))).toEqual(BUILT_IN)
})

test('any text is either an expression or has a fault inside it', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('{', '}', 'a', '$', '(', "'", '/', '\\') })),
      (text) => {
        for (const fault of [expressionFault(text), templateFault(text)]) {
          if (fault === undefined) continue
          expect(fault.offset).toBeGreaterThanOrEqual(0)
          expect(fault.offset).toBeLessThanOrEqual(text.length)
        }
      },
    ),
  )
})

test('a predicate says which kind it takes, where that is certain', () => {
  expect(readPredicate("type = 'x' and kind = 'event'").kind).toBe('event')
  expect(readPredicate("'event' = kind").kind).toBe('event')
  expect(readPredicate("kind = 'event' or type = 'x'").kind).toBeUndefined()
  expect(readPredicate("kind != 'event'").kind).toBeUndefined()
  expect(readPredicate("data.kind = 'event'").kind).toBeUndefined()
  expect(readPredicate('kind = ').kind).toBeUndefined()
  expect(readPredicate('true').always).toBe(true)
  expect(readPredicate("'true'").always).toBe(false)
})

test('the kinds a predicate compares with are found where they stand', () => {
  expect(readPredicate("kind = 'a' or (kind != 'b' and 'c' = kind)").kinds).toMatchObject([
    { name: 'a', offset: 8 },
  ])
  expect(readPredicate("kind = 'a' or kind != 'b'").kinds).toEqual([
    { name: 'a', offset: 8 },
    { name: 'b', offset: 23 },
  ])
})
