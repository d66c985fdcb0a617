-- Add one replica's batch of counts to the shared sums, exactly once.
--
-- KEYS  1  state     hash: the agent's record
--       2  batch     string: the last sequence of this replica that was applied
--       3  tally     hash: the rollout's sums, <tally key>|<field>
--       4  evidence  hash: the evidence epoch, see below
--       5  units     set: the canary's units
--       6  parties   hash: when each of the agent's parties was last seen, and `since` when they have been watched
--       7  open      hash: the sums of the running interval, see history.lua
--       8  ended     hash: the intervals that have ended
--       9  reasons   hash: the rollout's reasons of failures, see failures.lua
--       10 to 13  what calls have cost, see costs.lua: the running day, days that have ended, conversations new and old
--       14, 15  turns, two hashes: the conversations that began in the running window of the evidence epoch, and in the one
--               before, see turns.lua
--       then two for each component of the batch, sets: stable's bad units, the canary's bad units. Those of units that
--       began in an earlier step are that step's, so that a unit counts once
-- ARGV  1  sequence of the batch
--       2  limits, a JSON object:
--            remember  seconds that the sequence is remembered, keep  seconds that the sums are kept, both after the last flush
--            ended     seconds that the evidence is kept when the record has gone on to other evidence
--            bad       members at which a set of bad units stops growing, units  those at which the set of units does
--            reasons   reasons that a version keeps, calls  calls that a reason names
--            turns  conversations of one window whose calls are counted, marks  the numbers of calls that count, window  minutes
--       3  the batch, a JSON object. cjson makes doubles of numbers, so amounts are text:
--            evidence  its evidence epoch, as text
--            asks      whether anything is bad of the canary, failed  whether a call of its failed
--            stable    stable's judged calls, canary  the canary's, both as text
--            stable_seen  whether stable had calls that are no evidence: there is a control all the same
--            cells     the calls' sums by tally and time, the oldest first: a list of age in seconds, tally key, arm,
--                      list of fields, list of their amounts
--            costs     what the calls have cost, likewise: a list of age in seconds, list of rows, list of conversations
--            has_curves  whether these sums are kept by interval, too
--            errors    the evidence's sums: the list of fields, and the list of their amounts
--            samples   a list of sums, each likewise; when the first amount of one is refused, so are its others
--            units     number of the canary's units
--            parties   the parties that called
--            requests_of  the canary's judged calls by party: the list of parties, and the list of their calls
--            checks    the canary's calls that an absolute limit looked at and found good, by component and party's part:
--                      the list of names, and the list of their calls
--            reasons   why calls failed, see failures.lua; left out where none did
--            bad       a list of: number of the component, arm, component, badness of each unit, party or '', number of units;
--                      stable's first
--            turns     calls of conversations, left out where nobody watches them: a list of arm, party or '', calls, whether
--                      the first is among them, whether one was lost to a failure, number of units
--       4  digests of the units that `units`, then `bad` and then `turns` speak of, WIDTH bytes each, one after the other
-- Returns the record's epoch, the clock, and the evidence when there may be something to decide: a call of the canary
-- failed, a unit of it is bad for the first time, or the batch was applied before and asks again for what it brought about.
--
-- The evidence hash holds, by arm, <arm>|requests|<slot>, <arm>|errors, <arm>|units, <arm>|bad|<component>|<slot> in
-- millionths, <arm>|bad_units|<component>, canary|requests@<party>|<slot>, <arm>|<metric>|n, |total, |squares, |bin|<i>|n and |bin|<i>|total; and `began`,
-- `stable_seen`, `slot`, `callers`, `users` and `watched_since`.
-- canary|checks|<component> counts the calls that an absolute limit looked at and found good, <component>! the units that
-- were bad then. canary|checked is the number of both, of which each 8 share a window: window:<place> is
-- "<window> <name>=<sum> " with one sum for each name, and is written anew for the 32nd window after it. Its name has no
-- bar: older releases read every field with one as a number.
-- <component>~<step> counts the units that began in an earlier step, requests@~<step> the canary's calls of such.
-- canary|bad_units|held counts the canary's calls that are no evidence.
-- <component>@<party> and <metric>@<party> stand for a party's part. A slot that has ended is folded into the text of its series, <arm>|requests or
-- <arm>|bad|<component>: "<slot>:<sum> " again and again, an eighth of the memory.

