// Runs consumer.mjs over the cases that all languages share, `../cases.json`, and looks at what it leaves behind.
//
// It has a `process` of its own: tests of yours are in mine.test.mjs. `../README.md` describes the cases.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { env } from "node:process";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";

// First: it sets the environment that consumer.mjs reads.
import {
  bucket,
  context,
  dynamodb,
  foreignBucket,
  keyOf,
  lambdaEvent,
  payloadOf,
  putObject,
  readRecord,
  s3,
  setPayload,
  table,
} from "./testing.mjs";
import { createHandler } from "./consumer.mjs";

// A crash with at most this time left is one whose lease the driver lets end.
const SHORT_LEASE_MS = 1_000;
const LEVELS = ["log", "info", "warn", "error"];
const quiet = { info() {}, error() {} };

/** JSON Merge Patch (RFC 7396). */
function patched(value, patch) {
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(patch)) return patch;
  const result = isObject(value) ? { ...value } : {};
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete result[key];
    else result[key] = patched(result[key], change);
  }
  return result;
}

/** The label of a record, and the record. Its object is in both buckets. */
async function recordOf(wanted) {
  if (typeof wanted === "string") wanted = { fixture: wanted };
  const record = readRecord(wanted.fixture);
  let payload = payloadOf(record);
  if (wanted.payload) {
    const { sha256 } = wanted.payload;
    payload = madePayload(wanted.payload);
    assert.equal(createHash("sha256").update(payload).digest("hex"), sha256);
    setPayload(record, payload);
  }
  for (const Bucket of [bucket, foreignBucket]) await putObject(record, payload, Bucket);
  return [wanted.as ?? wanted.fixture, patched(record, wanted.patch ?? {})];
}

function madePayload({ base64, prefix, fill, suffix, bytes }) {
  if (base64) return Buffer.from(base64, "base64");
  return Buffer.from(prefix + fill.repeat(bytes - prefix.length - suffix.length) + suffix);
}

/** Hands a batch to the handler, and compares what was processed. */
async function run(batch) {
  const records = new Map();
  for (const wanted of batch.records) records.set(...(await recordOf(wanted)));
  const idOf = (label) => records.get(label).messageAttributes?.DeliveryId?.stringValue;
  for (const label of batch.objectsGone ?? []) {
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(records.get(label)) }));
  }
  const fails = new Set(batch.effectFails?.map(idOf));
  const crashes = new Set(batch.crashes?.map(idOf));
  const events = [];
  let crashed;
  const crash = new Promise((resolve) => (crashed = resolve));
  // In place of `process`: notes each event, or fails as the case wants it.
  const process = async (event) => {
    if (fails.has(event.deliveryId)) throw new Error("the effect fails");
    if (crashes.has(event.deliveryId)) {
      crashed();
      // The process ends: this never goes on.
      await new Promise(() => {});
    }
    events.push(event);
  };
  const handled = createHandler({ process, log: quiet })(
    structuredClone({ Records: [...records.values()] }),
    context(batch.remainingMs),
  );
  if (crashes.size) {
    await crash;
    if (batch.remainingMs <= SHORT_LEASE_MS) await setTimeout(batch.remainingMs + 50);
    return;
  }
  const failed = (await handled).batchItemFailures.map((failure) => failure.itemIdentifier);
  assert.deepEqual(failed.sort(), batch.failed.map((label) => records.get(label).messageId).sort());
  assert.deepEqual(
    events.map((event) => [event.type, event.deliveryId]),
    batch.processed.map(({ type, record }) => [type, idOf(record)]),
  );
  for (const [at, { values = {} }] of batch.processed.entries()) {
    const { body, deliveryId, payload } = events[at];
    assert.equal(createHash("sha256").update(body).digest("hex"), deliveryId);
    for (const [pointer, text] of Object.entries(values)) assert.equal(textAt(payload, pointer), text, pointer);
  }
}

/** What a JSON Pointer (RFC 6901, without its escapes) leads to; of a number its text. */
function textAt(payload, pointer) {
  const value = pointer.split("/").slice(1).reduce((value, part) => value[part], payload);
  return value?.isLosslessNumber ? value.value : value;
}

for (const { name, batches } of table.cases) {
  test(name, async () => {
    for (const batch of batches) {
      if (!batch.event) {
        await run(batch);
        continue;
      }
      let isProcessed = false;
      const process = async () => (isProcessed = true);
      await assert.rejects(createHandler({ process, log: quiet })(batch.event, context()), /no event of an SQS queue/);
      assert.equal(isProcessed, false);
    }
  });
}

const items = async () => (await dynamodb.send(new ScanCommand({ TableName: env.IDEMPOTENCY_TABLE }))).Items;

test("a finished delivery is remembered for 35 days, and nothing of it is kept", async () => {
  await createHandler({ process: async () => {}, log: quiet })(await lambdaEvent("kyc"), context());
  const [item] = await items();
  const days = (Number(item.expiration.N) - Date.now() / 1000) / 86_400;
  assert.equal(days.toFixed(2), "35.00");
  assert.match(item.id.S, /^flinks-consumer#/);
  assert.doesNotMatch(JSON.stringify(item), /Lefran/);
  assert.ok(!item.data || item.data.NULL);
});

test("the lease is the time left to the function", async () => {
  let leases;
  const process = async () => {
    leases = await items();
  };
  await createHandler({ process, log: quiet })(await lambdaEvent("kyc"), context(7_000));
  const [item] = leases;
  const lease = Number(item.in_progress_expiration.N) - Date.now();
  assert.ok(lease > 0 && lease <= 7_000);
});

test("logs have ids and no payload", async ({ mock }) => {
  const lines = [];
  for (const level of LEVELS) mock.method(console, level, (...line) => lines.push(line.join(" ")));
  const process = async (event) => {
    throw new TypeError(event.body.toString());
  };
  const event = await lambdaEvent("kyc");
  await createHandler({ process })(event, context());
  const text = lines.join("\n");
  assert.ok(text.includes(event.Records[0].messageId) && text.includes("TypeError"));
  assert.doesNotMatch(text, /Lefran/);
});
