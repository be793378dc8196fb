// A Flinks receiver with the AWS SDK for JavaScript v3, written as its users write one: clients outside the handler,
// secrets that are fetched before the first event (top-level await) and kept, and the body parsed with JSON.parse.

import { createHash, createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const MAX_MESSAGE_BYTES = 1_048_576;
const { env } = process;

const secretsManager = new SecretsManagerClient({});
const sqs = new SQSClient({});
const s3 = new S3Client({});

const [signingSecret, paySigningSecret] = await Promise.all(
  [env.SIGNING_SECRET_ID, env.PAY_SIGNING_SECRET_ID].map(async (SecretId) => {
    const { SecretString } = await secretsManager.send(new GetSecretValueCommand({ SecretId }));
    return SecretString;
  }),
);

export async function handler(event) {
  const body = Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8");
  const form = signatureForm(event.headers, body);
  if (!form) {
    return answer(401, { error: "unauthorized" });
  }
  const text = body.toString("utf8");
  const payload = parsed(text);
  const deliveryId = createHash("sha256").update(body).digest("hex");
  const attributes = attributesOf(form, payload, deliveryId);
  const message = {
    QueueUrl: env[`${kind(form, payload)}_QUEUE_URL`],
    MessageGroupId: form === "pay" ? payload.sessionId : payload.Login?.Id,
    MessageAttributes: attributes,
    MessageBody: text,
  };

  if (body.length === 0 || body.length + sizeOf(attributes) > MAX_MESSAGE_BYTES) {
    const pointer = { s3BucketName: env.PAYLOAD_BUCKET, s3Key: `${deliveryId}/${randomUUID()}` };
    await s3.send(new PutObjectCommand({ Bucket: pointer.s3BucketName, Key: pointer.s3Key, Body: body }));
    message.MessageBody = JSON.stringify(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]);
    attributes.ExtendedPayloadSize = { DataType: "Number", StringValue: String(body.length) };
  }
  await sqs.send(new SendMessageCommand(message));
  console.log(JSON.stringify({ level: "INFO", message: "stored", deliveryId, bytes: body.length, form }));
  return answer(200, { status: "stored" });
}

function signatureForm(headers, body) {
  const pay = headers["x-webhook-signature"];
  if (pay) {
    return isSigned(paySigningSecret, body, Buffer.from(pay.replace(/^sha256=/, ""), "hex")) && "pay";
  }
  const signature = Buffer.from(headers["flinks-authenticity-key"] ?? "", "base64");
  if (isSigned(signingSecret, body, signature)) {
    return "raw";
  }
  const ascii = body.toString("utf8").replace(/[^\x00-\x7f]/g, "?");
  return isSigned(signingSecret, ascii, signature) && "ascii";
}

function isSigned(secret, body, signature) {
  const mac = createHmac("sha256", secret).update(body).digest();
  return mac.length === signature.length && timingSafeEqual(mac, signature);
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function kind(form, payload) {
  if (form === "pay") return "PAY";
  if (payload.ResponseType === "KYC") return "KYC";
  if (payload.ResponseType === "GetAccountsDetail") return "ACCOUNTS_DETAIL";
  if (payload.ResponseType === "Investments") return "INVESTMENTS";
  if (payload.DocumentAnalysis) return "UPLOAD_FRAUD";
  if (payload.sessionId && payload.status) return "PAY";
  return "UNCLASSIFIED";
}

function attributesOf(form, payload, deliveryId) {
  const texts = {
    DeliveryId: deliveryId,
    SignatureForm: form,
    ReceivedAt: new Date().toISOString(),
    ResponseType: payload.ResponseType,
    Tag: payload.Tag,
    ScheduledRefresh: payload.Login?.IsScheduledRefresh?.toString(),
    ...(form === "pay"
      ? { SessionId: payload.sessionId, Status: payload.status }
      : { LoginId: payload.Login?.Id, RequestId: payload.RequestId }),
  };
  const attributes = {};
  for (const [name, value] of Object.entries(texts)) {
    if (typeof value === "string" && value !== "" && Buffer.byteLength(value) <= 256) {
      attributes[name] = { DataType: "String", StringValue: value };
    }
  }
  if (Number.isInteger(payload.HttpStatusCode)) {
    attributes.HttpStatusCode = { DataType: "Number", StringValue: String(payload.HttpStatusCode) };
  }
  return attributes;
}

function sizeOf(attributes) {
  return Object.entries(attributes).reduce(
    (size, [name, { DataType, StringValue }]) => size + name.length + DataType.length + Buffer.byteLength(StringValue),
    0,
  );
}

function answer(statusCode, body) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