local TALLY, EVIDENCE, UNITS, PARTIES, OPEN, ENDED = KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local FIXED = 15 -- keys before the sets
local REMEMBERED = 3600 -- seconds for which a party that has called is another one that is served
local AT_ONCE = 1000 -- unpack() has a limit of some thousands
local WIDTH = 12
local CHECKS, WINDOWS = 8, 32

local limits, batch, digests = cjson.decode(ARGV[2]), cjson.decode(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])

-- The same rule as in policies/statistics/restarts.py.
local function slot(minute)
  local shift = 0
  while math.floor(minute / 2 ^ shift) >= 32 do shift = shift + 1 end
  return shift * 16 + math.floor(minute / 2 ^ shift)
end

local function fold(current)
  if redis.call('HGET', EVIDENCE, 'slot') == current then return end
  redis.call('HSET', EVIDENCE, 'slot', current)
  local fields = redis.call('HGETALL', EVIDENCE)
  for index = 1, #fields, 2 do
    local series, ended = string.match(fields[index], '^(.+)|(%d+)$')
    if series and ended ~= current then
      local before = redis.call('HGET', EVIDENCE, series) or ''
      redis.call('HSET', EVIDENCE, series, before .. ended .. ':' .. fields[index + 1] .. ' ')
      redis.call('HDEL', EVIDENCE, fields[index])
    end
  end
end

-- The slot of this minute, as text; the first call of an evidence epoch starts its clock.
local found, minute
local function current_slot()
  if not found then
    redis.call('HSETNX', EVIDENCE, 'began', now)
    local seconds = math.max(0, tonumber(now) - tonumber(redis.call('HGET', EVIDENCE, 'began')))
    minute = math.floor(seconds / 60)
    found = string.format('%d', slot(minute))
    fold(found)
  end
  return found
end

-- A sum that would leave 64 bits stays as it is: a script that stops halfway would count the rest of its batch never.
local function add(key, field, amount)
  local sum = redis.pcall('HINCRBY', key, field, amount)
  if type(sum) ~= 'table' then return true end
  if not (string.find(sum.err, 'overflow') or string.find(sum.err, 'out of range')) then error(sum.err) end
  return false
end

local function add_sums(key, sums)
  local fields, amounts = sums[1], sums[2]
  for index = 1, #fields do add(key, fields[index], amounts[index]) end
end

-- A mean whose squares no longer grow would look more certain than it is; so all of the sample stops with them.
local function add_sample(sums)
  local fields, amounts = sums[1], sums[2]
  for index = 1, #fields do
    if not add(EVIDENCE, fields[index], amounts[index]) then return end
  end
end

local passed = 0 -- bytes of the digests that have been dealt with

-- Put that many of the digests that come next into a set, up to its limit; how many were new.
local function remember(set, count, limit)
  local at, last = passed, passed + count * WIDTH
  local known = redis.call('SCARD', set)
  local room = limit - known
  passed = last
  while at < last and room > 0 do
    local units = {}
    for index = 1, math.min((last - at) / WIDTH, room, AT_ONCE) do
      units[index] = string.sub(digests, at + 1, at + WIDTH)
      at = at + WIDTH
    end
    room = room - redis.call('SADD', set, unpack(units))
  end
  return math.max(0, limit - room - known)
end

local function count_requests(arm, requests)
  if requests == '0' then return end
  add(EVIDENCE, arm .. '|requests|' .. current_slot(), requests)
  if arm == 'stable' then redis.call('HSET', EVIDENCE, 'stable_seen', now) end
