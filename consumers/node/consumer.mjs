// A Lambda function that reads one queue of the Flinks webhook receiver. Copy this file, and write `process`.
//
// Each message becomes an event with a type, whatever its size, and is processed once. A message that fails stays on the
// queue, and the others of its batch are done. The mapping needs `FunctionResponseTypes: [ReportBatchItemFailures]`.
//
// Environment:
//   PAYLOAD_BUCKET     the receiver's bucket (output PayloadBucketName)
//   IDEMPOTENCY_TABLE  a DynamoDB table with the key `id` (String) and TTL on `expiration`
//   CONSUMER           the name of this consumer, if several share the table; it must stay the same

import { createHash } from "node:crypto";
import { env } from "node:process";

import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import { IdempotencyConfig, makeIdempotent } from "@aws-lambda-powertools/idempotency";
import { DynamoDBPersistenceLayer } from "@aws-lambda-powertools/idempotency/dynamodb";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { isLosslessNumber, parse } from "lossless-json";

// For editors and type checkers. The types of the payloads are in the file beside this one. There an amount is a `number`;
// here it is a `LosslessNumber`, whose `value` is its text, because a `number` keeps 15 digits only.
/**
 * @template T
 * @typedef {T extends number ? import("lossless-json").LosslessNumber
 *   : T extends object ? { [K in keyof T]: Exact<T[K]> } : T} Exact
 */

/**
 * One callback of Flinks. Flinks adds keys to the payload, and any of them may be absent or null.
 *
 * @typedef {object} Message
 * @property {string} deliveryId The same for every retry. Use it as your key.
 * @property {Buffer} body The bytes that Flinks sent. They need not be UTF-8.
 * @property {Record<string, string>} attributes The message attributes, by name.
 *
 * @typedef {{ type: "Kyc", payload: Exact<import("./flinks-events.js").Kyc> }
 *   | { type: "AccountsDetail", payload: Exact<import("./flinks-events.js").AccountsDetail> }
 *   | { type: "Investments", payload: Exact<import("./flinks-events.js").Investments> }
 *   | { type: "EftSessionStatus", payload: Exact<import("./flinks-events.js").EftSessionStatus> }
 *   | { type: "FraudAlert", payload: Exact<import("./flinks-events.js").FraudAlert> }
 *   | { type: "Unknown", payload: Record<string, unknown> | undefined }} Typed `undefined` if the payload is not a JSON
 *   object.
 *
 * @typedef {Message & Typed} Event
 *
 * @typedef {import("aws-lambda").SQSRecord} SQSRecord
 */

/**
 * Your code. Throw to have the message again; after five receives it is a dead letter.
 *
 * It can run twice for one event: if the function dies after the effect and before it is marked as done. Where that
 * matters, give your own table a unique key on `event.deliveryId`, and write it in the same transaction as your data. Then
 * you need no DynamoDB table, and can drop `once`.
 *
 * @param {Event} event
 */
async function process(event) {
  switch (event.type) {
    case "Kyc":
      console.log(`KYC with ${event.payload.Holders?.length ?? 0} holders`);
      break;
    case "AccountsDetail":
      // HttpStatusCode is other than 200 if Flinks could not get the data.
      console.log(`${event.payload.Accounts?.length ?? 0} accounts`);
      break;
    case "EftSessionStatus":
      // The aggregation secret signed it, not the Pay secret. If your two secrets are not equally well protected, check
      // it with Flinks before you rely on it.
      if (event.attributes.SignatureForm !== "pay") {
        console.warn("a payment status that the aggregation secret signed");
      }
      break;
    default:
      console.log(`${event.type} of ${event.body.length} bytes`);
  }
}

const PAYLOAD_BUCKET = required("PAYLOAD_BUCKET");
const IDEMPOTENCY_TABLE = required("IDEMPOTENCY_TABLE");
// A message can come back for 28 days: 14, and 14 more after a redrive. An undelivered payload comes later still.
const REMEMBERED_SECONDS = 35 * 24 * 60 * 60;

const s3 = new S3Client({});

/** @param {string} name */
function required(name) {
  const value = env[name];
  if (!value) throw new Error(`the environment variable ${name} is not set`);
  return value;
}

/** A message that cannot be opened. Its text may be logged: it holds nothing of the payload. */
class BadMessage extends Error {}

/**
 * The event in an SQS record of Lambda. A claim check's payload comes from S3.
 *
 * @param {SQSRecord} record
 * @param {string} deliveryId
 */
async function openMessage(record, deliveryId) {
  const attributes = Object.fromEntries(
    Object.entries(record.messageAttributes).map(([name, value]) => [name, value.stringValue ?? ""]),
  );
  // Only this attribute makes a body a pointer: what Flinks sends may look like one.
  const body = "ExtendedPayloadSize" in attributes ? await fetchPayload(record.body) : Buffer.from(record.body);
  if (createHash("sha256").update(body).digest("hex") !== deliveryId) {
    throw new BadMessage("the payload is not the one of its DeliveryId");
  }
  const payload = readJson(body);
  const type = typeOf(payload, attributes.SignatureForm);
  return /** @type {Event} */ ({ deliveryId, type, payload, body, attributes });
}

/**
 * The payload that a claim check points to: bytes, because it need not be text.
 *
 * @param {string} pointer
 */
