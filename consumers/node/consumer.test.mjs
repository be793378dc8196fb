// Runs consumer.mjs over the cases that all languages share, `../cases.json`, and looks at what it leaves behind.
//
// A local S3 and a local DynamoDB do for AWS. `../README.md` describes the cases.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { env, exit } from "node:process";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { CreateTableCommand, DeleteTableCommand, DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));
const table = JSON.parse(read("cases.json"));
const { bucket, foreignBucket } = table;

/** Until a server that was just started listens. */
async function waitFor(endpoint) {
  const help = "start `moto_server -p 5055` and set AWS_ENDPOINT_URL=http://127.0.0.1:5055";
  if (!["127.0.0.1", "localhost"].includes(new URL(endpoint).hostname)) {
    console.error(help);
    exit(2);
  }
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await fetch(endpoint).then(() => true, () => false)) return;
    await setTimeout(100);
  }
  console.error(`nothing listens at ${endpoint}: ${help}`);
  exit(2);
}

for (const service of ["S3", "DYNAMODB"]) {
  await waitFor(env[`AWS_ENDPOINT_URL_${service}`] ?? env.AWS_ENDPOINT_URL ?? "http://none");
}

// Made up: the tests never use an account that this machine happens to know.
delete env.AWS_PROFILE;
Object.assign(env, {
  AWS_ACCESS_KEY_ID: "fake",
  AWS_SECRET_ACCESS_KEY: "fake",
  AWS_REGION: "ca-central-1",
  PAYLOAD_BUCKET: bucket,
  IDEMPOTENCY_TABLE: "idempotency",
});

// It reads the environment.
const { createHandler, handler } = await import("./consumer.mjs");

const s3 = new S3Client({});
const dynamodb = new DynamoDBClient({});
const TableName = env.IDEMPOTENCY_TABLE;

const context = (remainingMs = 30_000) => ({ getRemainingTimeInMillis: () => remainingMs });
const LEVELS = ["log", "info", "warn", "error"];
const quiet = { info() {}, error() {} };

before(async () => {
  for (const Bucket of [bucket, foreignBucket]) {
    await s3
      .send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: env.AWS_REGION } }))
      .catch((error) => assert.match(error.name, /^BucketAlready/));
  }
});

beforeEach(async () => {
  await dynamodb.send(new DeleteTableCommand({ TableName })).catch(() => {});
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
});

after(() => {
  s3.destroy();
  dynamodb.destroy();
});

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

const keyOf = (record) => JSON.parse(record.body)[1].s3Key;

/** The label of a record, and the record. Its object is in both buckets. */
async function recordOf(wanted) {
  if (typeof wanted === "string") wanted = { fixture: wanted };
  const [record] = JSON.parse(read(`fixtures/sqs/${wanted.fixture}.json`)).Records;
  let payload;
  if (record.messageAttributes.ExtendedPayloadSize) payload = read(`fixtures/objects/${bucket}/${keyOf(record)}`);
  if (wanted.payload) {
    const { sha256 } = wanted.payload;
    payload = madePayload(wanted.payload);
    assert.equal(createHash("sha256").update(payload).digest("hex"), sha256);
    record.messageAttributes.DeliveryId.stringValue = sha256;
    record.messageAttributes.ExtendedPayloadSize.stringValue = String(payload.length);
  }
  if (payload) {
    for (const Bucket of [bucket, foreignBucket]) {
      await s3.send(new PutObjectCommand({ Bucket, Key: keyOf(record), Body: payload }));
    }
  }
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
    await setTimeout(50); // so that a lease of a millisecond is over
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

const items = async () => (await dynamodb.send(new ScanCommand({ TableName }))).Items;

test("a finished delivery is remembered for 35 days, and nothing of it is kept", async () => {
  const [, record] = await recordOf("kyc");
  await createHandler({ process: async () => {}, log: quiet })({ Records: [record] }, context());
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
  const [, record] = await recordOf("kyc");
  await createHandler({ process, log: quiet })({ Records: [record] }, context(7_000));
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
  const [, record] = await recordOf("kyc");
  await createHandler({ process })({ Records: [record] }, context());
  const text = lines.join("\n");
  assert.ok(text.includes(record.messageId) && text.includes("TypeError"));
  assert.doesNotMatch(text, /Lefran/);
});

test("the process of the example takes every fixture", async ({ mock }) => {
  for (const level of LEVELS) mock.method(console, level, () => {});
  for (const file of readdirSync(new URL("../fixtures/sqs", import.meta.url))) {
    const [, record] = await recordOf(file.replace(".json", ""));
    assert.deepEqual(await handler({ Records: [record] }, context()), { batchItemFailures: [] }, file);
  }
});