end

local function count_units()
  if remember(UNITS, batch.units, limits.units) > 0 then
    redis.call('HSET', EVIDENCE, 'canary|units', redis.call('SCARD', UNITS))
  end
end

-- The latest windows of checks, in a ring. A batch lies in the window in which it begins.
local window, place
local function note(name, amount)
  if not window then
    window = string.format('%d', math.floor(tonumber(redis.call('HGET', EVIDENCE, 'canary|checked') or '0') / CHECKS))
    place = 'window:' .. string.format('%d', window % WINDOWS)
  end
  local text = redis.call('HGET', EVIDENCE, place) or ''
  if string.match(text, '^%d+') ~= window then text = window .. ' ' end
  local before, sum, after = text:match('^(.* ' .. name:gsub('%p', '%%%0') .. '=)(%d+)( .*)$')
  if before then
    text = before .. string.format('%.0f', sum + amount) .. after
  else
    text = text .. name .. '=' .. amount .. ' '
  end
  redis.call('HSET', EVIDENCE, place, text)
end

local checked = 0 -- calls that were looked at, each by one component: errors
local function count_checks(names, amounts)
  for index = 1, #names do
    add(EVIDENCE, 'canary|checks|' .. names[index], amounts[index])
    note(names[index], amounts[index])
    if names[index] == 'errors' then checked = checked + tonumber(amounts[index]) end
  end
end

local function note_bad(component, party, amount)
  if string.sub(component, -1) ~= '!' then return end
  note(component, string.format('%d', amount))
  if party ~= '' then note(component .. '@' .. party, string.format('%d', amount)) end
  checked = checked + amount
end

local news = batch.failed

-- A full set freezes its component for both arms: what one of them could no longer count would tilt the other.
local function count_bad(number, arm, component, badness, party, count)
  local stable, canary = KEYS[FIXED - 1 + 2 * number], KEYS[FIXED + 2 * number]
  local full = redis.call('SCARD', arm == 'stable' and canary or stable) >= limits.bad
  local set = arm == 'stable' and stable or canary
  local new = remember(set, count, full and 0 or limits.bad)
  if new == 0 then return end
  news = news or arm == 'canary'
  local amount = string.format('%.0f', new * badness)
  add(EVIDENCE, arm .. '|bad|' .. component .. '|' .. current_slot(), amount)
  add(EVIDENCE, arm .. '|bad_units|' .. component, new)
  if arm == 'canary' then note_bad(component, party, new) end
  if party == '' then return end
  add(EVIDENCE, arm .. '|bad|' .. component .. '@' .. party .. '|' .. current_slot(), amount)
  add(EVIDENCE, arm .. '|bad_units|' .. component .. '@' .. party, new)
end

local function count_requests_of(parties, requests)
  for index = 1, #parties do
    add(EVIDENCE, 'canary|requests@' .. parties[index] .. '|' .. current_slot(), requests[index])
  end
end

-- Parties are known over all steps: who is alone in a young one may have been seen beside others just before.
local function watch_parties()
  if #batch.parties == 0 then return end
  for _, party in ipairs(batch.parties) do redis.call('HSET', PARTIES, party, now) end
  redis.call('HSETNX', PARTIES, 'since', now)
  local seen, known = { c = 0, u = 0 }, redis.call('HGETALL', PARTIES)
  for index = 1, #known, 2 do
    local kind = string.sub(known[index], 1, 1)
    if seen[kind] and tonumber(now) - tonumber(known[index + 1]) > REMEMBERED then
      redis.call('HDEL', PARTIES, known[index])
    elseif seen[kind] then
      seen[kind] = seen[kind] + 1
    end
  end
  redis.call('EXPIRE', PARTIES, REMEMBERED)
  if redis.call('EXISTS', EVIDENCE) == 0 then return end
  local since = redis.call('HGET', PARTIES, 'since')
  redis.call('HSET', EVIDENCE, 'callers', seen.c, 'users', seen.u, 'watched_since', since)
