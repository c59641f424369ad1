-- Operation 1, accept: claim, sequence, log row, inbox entry, device number and work row in one step.
local home, conversation, id, body, channel = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local cause, inbox, received, customer = opt(ARGV[8]), ARGV[9] == '1', ARGV[10], ARGV[11]
local media, raw, key, fingerprint, ttl = opt(ARGV[12]), ARGV[13], opt(ARGV[14]), ARGV[15], ARGV[16]
local lane, priority, delay, limit = opt(ARGV[17]), ARGV[18], tonumber(ARGV[19]), tonumber(ARGV[20])
local wait, fence, random, lease = tonumber(ARGV[21]), ARGV[22], ARGV[23], ARGV[24]
local pressed, registered = ARGV[25] == '1', ARGV[26]
local device, n, refuse, refusal_id = opt(ARGV[27]), tonumber(ARGV[28]), opt(ARGV[29]), ARGV[30]
local expected, agent, ticket, raise = tonumber(ARGV[31]), ARGV[32], opt(ARGV[33]), ARGV[34]
local most_refused = tonumber(ARGV[35])
local ref = 'm:' .. id
local device_key, refused_key = device and (P .. 'device:' .. device), device and (P .. 'refused:' .. device)
local last, cursor
-- SEMANTICS 14: what is refused up to n, told with every answer that says n is stored; nothing where there is none.
local refused

-- SEMANTICS 15: the same id again is the same result again.
local function resent()
  local sequence, offset, in_conversation, state, attempt, under = fields(row(ref), 's', 'o', 'c', 'st', 'a', 'fe')
  if not sequence then return nil end
  local begun = state == IN_FLIGHT and attempt == '1' and under == fence
  local epoch = R('HGET', P .. 'conv:' .. in_conversation, 'epoch')
  -- It waits, and who sends it again holds the lease: the answer that said whom to wake may be the one that was lost.
  local waits = state == WAITING and fence ~= '0'
  return { 'accepted', tonumber(sequence), tonumber(offset), begun and 1 or 0, tonumber(epoch), waits and '1' or '0', refused }
end

local function advance()
  if cursor then
    R('HSET', device_key, 'last', n)
  else
    R('HSET', device_key, 'last', n, 'cursor', 0, 'used', int(NOW))
  end
  R('ZADD', P .. 'devices', 'NX', int(NOW), device)
  R('HSETNX', P .. 'home:' .. home, 'epoch', 1)
end

local function duplicate(claim)
  local state, reply, failure = standing(claim.ref)
  if wait and (state == 'running' or state == 'taken') then
    local until_then = tonumber(R('HGET', row(claim.ref), 'wu') or '0')
    if NOW + wait > until_then then
      draining()
      R('HSET', row(claim.ref), 'wu', int(NOW + wait))
    end
  end
  return { 'duplicate', id_of(claim.ref), claim.conversation, claim.sequence, state, reply, failure,
    is_gone(id_of(claim.ref)) and 1 or 0, refused }
end

