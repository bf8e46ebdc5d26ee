"""One turn of a worker, in one script: put down what has ended, promote what is due, take what there is room for.

The keys and their contents are RQ's own, so that everything that reads them keeps working: `rq info`, the registries,
dashboards, RQ's own workers on the same queue.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis
from rq.executions import ExecutionRegistry
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED

from integration_app.bootstrap import Services
from integration_app.store import due

AHEAD = 200
"""Jobs that may wait in RQ. What is due beyond that waits in the due set, where it cannot get lost."""
EXECUTION_SECONDS = 90
"""Without a sign of life for so long, RQ takes a job for abandoned."""

_KEYS = f"""
local queue, wip, worker = KEYS[1], KEYS[2], KEYS[3]
local function execution(entry) return 'rq:execution:' .. entry end  -- as in rq.executions.Execution.key
local function executions(job_id) return '{ExecutionRegistry.key_template.format("")}' .. job_id end
local function job(job_id) return '{Job.redis_job_namespace_prefix}' .. job_id end
local function seconds(ms) return string.format('%.3f', ms / 1000) end
local function is_suspended() return redis.call('EXISTS', '{WORKERS_SUSPENDED}') == 1 end
"""

_TURN = """
-- KEYS: queue, jobs in progress, worker · ARGV:
local now, stamp, free, ahead, again = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local name, salt, ttl, worked = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
-- then pairs of job id and execution id that have ended well

local special = {}
for i = 10, #ARGV, 2 do
  local entry = ARGV[i] .. ':' .. ARGV[i + 1]
  if redis.call('EXISTS', job(ARGV[i]) .. ':dependents') == 1 then
    table.insert(special, ARGV[i])  -- somebody made another job wait for this one: RQ's own way knows how to go on
  elseif redis.call('ZREM', wip, entry) == 1 then
    redis.call('DEL', execution(entry), executions(ARGV[i]), job(ARGV[i]))
    redis.call('HINCRBY', worker, 'successful_job_count', 1)
  end
end
if #ARGV > 9 then redis.call('HINCRBYFLOAT', worker, 'total_working_time', worked) end
if free == 0 then return {0, -1, 0, special} end
if is_suspended() then
  redis.call('HSET', worker, 'state', 'suspended')
  return {1, -1, 0, special}
end

local room = ahead - redis.call('LLEN', queue)
if room > 0 then
  for i, uid in ipairs(promote(now, again, room)) do enqueue(uid, salt .. '-' .. i, stamp) end
end
local turn = {0, until_due(now), math.max(0, redis.call('LLEN', queue) - free), special}
for i, job_id in ipairs(redis.call('LPOP', queue, free) or {}) do
  job_id = tostring(job_id)
  local fields = redis.call('HGETALL', job(job_id))
  if #fields > 0 then  -- else it was deleted meanwhile
    local run = salt .. i
    local entry = job_id .. ':' .. run
    redis.call('HSET', job(job_id), 'status', 'started', 'worker_name', name, 'started_at', stamp,
      'last_heartbeat', stamp)
    redis.call('HSET', execution(entry), 'id', run, 'created_at', seconds(now), 'last_heartbeat', seconds(now),
      'worker_name', name)
    redis.call('EXPIRE', execution(entry), ttl)
    redis.call('ZADD', executions(job_id), now / 1000 + ttl + 60, run)  -- the minute is RQ's
    redis.call('EXPIRE', executions(job_id), ttl + 60)
    redis.call('ZADD', wip, now / 1000 + ttl, entry)
    redis.call('HSET', worker, 'state', 'busy')  -- with many there is no current job
    table.insert(turn, {job_id, run, fields})
  end
end
return turn
"""

_HEARTBEAT = """
-- KEYS: queue, jobs in progress, worker · ARGV: now ms, stamp, ttl of executions s, ttl of the worker s, idle 0/1,
--       then pairs of job id and execution id in progress
local now, stamp, ttl = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
for i = 6, #ARGV, 2 do
  local entry = ARGV[i] .. ':' .. ARGV[i + 1]
  if redis.call('ZADD', wip, 'XX', 'CH', now / 1000 + ttl, entry) == 1 then
    redis.call('HSET', execution(entry), 'last_heartbeat', seconds(now))
    redis.call('EXPIRE', execution(entry), ttl)
    redis.call('ZADD', executions(ARGV[i]), now / 1000 + ttl + 60, ARGV[i + 1])
    redis.call('EXPIRE', executions(ARGV[i]), ttl + 60)
    redis.call('HSET', job(ARGV[i]), 'last_heartbeat', stamp)
  end
