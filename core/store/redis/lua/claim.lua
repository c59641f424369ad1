-- Operation 2, claim: the begun-mark of a call that is stored nowhere else (SEMANTICS 2).
local home, key, fingerprint, id, ttl, idempotent = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1'
local fence, random, body, media, raw, pressed = ARGV[9], ARGV[10], ARGV[11], opt(ARGV[12]), ARGV[13], ARGV[14] == '1'

local claim, is_over = holding(key)
if claim and claim.fingerprint ~= fingerprint then return { 'mismatch' } end
local open = claim and kind_of(claim.ref) == 'claim' and R('HGET', row(claim.ref), 'st')
if claim and not open then
  local state, reply, failure = standing(claim.ref)
  local first = id_of(claim.ref)
  if state == 'running' or state == 'begun' then return { 'running', first } end
  if state == 'unknown' then return { 'unknown', first } end
  return { 'done', first, state, reply, failure }
end
local name = lease_of(fence)
if not (name and is_live(name, fence, random)) then return { 'fenced' } end

if claim then
  local ref = claim.ref
  local first = id_of(ref)
  local attempt, under, attempts = fields(row(ref), 'a', 'fe', 'tr')
  local function again()
    begin_work(ref, fence)
    return { 'run', first, tonumber(attempt) + 1 }
  end
  -- Released: it ended without an effect, and whoever comes next with the key makes it again.
  if open == WAITING then
    keep_time()
    return again()
  end
  if under == fence and first == id then return { 'run', first, tonumber(attempt) } end
  if under == fence or owns(under) then return { 'running', first } end
  draining()
  keep_time()
  note_lost(ref)
  if idempotent then return again() end
  -- Nobody will ever know: no duplicate calls it again, and it waits for an operator.
  local failure = '{"code":"OUTCOME_UNKNOWN","message":"the call was begun and its owner was gone before it ended"}'
  attempts = R('HGET', row(ref), 'tr')
  bury(ref, home, failure, attempts)
  end_work(ref, { outcome = 'unknown', attempt = attempt, failure = failure, attempts = attempts })
  R('HDEL', row(ref), 'b')
  return { 'unknown', first }
end

if pressed then return { 'pressed' } end
keep_time()
if is_over then drop_claim(key) end
local number = count('next', 1)
local ref = 'c:' .. id
R('HSET', row(ref), 'n', number, 'h', home, 'b', body)
make_claim(key, ref, { fingerprint = fingerprint, ttl = ttl, conversation = '', sequence = 0 })
open_work({ ref = ref, number = number, lane = int(number), priority = '3', due = NOW, fence = fence, media = media, raw = raw })
return { 'run', id, 1 }
