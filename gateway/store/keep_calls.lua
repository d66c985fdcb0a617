-- Keep the records of calls that have ended, tell each call's conversation, and let go of the oldest beyond the bounds.
--
-- KEYS  1  calls    stream: an entry for each call that went well, oldest first: key, thread, joins, size and summary
--       2  notable  stream: the same for calls that did not, or not at once: what is looked for later is kept longer
--       3  records  hash: a call's key to its record
--       4  threads  hash: a conversation's key to the keys of its calls, with a space behind each
--       5  joins    hash: a sign of a conversation, such as a tool call's, to the conversation's key
--       6  calls_bytes, 7  notable_bytes  strings: about what the calls of each stream take, together
-- ARGV  1  bytes that each stream's calls may take, 2  calls of one conversation that are found by it
--       3  seconds that each may be kept
--       4  a JSON array of calls, each an array: key, conversation's key, joins, links, whether it is notable, summary, record.
--          A join says to which conversation the call belongs; a link only which other conversations belong beside it
-- Returns the number of calls that are new. A call that is there already is left as it is.

local RECORDS, THREADS, JOINS = KEYS[3], KEYS[4], KEYS[5]
local RINGS = {[false] = {KEYS[1], KEYS[6]}, [true] = {KEYS[2], KEYS[7]}}
local most_bytes, most_calls, seconds = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local PER_CALL, PER_JOIN = 350, 90 -- bytes that the server needs beside the texts
local FORGOTTEN_AT_ONCE = 8 -- for each new call: bounds that were lowered take effect bit by bit
local MOST_LINKED = 20 -- conversations of one trace that are found by it

local calls = cjson.decode(ARGV[4])
local second, microsecond = unpack(redis.call('TIME'))
local oldest = tonumber(second) - seconds
local millisecond = tonumber(second) * 1000 + math.floor(microsecond / 1000)
local number = microsecond % 1000 * 1000 -- in the millisecond: both streams of one script are in one order
local new = 0

-- Add an entry to a stream; after a clock that has gone back the server tells its place.
local function add(stream, ...)
  number = number + 1
  local id = string.format('%.0f-%.0f', millisecond, number)
  local added = redis.pcall('XADD', stream, id, ...)
  if type(added) == 'table' and added.err then redis.call('XADD', stream, '*', ...) end
end

local function thread_of(given, joins)
  for _, join in ipairs(joins) do
    local known = redis.call('HGET', JOINS, join)
    if known then return known end
  end
  return given
end

local function append(hash, field, word, most)
  local words = (redis.call('HGET', hash, field) or '') .. word .. ' '
  local width = #word + 1
  if #words > most * width then words = string.sub(words, #words - most * width + 1) end
  redis.call('HSET', hash, field, words)
end

local function remove(hash, field, word)
  local words = redis.call('HGET', hash, field)
  if not words then return end
  local first, last = string.find(words, word .. ' ', 1, true)
  if first then words = string.sub(words, 1, first - 1) .. string.sub(words, last + 1) end
  if words == '' then redis.call('HDEL', hash, field) else redis.call('HSET', hash, field, words) end
end

local function forget(ring, old)
  local found = {}
  for index = 1, #old[2], 2 do found[old[2][index]] = old[2][index + 1] end
  redis.call('XDEL', ring[1], old[1])
  redis.call('HDEL', RECORDS, found.key or '')
  remove(THREADS, found.thread or '', found.key or '')
  for join in string.gmatch(found.joins or '', '%S+') do
    if redis.call('HGET', JOINS, join) == found.thread then redis.call('HDEL', JOINS, join) end
  end
  if not redis.call('HGET', THREADS, found.thread or '') then
    for link in string.gmatch(found.links or '', '%S+') do remove(JOINS, link, found.thread or '') end
  end
  redis.call('DECRBY', ring[2], tonumber(found.size or '0'))
end

local function make_room(ring)
  local entry = redis.call('XRANGE', ring[1], '-', '+', 'COUNT', 1)[1]
  if not entry then return false end
  local is_late = tonumber(string.match(entry[1], '^%d+')) / 1000 < oldest
  if not is_late and tonumber(redis.call('GET', ring[2]) or '0') <= most_bytes then return false end
  forget(ring, entry)
  return true
end

for _, call in ipairs(calls) do
  local key, given, joins, links, is_notable, summary, record = unpack(call)
  if redis.call('HSETNX', RECORDS, key, record) == 1 then
    new = new + 1
    local ring, thread = RINGS[is_notable], thread_of(given, joins)
    for _, join in ipairs(joins) do redis.call('HSETNX', JOINS, join, thread) end
    append(THREADS, thread, key, most_calls)
    for _, link in ipairs(links) do
      remove(JOINS, link, thread)
      append(JOINS, link, thread, MOST_LINKED)
    end
    local size = PER_CALL + #summary + #record + PER_JOIN * (#joins + #links)
    add(ring[1], 'key', key, 'thread', thread, 'joins', table.concat(joins, ' '),
      'links', table.concat(links, ' '), 'size', tostring(size), 'summary', summary)
    redis.call('INCRBY', ring[2], size)
    for _ = 1, FORGOTTEN_AT_ONCE do
      if not make_room(ring) then break end
    end
  end
end

for index = 1, #KEYS do redis.call('EXPIRE', KEYS[index], seconds) end
return new
