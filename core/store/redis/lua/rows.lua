-- Conversations, claims, outcomes, rights and dead letters: what the operations that write have in common.

-- Binds a new conversation to its home (SEMANTICS 9). The caller has looked that it is nobody's. `top`: its last sequence, and
-- `last` when that came: nil while there is none.
local function conversation_for(name, home, channel, customer, top, last)
  local key = P .. 'conv:' .. name
  local cells = { 'home', home, 'top', top, 'oldest', 1, 'epoch', 0, 'channel', channel, 'customer', customer }
  if last then cells[13], cells[14] = 'last', last end
  R('HSET', key, unpack(cells))
  R('SADD', P .. 'customer:' .. customer, name)
  R('HSETNX', P .. 'home:' .. home, 'epoch', 1)
end

-- 'free', 'own', 'other', or 'ask': whose it is another partition knows. `known`: what its head says, where that was read.
local function owner_of(name, home, is_registered, known)
  local bound = known
  if known == nil then bound = R('HGET', P .. 'conv:' .. name, 'home') end
  if bound then return bound == home and 'own' or 'other' end
  if is_registered == '0' then return 'ask' end
  local promised = R('HGET', P .. 'bound', name)
  if promised and promised ~= home then return 'other' end
  return 'free'
end

-- Log row, entries and the message's own row in one step (SEMANTICS 10). Its sequence, offset (0: none) and number.
local function append(name, home, message)
  local conversation = P .. 'conv:' .. name
  local sequence = R('HINCRBY', conversation, 'top', 1)
  R('HSET', conversation, 'last', message.received)
  local log = { 'XADD', P .. 'log:' .. name, int(sequence) .. '-0', 'i', message.id, 'b', message.body, 'n', message.note or '0' }
  R(unpack(log))
  local offset = 0
  if message.inbox then
    offset = R('HINCRBY', P .. 'home:' .. home, 'top', 1)
    R('HSETNX', P .. 'home:' .. home, 'epoch', 1)
    R('XADD', P .. 'inbox:' .. home, int(offset) .. '-0', 'c', name, 's', int(sequence))
  end
  local number = count('next', 1)
  local size = #message.body + 300
  R('HSET', row('m:' .. message.id), 'n', number, 'c', name, 's', sequence, 'o', offset, 'at', int(NOW), 'z', size)
  R('ZADD', P .. 'rows', number, message.id)
  count('bytes', size)
  return sequence, offset, number
end

-- No outcome names it, so its cause does: what was accepted for it, and notes.
local function caused_by(cause, id, number)
  if R('HEXISTS', row('m:' .. cause), 's') == 1 then R('ZADD', P .. 'caused:' .. cause, int(number), id) end
end

local function patch(name, agent, ticket, raise)
  local key = P .. 'conv:' .. name
  if raise == '1' then R('HINCRBY', key, 'epoch', 1) end
  if agent == '0' then
    R('HDEL', key, 'agent')
  elseif agent ~= '' then
    R('HSET', key, 'agent', string.sub(agent, 2))
  end
  if ticket then R('HSET', key, 'ticket', ticket) end
end

-- Claims ---------------------------------------------------------------------------------------------------------------

-- How the row a claim stands for stands: state, reply, failure. What was accepted without work was taken by being stored.
local function standing(ref)
  local outcome, reply, failure, open = fields(row(ref), 'oc', 'rp', 'fl', 'st')
  if outcome then return outcome, reply, failure end
  if not open then return 'taken', false, false end
  return kind_of(ref) == 'claim' and 'begun' or 'running', false, false
end

-- The outcome outlives content and claim, whichever goes last.
local function drop_claim(key)
  local ref = R('HGET', P .. 'key:' .. key, 'ref')
  R('DEL', P .. 'key:' .. key)
  R('ZREM', P .. 'keys', key)
  if R('HEXISTS', row(ref), 's') == 1 then
    R('HDEL', row(ref), 'k')
  else
    R('DEL', row(ref))
  end
end

-- What holds a key: ref, fingerprint, conversation, sequence. One whose time is over and whose outcome is known is dropped here.
local function holding(key)
  local ref, fingerprint, conversation, sequence, expires = fields(P .. 'key:' .. key, 'ref', 'fp', 'c', 's', 'x')
  if not ref then return nil end
  if tonumber(expires) <= NOW then
    local state = standing(ref)
    if state ~= 'running' and state ~= 'begun' and state ~= 'unknown' then return nil, true end
  end
  return { ref = ref, fingerprint = fingerprint, conversation = conversation or '', sequence = tonumber(sequence) }
