-- Operation 12, find: this partition's rows for a trace, a status, the lists of operators and the ledger. Changes nothing.
local by, what, after, limit, brief = ARGV[3], ARGV[4], opt(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local CAUSED = 100
local out = {}
local function add(...)
  out[#out + 1] = { ... }
end

local function work(ref)
  local state, lane, attempt, due, attempts, conversation, home = fields(row(ref), 'st', 'ln', 'a', 'du', 'tr', 'c', 'h')
  if not state then return end
  -- A begun call is in no conversation and has its home with it.
  home = home or R('HGET', P .. 'conv:' .. (conversation or ''), 'home') or ''
  add('work', kind_of(ref), id_of(ref), lane, state, attempt, int(math.max(0, tonumber(due) - NOW)), attempts, home)
end

local function settled(ref)
  local outcome, at, attempts, reply, failure = fields(row(ref), 'oc', 'ow', 'tr', 'rp', 'fl')
  if outcome then add('settled', id_of(ref), outcome, at, attempts, reply, failure) end
end

local function dead(id)
  local at, sequence, body, failure, attempts, media, kind, home, part, target, note =
    fields(P .. 'dead:' .. id, 'at', 's', 'b', 'f', 'tr', 'mt', 'kd', 'hm', 'part', 'tg', 'nt')
  if not at then return end
  local raw = not brief and media and R('HGET', P .. 'dead:' .. id, 'raw')
  local halts = R('HEXISTS', row('m:' .. id), 'st') == 1 and '1' or '0'
  add('dead', id, kind, home, at, body, note, sequence, raw and media, raw, failure, attempts, part, target, halts)
end

local function claim(key)
  local ref = R('HGET', P .. 'key:' .. key, 'ref')
  if not ref then return end
  local state, reply, failure = standing(ref)
  local handed = ''
  for _, push in ipairs(pushes_of(id_of(ref))) do
    if push.flushed then
      handed = 'flushed'
    elseif push.state == HANDED and handed == '' then
      handed = 'taken'
    end
  end
  add('claim', key, id_of(ref), state, reply, failure, handed)
end

local function message(id)
  local conversation, sequence = fields(row('m:' .. id), 'c', 's')
  if not sequence then return false end
  local body, note = entry(conversation, sequence)
  if body then add('message', body, note, sequence) end
  return true
end

-- What a settle said: ids with their lengths, because an id may hold any character.
local function each_reply(ref, seen)
  local said = R('HGET', row(ref), 'or')
  local at = 1
  while said and at <= #said do
    local colon = string.find(said, ':', at, true)
    local length = tonumber(string.sub(said, at, colon - 1))
    seen[#seen + 1] = string.sub(said, colon + 1, colon + length)
    at = colon + length + 2
  end
end

local function ref_of(id)
  for _, letter in ipairs({ 'm:', 'c:', 'p:', 't:' }) do
    local number, sequence = fields(row(letter .. id), 'n', 's')
    if number and (letter ~= 'm:' or sequence) then return letter .. id, number end
  end
end

local function everything(id)
  local ref = ref_of(id)
  if not ref then return dead(id) end
  local owed = {}
  if message(id) then
    local seen = {}
    each_reply(ref, seen)
    for _, timer in ipairs(R('ZRANGE', P .. 'timers:' .. id, 0, CAUSED - 1)) do each_reply(timer, seen) end
    for _, caused in ipairs(R('ZRANGE', P .. 'caused:' .. id, 0, CAUSED - 1)) do seen[#seen + 1] = caused end
    for index, caused in ipairs(seen) do
      if index <= CAUSED then message(caused) end
    end
    for _, name in ipairs({ 'owed:', 'carry:', 'timers:' }) do
      for _, one in ipairs(R('ZRANGE', P .. name .. id, 0, CAUSED - 1)) do owed[#owed + 1] = one end
    end
  end
  local key = R('HGET', row(ref), 'k')
  if key then claim(key) end
  work(ref)
  settled(ref)
  for _, one in ipairs(owed) do
    work(one)
    settled(one)
    dead(id_of(one))
  end
  dead(id)
end

local function conversation(name)
  local home, customer, channel, top, oldest, epoch, agent, last =
    fields(P .. 'conv:' .. name, 'home', 'customer', 'channel', 'top', 'oldest', 'epoch', 'agent', 'last')
  if home then add('conversation', name, home, customer, channel, top, oldest, epoch, agent, last) end
end

if by == 'id' then
  everything(what)
elseif by == 'key' then
  claim(what)
elseif by == 'conversation' then
  conversation(what)
elseif by == 'customer' then
  for _, name in ipairs(R('SMEMBERS', P .. 'customer:' .. what)) do conversation(name) end
elseif by == 'dead' then
  for _, id in ipairs(R('ZRANGEBYLEX', P .. 'dead', after and '(' .. after or '-', '+', 'LIMIT', 0, limit)) do dead(id) end
elseif by == 'open' then
  local _, number = ref_of(after or '')
  for _, ref in ipairs(R('ZRANGEBYSCORE', P .. 'open', number and '(' .. number or '-inf', '+inf', 'LIMIT', 0, limit)) do work(ref) end
elseif by == 'lane' then
  for _, kind in ipairs({ 'message', 'push', 'claim', 'timer' }) do
    for _, ref in ipairs(R('ZRANGEBYSCORE', lane_key(kind, what), '-inf', '+inf', 'LIMIT', 0, limit)) do work(ref) end
  end
elseif by == 'ledger' then
  local accepted, done, expired, gone, doubt, waiting = fields(META, 'accepted', 'settled', 'expired', 'dead', 'doubt', 'open:message')
  add('ledger', accepted, done, expired, gone, waiting, R('ZCARD', P .. 'dead'), doubt)
end
return out
