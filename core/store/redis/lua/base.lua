-- What every script begins with: the partition's keys, its clock, its leases and its rows. KEYS[1] is the partition's `meta`.
-- ARGV[1]: wall clock in place of the server's, for tests; ARGV[2]: the most that can have passed since the caller's last write.
local R = redis.call
local META = KEYS[1]
local P = string.sub(META, 1, -5)
local DAY = 86400000

-- `%d` is a long of the machine: a server of 32 bits is refused (server.ts).
local function int(number)
  return string.format('%d', number)
end

-- An argument that may be missing: '' is none, else one character and the text.
local function opt(text)
  if text == '' then return nil end
  return string.sub(text, 2)
end

local function fields(key, ...)
  return unpack(R('HMGET', key, ...))
end

-- SEMANTICS 25: store time follows the server's clock, but not its jumps.
local WALL
if ARGV[1] == '' then
  local time = R('TIME')
  WALL = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
else
  WALL = tonumber(ARGV[1])
end
local NOW = WALL
-- What a migration says to everybody else (guard.lua), and what accept counts: asked for together, because it is in every script's way.
local HELD, TOTALS
do
  local clock, wall, held, next, bytes, accepted, ended, open =
    fields(META, 'clock', 'wall', 'held', 'next', 'bytes', 'accepted', 'settled', 'open:message')
  HELD = held
  TOTALS = { next = next or '0', bytes = bytes or '0', accepted = accepted or '0', ended = ended or '0', open = open or '0' }
  if clock then
    local passed = WALL - tonumber(wall)
    local most = ARGV[2] == '' and DAY or tonumber(ARGV[2])
    NOW = tonumber(clock) + math.max(0, math.min(passed, most))
  end
end

local function keep_time()
  R('HSET', META, 'clock', int(NOW), 'wall', int(WALL))
end

-- Redis looks at its memory before a script's first write and never after it; what drains the store begins with one that is always
-- allowed, so that it goes on when accept and claim are refused (SEMANTICS 42).
local function draining()
  R('HDEL', META, '-')
end

local function count(name, by)
  return R('HINCRBY', META, name, by)
end

-- Leases -------------------------------------------------------------------------------------------------------------

-- Whether this fence is the last one given out for the lease.
local function is_current(name, counter, random)
  local held, word = fields(P .. 'lease:' .. name, 'counter', 'random')
  return held == counter and word == random
end

local function is_live(name, counter, random)
  local held, word, expires = fields(P .. 'lease:' .. name, 'counter', 'random', 'expires')
  return held == counter and word == random and tonumber(expires) > NOW
end

local function lease_of(counter)
  return R('HGET', P .. 'fences', counter)
end

-- Whether what was begun under this counter still has its owner.
local function owns(counter)
  local name = lease_of(counter)
  if not name then return false end
  local held, expires = fields(P .. 'lease:' .. name, 'counter', 'expires')
  return held == counter and tonumber(expires) > NOW
end

-- Rows: `m:` a message, `p:` a push, `t:` a timer, `c:` a begun call -------------------------------------------------

local LETTER = { message = 'm:', push = 'p:', timer = 't:', claim = 'c:' }
local KIND = { ['m:'] = 'message', ['p:'] = 'push', ['t:'] = 'timer', ['c:'] = 'claim' }

local function row(ref)
  return P .. 'r:' .. ref
end

local function kind_of(ref)
  return KIND[string.sub(ref, 1, 2)]
end

local function id_of(ref)
  return string.sub(ref, 3)
end

-- The log's entry as body and whether it is a note; false if it was cut.
local function entry(conversation, sequence)
  local found = R('XRANGE', P .. 'log:' .. conversation, sequence, sequence)[1]
  if not found then
    local tombstone = R('HGET', P .. 'gone:' .. conversation, sequence)
    return tombstone, '0'
  end
  return found[2][4], found[2][6]
end