end

-- The caller writes the key into the row as `k`.
local function keep_claim(key, ref, claim)
  local expires = int(NOW + tonumber(claim.ttl))
  R('HSET', P .. 'key:' .. key, 'ref', ref, 'fp', claim.fingerprint, 'c', claim.conversation, 's', claim.sequence, 'x', expires)
  R('ZADD', P .. 'keys', expires, key)
end

local function make_claim(key, ref, claim)
  keep_claim(key, ref, claim)
  R('HSET', row(ref), 'k', key)
end

-- Outcomes -------------------------------------------------------------------------------------------------------------

local function set_or_drop(key, name, value)
  if value then R('HSET', key, name, value) else R('HDEL', key, name) end
end

-- { outcome, attempt, replies, wait, reply, failure, attempts }; `also`: what goes with what it has no value for.
local function store_outcome(ref, ended, also)
  local key = row(ref)
  local put = { 'oc', ended.outcome, 'no', '0', 'ow', int(WALL), 'ok', int(NOW), 'oa', ended.attempt or '0' }
  local drop = { unpack(also or {}) }
  local function keep(name, value)
    if value then
      put[#put + 1] = name
      put[#put + 1] = value
    else
      drop[#drop + 1] = name
    end
  end
  keep('or', ended.replies)
  keep('wu', ended.wait)
  keep('rp', ended.reply)
  keep('fl', ended.failure)
  keep('tr', ended.attempts)
  R('HSET', key, unpack(put))
  if #drop > 0 then R('HDEL', key, unpack(drop)) end
  local letter = string.sub(ref, 1, 2)
  if letter == 'p:' or letter == 't:' then R('ZADD', P .. 'settled', int(NOW), ref) end
end

-- Ends an open row; what it was stays as an outcome. The caller has told the time.
local function end_work(ref, ended)
  local lane, priority = fields(row(ref), 'ln', 'pr')
  leave_lane(ref, lane, priority)
  count('open:' .. kind_of(ref), -1)
  store_outcome(ref, ended, WORK_CELLS)
end

-- The return right ------------------------------------------------------------------------------------------------------

local function pushes_of(id)
  local found = {}
  for _, ref in ipairs(R('ZRANGE', P .. 'owed:' .. id, 0, -1)) do
    local state, attempt, holder, flushed = fields(row(ref), 'st', 'a', 'holder', 'flushed')
    found[#found + 1] = { ref = ref, state = state, attempt = tonumber(attempt or '0'), holder = holder, flushed = flushed == '1' }
  end
  return found
end

local function is_begun(push)
  return (not push.state and not push.flushed) or push.attempt > 0
end

-- A push has begun or a waiter holds the right. A flushed reply may be given to a duplicate once more.
local function is_gone(id)
  for _, push in ipairs(pushes_of(id)) do
    if is_begun(push) or push.state == HANDED then return true end
  end
  return false
end

-- Dead letters: a copy of the body, so that the log can be cut while the dead letter stays ------------------------------

local function bury(ref, home, failure, attempts)
  local id = id_of(ref)
  local key = P .. 'dead:' .. id
  if R('EXISTS', key) == 1 then return end
  local kind = kind_of(ref)
  local own = row(ref)
  local media, raw, subject, part, channel, begun = fields(own, 'mt', 'raw', 'lg', 'part', 'tg', 'b')
  local body, note, sequence = begun, '0', '0'
  if kind ~= 'claim' then
    local conversation
    conversation, sequence = fields(row('m:' .. (kind == 'message' and id or subject)), 'c', 's')
    if not conversation then return end
    body, note = entry(conversation, sequence)
  end
  R('HSET', key, 'kd', kind, 'hm', home, 'at', int(WALL), 's', sequence, 'b', body, 'nt', note, 'f', failure)
  set_or_drop(key, 'tr', attempts)
  if media then R('HSET', key, 'mt', media, 'raw', raw) end
  if kind == 'push' then R('HSET', key, 'part', part, 'tg', channel) end
  R('ZADD', P .. 'dead', 0, id)
end

local function drop_dead(id)
  R('ZREM', P .. 'dead', id)
  return R('DEL', P .. 'dead:' .. id) == 1
end