end
if redis.call('HEXISTS', worker, 'birth') == 0 then return 0 end  -- forgotten, or only what a turn wrote
redis.call('HSET', worker, 'last_heartbeat', stamp)
if ARGV[5] == '1' then
  redis.call('HSET', worker, 'state', is_suspended() and 'suspended' or 'idle')
end
redis.call('EXPIRE', worker, ARGV[4])
return 1
"""

_GIVE_BACK = """
-- KEYS: queue, jobs in progress, worker · ARGV: pairs of job id and execution id
local given = 0
for i = 1, #ARGV, 2 do
  local entry = ARGV[i] .. ':' .. ARGV[i + 1]
  if redis.call('ZREM', wip, entry) == 1 then
    redis.call('DEL', execution(entry), executions(ARGV[i]))
    redis.call('HSET', job(ARGV[i]), 'status', 'queued', 'started_at', '', 'worker_name', '')
    redis.call('LPUSH', queue, ARGV[i])
    given = given + 1
  end
end
return given
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that is ours to run. `fields`: its hash as RQ keeps it."""

    job_id: str
    execution_id: str
    fields: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Turn:
    """`special`: jobs that ended and are not put down, because RQ's own way is needed. `left`: jobs still in the queue.
    `until_due` in seconds.
    """

    taken: Sequence[Taken]
    left: int
    special: Sequence[str]
    until_due: float | None
    suspended: bool


class Turns:
    """Everything that a worker says to RQ's keys."""

    def __init__(self, services: Services, redis: Redis, worker_key: str, name: str) -> None:
        self._name = name
        self._stamp = services.jobs.stamp
        queue = services.jobs.rq
        self._keys = [queue.key, queue.started_job_registry.key, worker_key]
        self._turn = redis.register_script(services.due.lua + services.jobs.lua + _KEYS + _TURN)
        self._heartbeat = redis.register_script(_KEYS + _HEARTBEAT)
        self._give_back = redis.register_script(_KEYS + _GIVE_BACK)

    def take(self, ended: Sequence[Taken], worked: float, *, free: int, now: datetime) -> Turn:
        """Put down `ended` (after `worked` seconds in all), and take up to `free` jobs; with 0 nothing else is done.

        A Redis error comes through; what was to be put down may be handed in again.
        """
        suspended, until_due, left, special, *rows = self._turn(
            keys=self._keys,
            args=[
                int(now.timestamp() * 1000),
                self._stamp(now),
                free,
                AHEAD,
                due.HINT_REPEAT_MS,
                self._name,
                secrets.token_hex(14),
                EXECUTION_SECONDS,
                f"{worked:.6f}",
                *_pairs(ended),
            ],
        )
        return Turn(
            taken=[Taken(job_id.decode(), run.decode(), _fields(flat)) for job_id, run, flat in rows],
            special=[job_id.decode() for job_id in special],
            left=left,
            until_due=until_due / 1000 if until_due >= 0 else None,
            suspended=bool(suspended),
        )

    def heartbeat(self, running: Sequence[Taken], *, worker_ttl: int, now: datetime) -> bool:
        """Keep the worker and what it runs alive. False when Redis does not know this worker (any more)."""
        return bool(
            self._heartbeat(
                keys=self._keys,
                args=[
                    int(now.timestamp() * 1000),
                    self._stamp(now),
                    EXECUTION_SECONDS,
                    worker_ttl,
                    int(not running),
                    *_pairs(running),
                ],
            )
        )

    def give_back(self, running: Sequence[Taken]) -> int:
        """Put jobs that will not be finished here back to the head of the queue. Returns how many."""
        return int(self._give_back(keys=self._keys, args=_pairs(running)))


def _pairs(jobs: Sequence[Taken]) -> list[str]:
    return [part for job in jobs for part in (job.job_id, job.execution_id)]


def _fields(flat: list[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
