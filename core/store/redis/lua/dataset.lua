-- What this server's data is: how many partitions it was made with, and its incarnation. A server that has become another one (a restart,
-- a restore, a failover: `replid` says so) may have lost something, so its data gets a new one (SEMANTICS 12). And how far its clock is
-- held behind the server's, as in this partition: a gateway's leases have them all written (SEMANTICS 25).
local replid, fresh, wanted = ARGV[3], ARGV[4], ARGV[5]
local key, held = P .. 'dataset', int(math.max(0, WALL - NOW))
-- `made` goes on over failovers: another one means that the data was lost.
local incarnation, made_under, partitions, made = fields(key, 'incarnation', 'replid', 'partitions', 'made')
if not incarnation then
  R('HSET', key, 'incarnation', fresh, 'replid', replid, 'partitions', wanted, 'made', fresh)
  return { fresh, wanted, 'new', held, fresh }
end
-- Written whatever was found: a server that takes no writes is not begun with.
draining()
if made_under == replid then return { incarnation, partitions, 'same', held, made or '' } end
R('HSET', key, 'incarnation', fresh, 'replid', replid)
return { fresh, partitions, 'other', held, made or '' }
