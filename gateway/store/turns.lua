-- Count the calls of conversations over all replicas: a part that is put before the scripts which use it.
--
-- `new` and `old` are hashes of the conversations that began in the running window of an evidence epoch, and in the window
-- before: `window` is its number, and <s or c><digest> is "<calls> <begun> <closed>" of one on that arm, 0 or 1 each. A
-- conversation is counted until the window after its own ends, and up to the last mark. What has not begun here is counted
-- as well, for the replica with its first call may flush later; without that call it is evidence of nothing.

local WHOLE = 1e6 -- of badness

-- Make `new` that of the running window. Where the store's clock has gone back, it stays.
local function open_window(new, old, number)
  local before = tonumber(redis.call('HGET', new, 'window') or '')
  if before and before >= number then return before end
  if before == number - 1 then redis.call('RENAME', new, old) else redis.call('DEL', new, old) end
  redis.call('HSET', new, 'window', string.format('%d', number))
  return number
end

-- Return what to add to the evidence, by <arm>|bad|<component> and window. `turns` is the batch's list, `digests` those of
-- its units, one after the other.
local function keep_turns(keys, minute, turns, digests, width, limits)
  local new, old = unpack(keys)
  local number, at, sums = open_window(new, old, math.floor(minute / limits.window)), 0, {}
  local marks = limits.marks
  local last = marks[#marks]

  local function note(arm, component, window, party, amount)
    for _, part in ipairs(party == '' and {''} or {'', '@' .. party}) do
      local series = arm .. '|bad|turns:' .. component .. part
      sums[series] = sums[series] or {}
      sums[series][window] = (sums[series][window] or 0) + amount * WHOLE
    end
  end

  local function count(arm, party, calls, begins, is_lost, digest)
    local name, key, window = string.sub(arm, 1, 1) .. digest, new, number
    local held = redis.call('HGET', new, name)
    if not held then
      held = redis.call('HGET', old, name)
      if held then key, window = old, number - 1 end
    end
    if not held and redis.call('HLEN', new) > limits.turns then return end
    local before, begun, closed = string.match(held or '0 0 0', '^(%d+) (%d) (%d)$')
    if closed == '1' then return end
    local counted = begun == '1' and tonumber(before) or 0
    local total = math.min(tonumber(before) + calls, last)
    if is_lost and arm == 'stable' then total = last end
    if is_lost and arm == 'canary' then closed = '1' end
    if begins then begun = '1' end
    redis.call('HSET', key, name, string.format('%d %s %s', total, begun, closed))
    if begun == '0' or total == counted then return end
    note(arm, 'calls', window, party, total - counted)
    for _, mark in ipairs(marks) do
      if counted < mark and mark <= total then note(arm, string.format('%d', mark), window, party, 1) end
    end
  end

  for _, units in ipairs(turns) do
    for _ = 1, units[6] do
      count(units[1], units[2], units[3], units[4], units[5], string.sub(digests, at + 1, at + width))
      at = at + width
    end
  end
  for _, key in ipairs(keys) do redis.call('EXPIRE', key, 3 * 60 * limits.window) end
  return sums
end

