-- Keep a conversation that goes to people, once, and let go of the oldest ones beyond the agent's bounds. A call of a
-- conversation that is with people already joins the handover that an earlier call of it opened.
--
-- KEYS  1  escalations  stream: what is told of each handover without its messages, oldest first
--       2  handed       hash: digest of the opening call's id to "<id in the stream> <messages of the latest call>",
--                       and of a later call's to "<id in the stream> @<digest of the opening call's id>"
--       3  bytes        string: the sizes of all that is kept, together
--       4  open         hash: conversation to the digest of the call that opened its handover, until a person replies
--       5  turns        hash: digest of an opening call's id to "<bytes beyond the entry's size> <messages that its
--                       latest call had> <calls after the opening one> <digest of each that is told of>…"
--       6  outbox       hash: digest of a call's id to what the webhook is still to be told of it, as JSON
--       7  claims       hash: the same digest to "<milliseconds until which a replica delivers it> <those of its entry>"
--       8  outbox_bytes string: the sizes of the outbox's entries, together
-- ARGV  1  digest of the call's id, 2  messages as JSON
--       3  bytes that may be kept, 4  handovers that may be kept, 5  seconds that each may be kept
--       6  the conversation, or '', 7  messages that the call had
--       8  seconds for which a handover is joined, 9  calls of one handover that are told of, the opening one included
--       10  milliseconds for which the caller delivers the call itself, 0 where nobody is to be told
--       11  bytes that the outbox may take; beyond them the caller's own memory has the delivery alone
--       then the fields of the entry; `digest` and `size` are added to them
-- Returns the entry's id in the stream, the opening call's id, the call's number among those of the handover (0 beyond
-- those that are told of), and how many messages the call before it had (-1: not known).

local STREAM, HANDED, BYTES, OPEN, TURNS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local OUTBOX, CLAIMS, OUTBOX_BYTES = KEYS[6], KEYS[7], KEYS[8]
local FIRST_FIELD, OPEN_COST, TURN_COST = 12, 200, 150
local digest, messages = ARGV[1], ARGV[2]
local most_bytes, most, seconds = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local conversation, said = ARGV[6], ARGV[7]
local joined_seconds, most_delivered = tonumber(ARGV[8]), tonumber(ARGV[9])
local claim_ms, outbox_most = tonumber(ARGV[10]), tonumber(ARGV[11])
local time = redis.call('TIME')
local now = tonumber(time[1])

local function fields_of(entry)
  local found = {}
  for index = 1, #entry[2], 2 do found[entry[2][index]] = entry[2][index + 1] end
  return found
end

local function words_of(text)
  local words = {}
  for word in string.gmatch(text or '', '%S+') do words[#words + 1] = word end
  return words
end

local function age_of(entry) return now - tonumber(string.match(entry, '^%d+')) / 1000 end

local function opening_of(entry)
  local found = redis.call('XRANGE', STREAM, entry, entry)[1]
  return found and fields_of(found)
end

local before = redis.call('HGET', HANDED, digest)
local opening = before and opening_of(string.match(before, '^%S+'))
if opening then
  local number = 1
  for index, word in ipairs(words_of(redis.call('HGET', TURNS, opening.digest))) do
    if index > 3 and word == digest then number = index - 2 end
  end
  return {string.match(before, '^%S+'), opening.call_id, number, -1}
end

local bytes

local function forget(old)
  local found = fields_of(old)
  local size = tonumber(found.size or '0')
  redis.call('XDEL', STREAM, old[1])
  if found.digest then
    local turns = words_of(redis.call('HGET', TURNS, found.digest))
    for index = 4, #turns do redis.call('HDEL', HANDED, turns[index]) end
    if found.conversation and redis.call('HGET', OPEN, found.conversation) == found.digest then
      redis.call('HDEL', OPEN, found.conversation)
    end
    redis.call('HDEL', TURNS, found.digest)
    redis.call('HDEL', HANDED, found.digest)
    size = size + tonumber(turns[1] or '0')
  end
  bytes = redis.call('DECRBY', BYTES, size)
end

local function join(opener, kept)
  local entry, latest = string.match(kept, '^(%S+) (.*)$')
  local turns = words_of(redis.call('HGET', TURNS, opener))
  local grown, had, number = #messages - #latest, turns[2], tonumber(turns[3]) + 2
  redis.call('HSET', HANDED, opener, entry .. ' ' .. messages)
  if number <= most_delivered then
    redis.call('HSET', HANDED, digest, entry .. ' @' .. opener)
    turns[#turns + 1], grown = digest, grown + TURN_COST
  end
  turns[1], turns[2], turns[3] = tostring(tonumber(turns[1]) + grown), said, tostring(number - 1)
  redis.call('HSET', TURNS, opener, table.concat(turns, ' '))
  bytes = redis.call('INCRBY', BYTES, grown)
  return {entry, opening_of(entry).call_id, number <= most_delivered and number or 0, tonumber(had)}
end

local function begin()
  local size, fields, call_id = #digest + #messages, {'digest', digest}, ''
  for index = FIRST_FIELD, #ARGV do
    size = size + #ARGV[index]
    fields[#fields + 1] = ARGV[index]
    if ARGV[index] == 'call_id' and (index - FIRST_FIELD) % 2 == 0 then call_id = ARGV[index + 1] end
  end
  if conversation ~= '' then size = size + OPEN_COST end
  fields[#fields + 1], fields[#fields + 2] = 'size', tostring(size)
  local entry = redis.call('XADD', STREAM, '*', unpack(fields))
  redis.call('HSET', HANDED, digest, entry .. ' ' .. messages)
  if conversation ~= '' then
    redis.call('HSET', OPEN, conversation, digest)
    redis.call('HSET', TURNS, digest, '0 ' .. said .. ' 0')
  end
  bytes = redis.call('INCRBY', BYTES, size)
  return {entry, call_id, 1, -1}
end

local function keep_for_webhook(place)
  if claim_ms == 0 or place[3] == 0 then return end
  local event = {messages = messages}
  for index = FIRST_FIELD, #ARGV, 2 do event[ARGV[index]] = ARGV[index + 1] end
  local text = cjson.encode({event = event, place = place})
  if tonumber(redis.call('GET', OUTBOX_BYTES) or '0') + #text > outbox_most then return end
  local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('HSET', OUTBOX, digest, text)
  redis.call('HSET', CLAIMS, digest, string.format('%.0f %.0f', now_ms + claim_ms, now_ms))
  redis.call('INCRBY', OUTBOX_BYTES, #text)
end

local opener = conversation ~= '' and redis.call('HGET', OPEN, conversation)
local kept = opener and redis.call('HGET', HANDED, opener)
local place
if kept and age_of(kept) <= joined_seconds then place = join(opener, kept) else place = begin() end
keep_for_webhook(place)

while true do
  local old = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
  if old[1] == place[1] or not (age_of(old[1]) > seconds or bytes > most_bytes or redis.call('XLEN', STREAM) > most) then
    break
  end
  forget(old)
end

for index = 1, #KEYS do redis.call('EXPIRE', KEYS[index], seconds) end
return place