end

-- Whether the bad units of the batch's step are asked for in the running one, where its conversations go on.
local function is_earlier()
  for _, step in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'earlier') or '[]')) do
    if string.format('%d', step[1]) == batch.evidence then return true end
  end
  return false
end

-- Late calls of a step that has ended shorten the life of what nobody decides on any more.
local function keep()
  local running = redis.call('HGET', KEYS[1], 'evidence') or batch.evidence
  local has_ended = running ~= batch.evidence
  local keeps_sets = not has_ended or is_earlier()
  redis.call('EXPIRE', TALLY, limits.keep)
  if batch.reasons then redis.call('EXPIRE', KEYS[9], limits.keep) end
  for _, key in ipairs({EVIDENCE, UNITS}) do redis.call('EXPIRE', key, has_ended and limits.ended or limits.keep) end
  for index = FIXED + 1, #KEYS do redis.call('EXPIRE', KEYS[index], keeps_sets and limits.keep or limits.ended) end
end

local function count_calls()
  for _, cell in ipairs(batch.cells) do
    local _, key, _, fields, amounts = unpack(cell)
    for index = 1, #fields do add(TALLY, key .. '|' .. fields[index], amounts[index]) end
  end
  if #batch.costs > 0 then keep_costs({unpack(KEYS, 10, 13)}, tonumber(now), batch.costs, add) end
  if batch.has_curves then keep_history(OPEN, ENDED, tonumber(now), batch.cells, add) end
end

local function apply()
  count_requests('stable', batch.stable)
  if batch.stable_seen then redis.call('HSET', EVIDENCE, 'stable_seen', now) end
  count_requests('canary', batch.canary)
  count_calls()
  add_sums(EVIDENCE, batch.errors)
  for _, sums in ipairs(batch.samples) do add_sample(sums) end
  if batch.reasons then keep_reasons(KEYS[9], batch.reasons, limits.reasons, limits.calls) end
  count_units()
  count_requests_of(unpack(batch.requests_of))
  if batch.checks then count_checks(unpack(batch.checks)) end
  for _, units in ipairs(batch.bad) do count_bad(unpack(units)) end
  if batch.turns then
    current_slot()
    local unread = string.sub(digests, passed + 1)
    for series, windows in pairs(keep_turns({unpack(KEYS, 14, 15)}, minute, batch.turns, unread, WIDTH, limits)) do
      for window, amount in pairs(windows) do
        local place = string.format('%d', slot(window * limits.window))
        add(EVIDENCE, series .. '|' .. place, string.format('%.0f', amount))
      end
    end
  end
  if checked > 0 then add(EVIDENCE, 'canary|checked', string.format('%d', checked)) end
  watch_parties()
  keep()
end

if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[2]) or '0') then
  local refusal = refuse_unpermitted({
    {'HINCRBY', TALLY, 'field', '1'}, {'HSET', EVIDENCE, 'field', '1'}, {'HSETNX', EVIDENCE, 'field', '1'},
    {'RENAME', OPEN, ENDED}, {'HGET', EVIDENCE, 'field'}, {'HGETALL', EVIDENCE}, {'HDEL', EVIDENCE, 'field'},
    {'HLEN', EVIDENCE},
    {'SADD', UNITS, 'member'}, {'SCARD', UNITS}, {'EXISTS', EVIDENCE}, {'EXPIRE', EVIDENCE, '1'}, {'DEL', EVIDENCE},
  })
  if refusal then return refusal end
  -- The first write: where the server refuses writes (full, read only), it refuses here, before anything was counted.
  redis.call('SET', KEYS[2], ARGV[1], 'EX', limits.remember)
  apply()
else
  news = true -- to the replica that has not heard the first answer
end

return {redis.call('HGET', KEYS[1], 'epoch') or '0', now, batch.asks and news and redis.call('HGETALL', EVIDENCE)}