local is_next = false
local is_used = false
if device then
  last, cursor = fields(device_key, 'last', 'cursor')
  local has_refused = last and R('EXISTS', refused_key) == 1
  last = tonumber(last or '0')
  if n > last + 1 then return resent() or { 'gap', last + 1 } end
  is_next = n == last + 1
  is_used = not is_next
  if is_used and has_refused then
    local code, known_as = fields(refused_key, n, n .. 'i')
    if code then
      if refuse == code and refusal_id == known_as then return { 'accepted', 0, 0, 0, 0 } end
      return { 'refused', known_as, code }
    end
  end
  if has_refused and not refuse then
    for _, name in ipairs(R('HKEYS', refused_key)) do
      local number = tonumber(name)
      if number and number <= n then
        local code, known_as = fields(refused_key, name, name .. 'i')
        refused = refused or {}
        refused[#refused + 1] = { number, known_as, code }
      end
    end
  end
end
if is_next and refuse then
  local kept = R('HLEN', refused_key) / 2
  if kept >= most_refused then return { 'full', kept } end
  if pressed then return { 'pressed' } end
  keep_time()
  advance()
  R('HSET', refused_key, n, refuse, n .. 'i', refusal_id)
  return { 'accepted', 0, 0, 0, 0 }
end

local claim, is_over
if key then claim, is_over = holding(key) end
-- A call that ended without an effect: whoever comes next with its key makes it again, under its id.
local released = claim and claim.fingerprint == fingerprint and kind_of(claim.ref) == 'claim' and
  R('HGET', row(claim.ref), 'st') == WAITING and claim.ref
if released and id_of(released) ~= id then return { 'released', id_of(released) } end
if claim and not released then
  if claim.ref == ref then return resent() or duplicate(claim) end
  if claim.fingerprint ~= fingerprint then return { 'mismatch' } end
  -- The same id from another boot: duplicate, and this boot's number advances.
  if is_next then
    draining()
    advance()
  end
  return duplicate(claim)
end
-- A number that is used up, under an id that is not known: nothing was stored of it, so it is not called stored.
if is_used then return resent() or { 'used' } end

-- The hot way: what it asks and what it writes is asked and written once.
local conversation_key = P .. 'conv:' .. conversation
local bound, epoch_text, top = fields(conversation_key, 'home', 'epoch', 'top')
local whose = owner_of(conversation, home, registered, bound)
if whose == 'other' then return resent() or { 'forbidden' } end
local epoch = tonumber(epoch_text or '0')
if expected and expected ~= epoch then return resent() or { 'notOwner' } end
local lane_state = lane and state_of('message', lane)
if lane then
  local waiting = waiting_in(lane_state)
  if waiting >= limit then return resent() or { 'full', waiting } end
end
if pressed then return resent() or { 'pressed' } end
if whose == 'ask' then return resent() or { 'ask' } end
local number, now = int(tonumber(TOTALS.next) + 1), int(NOW)
-- In the log already, without the key it comes with now: nothing is written then.
if R('ZADD', P .. 'rows', 'NX', number, id) == 0 then
  local stored = resent()
  if stored then return stored end
  -- Its row was never written: that accept was broken off.
  R('ZADD', P .. 'rows', number, id)
end

-- Everything is looked at: from here on it is written.
local may_begin = lane and fence ~= '0' and delay <= 0 and rows_in(lane_state) == 0
local begins = may_begin and is_live(lease, fence, random)
local size = #body + 300
local bytes, accepted = int(tonumber(TOTALS.bytes) + size), int(tonumber(TOTALS.accepted) + 1)
local counter, counted = 'settled', TOTALS.ended
if lane then counter, counted = 'open:message', TOTALS.open end
R('HSET', META, 'clock', now, 'wall', int(WALL), 'next', number, 'bytes', bytes, 'accepted', accepted, counter,
  int(tonumber(counted) + 1))
if released then
  leave_lane(released, unpack({ fields(row(released), 'ln', 'pr') }))
  count('open:claim', -1)
end
if is_over or released then drop_claim(key) end
local sequence = int(tonumber(top or '0') + 1)
if bound then
  R('HSET', conversation_key, 'top', sequence, 'last', received)
else
  conversation_for(conversation, home, channel, customer, sequence, received)
end
R('XADD', P .. 'log:' .. conversation, sequence .. '-0', 'i', id, 'b', body, 'n', '0')
local offset = 0
if inbox then
  offset = R('HINCRBY', P .. 'home:' .. home, 'top', 1)
  R('XADD', P .. 'inbox:' .. home, int(offset) .. '-0', 'c', conversation, 's', sequence)
end
local cells = { 'n', number, 'c', conversation, 's', sequence, 'o', int(offset), 'at', now, 'z', int(size) }
if key then
  cells[#cells + 1] = 'k'
  cells[#cells + 1] = key
  keep_claim(key, ref, { fingerprint = fingerprint, ttl = ttl, conversation = conversation, sequence = sequence })
end
local work = lane and {
  ref = ref,
  number = number,
  lane = lane,
  priority = priority,
  due = NOW + math.max(0, delay),
  fence = begins and fence or '0',
  wait = wait and NOW + wait,
  media = media,
  raw = raw,
}
if work then work_cells(work, cells) end
R('HSET', row(ref), unpack(cells))
if cause then caused_by(cause, id, number) end
if device then advance() end
patch(conversation, agent, ticket, raise)
if raise == '1' then epoch = epoch + 1 end
if work then enter_lane('message', work, lane_state) end
-- The last: it would have begun, but the lease is gone, and whoever has it now does not know of it.
return { 'accepted', tonumber(sequence), offset, begins and 1 or 0, epoch, may_begin and not begins and '1' or '0', refused }