async function fetchPayload(pointer) {
  let name, bucket, key;
  try {
    [name, { s3BucketName: bucket, s3Key: key }] = JSON.parse(pointer);
  } catch {
    throw new BadMessage("ExtendedPayloadSize is there, and the body is no pointer");
  }
  if (name !== "software.amazon.payloadoffloading.PayloadS3Pointer" || typeof key !== "string") {
    throw new BadMessage("the body is a pointer of another format");
  }
  // Whoever can send to the queue chooses the bucket in the pointer.
  if (bucket !== PAYLOAD_BUCKET) {
    throw new BadMessage("the pointer names another bucket than PAYLOAD_BUCKET");
  }
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    // GetObject always returns a body; its type does not say so.
    return Buffer.from((await object.Body?.transformToByteArray()) ?? []);
  } catch (error) {
    // NoSuchKey if the object is gone; AccessDenied, if this function may not list the bucket.
    throw new BadMessage(`S3 did not return the payload: ${nameOf(error)}`);
  }
}

/**
 * The JSON object in a payload, with exact amounts; undefined if it is something else.
 *
 * @param {Buffer} body
 * @returns {Record<string, unknown> | undefined}
 */
function readJson(body) {
  try {
    // Takes a byte-order mark away, and throws for what is not UTF-8.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    // Of a repeated key the last value counts, as in JSON.parse.
    const value = parse(text, undefined, { onDuplicateKey: ({ newValue }) => newValue });
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value) && !isLosslessNumber(value);
    return isObject ? /** @type {Record<string, unknown>} */ (value) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The receiver's own rules: the signature, then ResponseType, then the shape.
 *
 * @param {Record<string, unknown> | undefined} payload
 * @param {string | undefined} signatureForm
 * @returns {Event["type"]}
 */
function typeOf(payload, signatureForm) {
  if (!payload) return "Unknown";
  // A key with null counts as absent.
  const has = (/** @type {string} */ key) => Object.hasOwn(payload, key) && payload[key] !== null;
  const session = has("sessionId") && has("status") ? "EftSessionStatus" : "Unknown";
  if (signatureForm === "pay") return session;
  if (signatureForm === "api") return "AccountsDetail";
  switch (has("ResponseType") && payload.ResponseType) {
    case "KYC":
      return "Kyc";
    case "GetAccountsDetail":
      return "AccountsDetail";
    case "Investments":
      return "Investments";
    default:
      return has("DocumentAnalysis") ? "FraudAlert" : session;
  }
}

/**
 * What an error is, without its text: that may quote bank data.
 *
 * @param {unknown} error
 */
const nameOf = (error) => (error instanceof Error ? error.name : typeof error);

/**
 * The handler of the function. `process` and `log` are yours; the tests pass their own.
 *
 * @param {object} options
 * @param {(event: Event) => Promise<void>} options.process
 * @param {Pick<Console, "info" | "error">} [options.log]
 */
export function createHandler({ process, log = console }) {
  const idempotency = new IdempotencyConfig({ expiresAfterSeconds: REMEMBERED_SECONDS });

  // Deduplication. `once` claims the DeliveryId first and opens the message only then: a finished one is done, even if its
  // object is gone. A claim that fails is taken back. One whose function died ends with the function's time (the lease).
  const once = makeIdempotent(
    async (/** @type {string} */ deliveryId, /** @type {SQSRecord} */ record) => {
      await process(await openMessage(record, deliveryId));
      // No return value: Powertools would write it to the table.
    },
    {
      config: idempotency,
      persistenceStore: new DynamoDBPersistenceLayer({ tableName: IDEMPOTENCY_TABLE }),
      // Without it, a renamed function would process everything again.
      keyPrefix: env.CONSUMER ?? "flinks-consumer",
    },
  );

  /** @param {SQSRecord} record */
  async function handleRecord(record) {
    const deliveryId = record.messageAttributes?.DeliveryId?.stringValue;
    const ids = JSON.stringify({ message: record.messageId, delivery: deliveryId });
    try {
      if (!deliveryId) {
        throw new BadMessage("the message has no attribute DeliveryId, so it cannot be deduplicated");
      }
      await once(deliveryId, record);
      log.info("done", ids);
    } catch (error) {
      // Only ids, and the texts of this file: another error may quote bank data.
      log.error("failed", ids, error instanceof BadMessage ? error.message : nameOf(error));
      throw error;
    }
  }

  /**
   * @param {import("aws-lambda").SQSEvent} event
   * @param {import("aws-lambda").Context} context
   */
  return async function handler(event, context) {
    // Lambda would take an empty list of failures for success, and delete the messages.
    const records = event.Records;
    if (!Array.isArray(records) || !records.length || records.some((record) => record?.eventSource !== "aws:sqs")) {
      throw new Error("this is no event of an SQS queue");
    }
    idempotency.registerLambdaContext(context);
    return processPartialResponse(event, handleRecord, new BatchProcessor(EventType.SQS), {
      context,
      // One after the other: of two messages with the same DeliveryId, the second waits for the first.
      processInParallel: false,
      // A list of failures even if every record fails: an error would say less, and hold up the whole batch.
      throwOnFullBatchFailure: false,
    });
  };
}

export const handler = createHandler({ process });
