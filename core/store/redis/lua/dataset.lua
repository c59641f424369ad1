-- What this server's data is: how many partitions it was made with, and its incarnation. A server that has become another one (a restart,
-- a restore, a failover: `replid` says so) may have lost something, so its data gets a new one (SEMANTICS 12).
local replid, fresh, wanted = ARGV[3], ARGV[4], ARGV[5]
local key = P .. 'dataset'
local incarnation, made_under, partitions = fields(key, 'incarnation', 'replid', 'partitions')
if not incarnation then
  R('HSET', key, 'incarnation', fresh, 'replid', replid, 'partitions', wanted)
  return { fresh, wanted, 'new' }
end
if made_under == replid then return { incarnation, partitions, 'same' } end
draining()
R('HSET', key, 'incarnation', fresh, 'replid', replid)
return { fresh, partitions, 'other' }
