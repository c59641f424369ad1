-- Tries every command that the scripts use, because a script that is refused one in the middle of its work has half of it written.
-- Nothing stays of it.
local HASH, ORDER, SET, LOG, COUNT = P .. 'rights:h', P .. 'rights:z', P .. 'rights:s', P .. 'rights:x', P .. 'rights:n'
local refused
local function try(...)
  local done = redis.pcall(...)
  if type(done) == 'table' and done.err and not refused then refused = done end
end
-- The first: when the memory is full, what drains the store may go on.
draining()
-- Without it something would stay; what an earlier version left so would be in the way.
try('DEL', HASH, ORDER, SET, LOG, COUNT)
if refused then return refused end
try('HSET', HASH, 'a', 1)
try('HSETNX', HASH, 'a', 1)
try('HINCRBY', HASH, 'a', 1)
try('HGET', HASH, 'a')
try('HMGET', HASH, 'a')
try('HEXISTS', HASH, 'a')
try('HKEYS', HASH)
try('HLEN', HASH)
try('EXISTS', HASH)
try('ZADD', ORDER, 1, 'a')
try('ZCARD', ORDER)
try('ZRANGE', ORDER, 0, 0)
try('ZRANGEBYSCORE', ORDER, 0, 1)
try('ZRANGEBYLEX', ORDER, '-', '+')
try('ZREM', ORDER, 'a')
try('ZPOPMIN', ORDER)
try('SADD', SET, 'a')
try('SMEMBERS', SET)
try('XADD', LOG, '1-0', 'a', '1')
try('XRANGE', LOG, '1', '1')
try('XLEN', LOG)
try('XDEL', LOG, '1-0')
try('XTRIM', LOG, 'MINID', '2')
try('INCRBY', COUNT, 1)
try('PEXPIRE', COUNT, 1000)
try('PTTL', COUNT)
try('DEL', HASH, ORDER, SET, LOG, COUNT)
return refused or true
