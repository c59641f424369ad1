-- What this server's data is: how many partitions it was made with, and its incarnation. A server that has become another one (a restart,
-- a restore, a failover: `replid` says so) may have lost something, so its data gets a new one (SEMANTICS 12). And how far its clock is
-- held behind the server's, as in this partition: a gateway's leases have them all written (SEMANTICS 25).
-- `lost`: the `made` of data of which a part is gone: if that stands here, nobody has made it anew yet.
local replid, fresh, wanted, lost = ARGV[3], ARGV[4], ARGV[5], opt(ARGV[6])
local key, held = P .. 'dataset', int(math.max(0, WALL - NOW))
-- `made` goes on over failovers: another one means that the data was lost. `marked`: the `made` under which every partition was marked.
local incarnation, made_under, partitions, made, marked = fields(key, 'incarnation', 'replid', 'partitions', 'made', 'marked')
if not incarnation then
  R('HSET', key, 'incarnation', fresh, 'replid', replid, 'partitions', wanted, 'made', fresh)
  return { fresh, wanted, 'new', held, fresh, 0 }
end
made = made or ''
-- Written whatever was found: a server that takes no writes is not begun with.
draining()
if lost == made then
  R('HSET', key, 'incarnation', fresh, 'replid', replid, 'made', fresh)
  return { fresh, partitions, 'emptied', held, fresh, 0 }
end
local is_marked = marked == made and 1 or 0
if made_under == replid then return { incarnation, partitions, 'same', held, made, is_marked } end
R('HSET', key, 'incarnation', fresh, 'replid', replid)
return { fresh, partitions, 'other', held, made, is_marked }
