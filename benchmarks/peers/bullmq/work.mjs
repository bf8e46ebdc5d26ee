// BullMQ: one process of Node, a hundred jobs at a time.
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";
import { Pool } from "undici";

const connection = new IORedis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const BODY = JSON.stringify({
  text: "x".repeat(80), text_source: "message", text_source_spec: "sms", started_at: "2026-11-20T08:00:00+00:00",
});

if (process.argv[2] === "work") {
  const pool = new Pool(process.env.STUB_URL, { connections: 100 });
  new Worker("work", async (job) => {
    const intent = `intent:${job.data.number}`;
    if (process.env.DURABLE) await connection.hset(intent, { state: "sending", body: BODY });
    const answer = await pool.request({
      path: `/v2/integrations/app/user/conversations?uid=peer-${job.data.number}`,
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer x" },
      body: BODY,
    });
    await answer.body.text();
    if (process.env.DURABLE) await connection.pipeline().hset(intent, "state", "done").expire(intent, 604800).exec();
  }, { connection, concurrency: 100, removeOnComplete: { count: 0 } });
} else {
  const queue = new Queue("work", { connection });
  const count = Number(process.argv[2]);
  for (let number = 0; number < count; number += 500) {
    const some = Array.from({ length: Math.min(500, count - number) }, (_, i) => ({ name: "d", data: { number: number + i } }));
    await queue.addBulk(some);
  }
  await queue.close();
  connection.disconnect();
}
