-- Keep a conversation that goes to people, once, and let go of the oldest ones beyond the agent's bounds.
--
-- KEYS  1  escalations  stream: what is told of each conversation without its messages, oldest first
--       2  handed       hash: digest of the call's id to "<id in the stream> <messages>"
--       3  bytes        string: the sizes of all that is kept, together
-- ARGV  1  digest of the call's id, 2  messages as JSON
--       3  bytes that may be kept, 4  conversations that may be kept, 5  seconds that each may be kept
--       then the fields of the entry; `digest` and `size` are added to them
-- Returns the entry's id in the stream. A call that handed over before is left as it is.

local STREAM, HANDED, BYTES = KEYS[1], KEYS[2], KEYS[3]
local digest, messages = ARGV[1], ARGV[2]
local most_bytes, most, seconds = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local before = redis.call('HGET', HANDED, digest)
if before then return string.match(before, '^%S+') end

local size, fields = #digest + #messages, {'digest', digest}
for index = 6, #ARGV do
  size = size + #ARGV[index]
  fields[#fields + 1] = ARGV[index]
end
fields[#fields + 1], fields[#fields + 2] = 'size', tostring(size)

local entry = redis.call('XADD', STREAM, '*', unpack(fields))
redis.call('HSET', HANDED, digest, entry .. ' ' .. messages)
local bytes = redis.call('INCRBY', BYTES, size)

local function forget(old)
  local found = {}
  for index = 1, #old[2], 2 do found[old[2][index]] = old[2][index + 1] end
  redis.call('XDEL', STREAM, old[1])
  if found.digest then redis.call('HDEL', HANDED, found.digest) end
  bytes = redis.call('DECRBY', BYTES, tonumber(found.size or '0'))
end

local oldest = tonumber(redis.call('TIME')[1]) - seconds
while true do
  local old = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
  local is_late = tonumber(string.match(old[1], '^%d+')) / 1000 < oldest
  if old[1] == entry or not (is_late or bytes > most_bytes or redis.call('XLEN', STREAM) > most) then break end
  forget(old)
end

for index = 1, 3 do redis.call('EXPIRE', KEYS[index], seconds) end
return entry
