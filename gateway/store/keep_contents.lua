-- Keep the contents of calls, and tell whose turn it is to go beyond the bounds.
--
-- KEYS  1  contents  stream: an entry for each content, oldest first: call's key, conversation's key, size
--       2  contents_bytes  string: about what the contents take, together
--       3… content:KEY  string: the content of the call of that key; it ends by itself
-- ARGV  1  bytes that the contents may take, 2  seconds that each is kept
--       3  a JSON array of contents, each an array: call's key, conversation's key, text; in the order of KEYS 3…
-- Returns the keys of calls whose contents are to be deleted. One that is there already is left as it is.

local RING, BYTES = KEYS[1], KEYS[2]
local most, seconds = tonumber(ARGV[1]), tonumber(ARGV[2])
local PER_CONTENT = 250 -- bytes that the server needs beside the text
local FORGOTTEN_AT_ONCE = 8 -- for each new content: bounds that were lowered take effect bit by bit

local oldest = tonumber(redis.call('TIME')[1]) - seconds
local gone = {}

local function make_room()
  local entry = redis.call('XRANGE', RING, '-', '+', 'COUNT', 1)[1]
  if not entry then return false end
  local is_late = tonumber(string.match(entry[1], '^%d+')) / 1000 < oldest
  if not is_late and tonumber(redis.call('GET', BYTES) or '0') <= most then return false end
  local found = {}
  for index = 1, #entry[2], 2 do found[entry[2][index]] = entry[2][index + 1] end
  redis.call('XDEL', RING, entry[1])
  redis.call('DECRBY', BYTES, tonumber(found.size or '0'))
  gone[#gone + 1] = found.key
  return true
end

for index, content in ipairs(cjson.decode(ARGV[3])) do
  local key, thread, text = unpack(content)
  if redis.call('SET', KEYS[2 + index], text, 'EX', seconds, 'NX') then
    local size = PER_CONTENT + #text
    redis.call('XADD', RING, '*', 'key', key, 'thread', thread, 'size', tostring(size))
    redis.call('INCRBY', BYTES, size)
    for _ = 1, FORGOTTEN_AT_ONCE do
      if not make_room() then break end
    end
  end
end

redis.call('EXPIRE', RING, seconds)
redis.call('EXPIRE', BYTES, seconds)
return gone
