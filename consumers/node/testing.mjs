// What tests of a consumer need: a local AWS on a free port, the environment that consumer.mjs reads, the fixtures as
// Lambda hands them over, and the context of an invocation. Import it before consumer.mjs.
//
// Every test starts with an empty idempotency table. `../README.md` describes the fixtures.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { devNull } from "node:os";
import { env } from "node:process";
import { createInterface } from "node:readline";
import { after, before, beforeEach } from "node:test";

import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));
export const table = JSON.parse(read("cases.json"));
export const { bucket, foreignBucket } = table;

// Made up: the tests never use an account or an endpoint that this machine happens to know.
for (const name of Object.keys(env)) if (name.startsWith("AWS_")) delete env[name];
// consumer.mjs has a default for it, which the tests expect.
delete env.CONSUMER;
Object.assign(env, {
  AWS_ACCESS_KEY_ID: "fake",
  AWS_SECRET_ACCESS_KEY: "fake",
  AWS_REGION: "ca-central-1",
  AWS_CONFIG_FILE: devNull,
  AWS_SHARED_CREDENTIALS_FILE: devNull,
  PAYLOAD_BUCKET: bucket,
  IDEMPOTENCY_TABLE: "idempotency",
});

// Another S3 in place of moto's, such as that of `cargo dev up`.
if (env.S3_ENDPOINT) env.AWS_ENDPOINT_URL_S3 = env.S3_ENDPOINT;

export const s3 = new S3Client({});
export const dynamodb = new DynamoDBClient({});
const TableName = env.IDEMPOTENCY_TABLE;
let moto;

/** Starts moto on a free port. It says which, so no other server can be in its place. */
async function startMoto() {
  const program = env.MOTO_SERVER ?? "moto_server";
  moto = spawn(program, ["-H", "127.0.0.1", "-p", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  await once(moto, "spawn").catch((error) => {
    throw new Error(`set MOTO_SERVER to the path of moto_server: ${error.message}`);
  });
  const said = [];
  const lines = createInterface({ input: moto.stderr });
  for await (const line of lines) {
    const [, endpoint] = /Running on (http:\/\/\S+)/.exec(line) ?? [];
    if (endpoint) {
      env.AWS_ENDPOINT_URL = endpoint;
      // It logs each request, and would wait if nobody read.
      moto.stderr.resume();
      return;
    }
    said.push(line);
  }
  throw new Error(`${program} ended before it listened: ${said.join("\n")}`);
}

before(async () => {
  await startMoto();
  for (const Bucket of [bucket, foreignBucket]) {
    const configuration = { LocationConstraint: env.AWS_REGION };
    await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: configuration })).catch((error) => {
      // Another S3 may have it already.
      if (error.name !== "BucketAlreadyOwnedByYou") throw error;
    });
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
  moto?.kill();
});

/** What Lambda passes beside the event. */
export const context = (remainingMs = 30_000) => ({ getRemainingTimeInMillis: () => remainingMs });

/** The event with the messages of these fixtures. The payloads of claim checks are in the bucket. */
export async function lambdaEvent(...fixtures) {
  const Records = fixtures.map(readRecord);
  for (const record of Records) await putObject(record, payloadOf(record));
  return { Records };
}

/** The event with the message of a fixture, and with a payload of yours. The other attributes are the fixture's. */
export async function eventWith(payload, fixture = "kyc-claim-check") {
  const record = readRecord(fixture);
  setPayload(record, payload);
  await putObject(record, payload);
  return { Records: [record] };
}

/** The names of all fixtures, or of those on one queue, such as `KycQueue`. */
export const fixtures = (queue = "") =>
  readdirSync(new URL("../fixtures/sqs", import.meta.url))
    .map((file) => file.replace(".json", ""))
    .filter((name) => readRecord(name).eventSourceARN.endsWith(queue));

export const readRecord = (fixture) => JSON.parse(read(`fixtures/sqs/${fixture}.json`)).Records[0];

/** The object that a claim check points to. */
export const payloadOf = (record) =>
  record.messageAttributes.ExtendedPayloadSize && read(`fixtures/objects/${bucket}/${keyOf(record)}`);

export function setPayload(record, payload) {
  const { DeliveryId, ExtendedPayloadSize } = record.messageAttributes;
  DeliveryId.stringValue = createHash("sha256").update(payload).digest("hex");
  if (ExtendedPayloadSize) ExtendedPayloadSize.stringValue = String(Buffer.byteLength(payload));
  else record.body = payload.toString();
}

/** Puts the payload of a claim check where its pointer says. */
export async function putObject(record, Body, Bucket = bucket) {
  if (!record.messageAttributes.ExtendedPayloadSize) return;
  await s3.send(new PutObjectCommand({ Bucket, Key: keyOf(record), Body }));
}

export const keyOf = (record) => JSON.parse(record.body)[1].s3Key;
