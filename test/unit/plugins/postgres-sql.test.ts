// plugins/_examples/postgres: which query texts are taken as they stand.
import { expect, test } from 'vitest'

import { queryProblem } from '../../../plugins/_examples/postgres/sql.ts'

test.each([
  ["SELECT * FROM orders WHERE order_no = '${orderNo}'", 'never put into the text'],
  ["SELECT * FROM orders WHERE order_no = '{{orderNo}}'", 'never put into the text'],
  ["SELECT * FROM orders WHERE order_no = '{orderNo}'", 'write $1 for {orderNo}'],
  ['SELECT * FROM orders WHERE order_no = {orderNo}', '"{orderNo}" is no SQL'],
  ['SELECT * FROM orders WHERE order_no = :orderNo', '":orderNo" is no SQL'],
  ['SELECT * FROM orders WHERE order_no = ?', '"?" is no SQL'],
  ['SELECT * FROM orders WHERE order_no = %s', '"%s" is no SQL'],
  ['SELECT 1 WHERE $1 = $2', '$2 has no name'],
  ['SELECT 1', 'parameter "orderNo" is $1'],
  ["SELECT '$1'", 'parameter "orderNo" is $1'],
  ['SELECT $1; DROP TABLE orders', 'without a semicolon'],
])('%s is refused', (query, why) => {
  expect(queryProblem(query, ['orderNo'])).toContain(why)
})

test.each([
  "SELECT '{1,2}'::int[], $1::text, data ? 'key', a[1:2], x::text, ';' -- ; {no} :no\n/* $2 ? */",
  String.raw`SELECT E'it\'s; {x}', $$ {x} ; $2 $$, $tag$ $9 $tag$, "a;b{c}", $1`,
])('%s is taken as it stands', (query) => {
  expect(queryProblem(query, ['orderNo'])).toBeUndefined()
})
