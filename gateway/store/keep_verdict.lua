-- Keep what a judge found of one call, once, and count it.
--
-- KEYS  1  judge:call:KEY  string: a claim, `undecided`, or the verdict as JSON
--       2  judge:sums:JUDGE:ROLLOUT  hash: counts by version, as `version|name`
-- ARGV  1  the verdict as JSON, or `undecided`, 2  seconds that it is kept, 3  seconds that the sums are kept
--       4… pairs of a field of the sums and what is added to it
-- Returns 1 when it is kept, 0 when there was a verdict, or nothing to be said any more, before.

local held = redis.call('GET', KEYS[1])
if held and (string.sub(held, 1, 1) == '{' or held == ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for index = 4, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[index], ARGV[index + 1]) end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
