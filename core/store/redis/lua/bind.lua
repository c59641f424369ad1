-- Whose a conversation is whose name is kept in this partition; with a home it is promised to him for ever if it is nobody's (SEMANTICS 9).
local conversation, home = ARGV[3], opt(ARGV[4])
local own = R('HGET', P .. 'conv:' .. conversation, 'home')
local bound = own or R('HGET', P .. 'bound', conversation)
if bound or not home then return bound end
R('HSET', P .. 'bound', conversation, home)
return home
