--- What an account is called within one story, as `stories.tag` says it.
local function tag(uid) return string.sub(redis.sha1hex(uid), 1, 10) end
