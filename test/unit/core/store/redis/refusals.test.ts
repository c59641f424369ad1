// Refusals as real servers sent them: the same reason in the words of each version.
import { ReplyError } from 'ioredis'
import { expect, test } from 'vitest'
import { handshakeFailure, reasonOf, toldOf } from '../../../../../core/store/redis/refusals.ts'

const SHA = 'b4e53c3b051d41abe2c5cee0ac7e161e54b4983d'

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'."],
  ["READONLY You can't write against a read only replica."],
  ['NOREPLICAS Not enough good replicas to write.'],
])('%s: from Redis 6.2 and from later ones, in a script or not', (reason) => {
  const old = `ERR Error running script (call to f_${SHA}): @user_script:91: @user_script: 91: -${reason}  `
  expect(reasonOf(new Error(old))).toBe(reason)
  expect(reasonOf(new Error(`${reason} script: ${SHA}, on @user_script:91.`))).toBe(reason)
  expect(reasonOf(new Error(reason))).toBe(reason)
})

test.each([
  [
    `ERR Error running script (call to f_${SHA}): @user_script:1: @user_script: 1: The user executing the script can't run this command or subcommand`,
  ],
  [
    `ERR The user executing the script can't run this command or subcommand script: ${SHA}, on @user_script:1.`,
  ],
  [
    `ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: ${SHA}, on @user_script:1.`,
  ],
  [
    `ERR ACL failure in script: User gate has no permissions to run the 'xadd' command script: ${SHA}, on @user_script:1.`,
  ],
])('what an ACL user may not do in a script is NOPERM in every version: %s', (message) => {
  expect(reasonOf(new ReplyError(message))).toMatch(/^NOPERM its ACL user .*config\/README\.md/u)
})

test.each([
  [
    `ERR Error running script (call to f_${SHA}): @user_script:1: user_script:1: Script attempted to access nonexistent global variable 'zzz'`,
  ],
  [
    `ERR Error running script (call to f_${SHA}): @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value`,
  ],
  ['HELD {"by":"-OOM"}'],
])('what is no refusal of a command stays as it is: %s', (message) => {
  expect(reasonOf(new Error(message))).toBe(message)
})

test('the client’s words for a line that has failed are told in fixed ones; Redis’ and the network’s as they are', () => {
  const told = [
    ["Stream isn't writeable and enableOfflineQueue options is false", 'the line is gone'],
    [
      'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
      'the line broke before its answer',
    ],
    ['Connection is closed.', 'the line broke before its answer'],
    ['Command timed out', 'no answer within a second'],
    ['connect ECONNREFUSED 127.0.0.1:6379', 'connect ECONNREFUSED 127.0.0.1:6379'],
  ]
  for (const [words = '', expected] of told) expect(toldOf(new Error(words))).toBe(expected)
  expect(toldOf(new ReplyError(`NOREPLICAS Not enough. script: ${SHA}, on @user_script:91.`))).toBe(
    'NOREPLICAS Not enough.',
  )
})

test.each([
  [
    '407D4FA83A7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 116',
    /^TLS: tlsv13 alert certificate required: it wants a client certificate/u,
  ],
  [
    'C0E7:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../x.c:77:',
    /^TLS: wrong version number$/u,
  ],
  ['read ECONNRESET', /^TLS was broken off \(read ECONNRESET\): does it want a client certificate/u],
  [
    'Client network socket disconnected before secure TLS connection was established',
    /^TLS was broken off .*does this port speak TLS\?$/u,
  ],
  ['self-signed certificate in certificate chain', /^self-signed certificate in certificate chain$/u],
])('TLS that does not come about: %s', (message, told) => {
  expect(handshakeFailure(new Error(message))).toMatch(told)
})
