// Tests of your own `process`, to copy and change. testing.mjs starts the local AWS that they use.
//
// The names are files in `../fixtures/sqs`. testing.mjs has the rest of what a test needs.

import assert from "node:assert/strict";
import { test } from "node:test";

// First: it sets the environment that consumer.mjs reads.
import { context, eventWith, fixtures, lambdaEvent } from "./testing.mjs";
import { handler } from "./consumer.mjs";

const done = { batchItemFailures: [] };

test("a claim check that comes twice has one effect", async ({ mock }) => {
  mock.method(console, "info", () => {});
  const log = mock.method(console, "log", () => {});
  for (const name of ["kyc-claim-check", "kyc-claim-check.retry"]) {
    assert.deepEqual(await handler(await lambdaEvent(name), context()), done);
  }
  // What `process` did, once. In place of the log, look into your own database.
  const lines = log.mock.calls.map((call) => call.arguments[0]);
  assert.equal(lines.filter((line) => line === "KYC with 1 holders").length, 1);
});

test("a payload of my own", async ({ mock }) => {
  mock.method(console, "info", () => {});
  const log = mock.method(console, "log", () => {});
  const event = await eventWith('{"ResponseType":"KYC","HttpStatusCode":200,"Holders":[]}');
  assert.deepEqual(await handler(event, context()), done);
  assert.deepEqual(log.mock.calls.map((call) => call.arguments[0]), ["KYC with 0 holders"]);
});

// If your `process` rejects other types, name the queue that it reads: fixtures("KycQueue").
for (const name of fixtures()) {
  test(`your process takes every fixture: ${name}`, async ({ mock }) => {
    for (const level of ["log", "info", "warn", "error"]) mock.method(console, level, () => {});
    assert.deepEqual(await handler(await lambdaEvent(name), context()), done);
  });
}
