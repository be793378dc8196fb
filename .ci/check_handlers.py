"""Tests the Python functions whose code is in the template. Stand-ins replace the services that they call, because
emulators have no CodeDeploy.

Usage: check_handlers.py [UNITTEST-OPTIONS]
"""

import contextlib
import http.server
import io
import json
import os
import pathlib
import sys
import threading
import time
import types
import unittest
import unittest.mock

TEMPLATE = json.loads(pathlib.Path("tests/data/template.expanded.json").read_text())
UNAUTHORIZED = {"statusCode": 401, "body": '{"error":"unauthorized"}'}
UNAVAILABLE = {"statusCode": 503, "body": '{"error":"unavailable"}'}


def load(function: str, lambda_client=None, codedeploy_client=None, **variables: str):
    """Loads the handler of a function, with these boto3 clients and environment variables."""
    boto3 = types.ModuleType("boto3")
    boto3.client = lambda service, **_: {"lambda": lambda_client, "codedeploy": codedeploy_client}[service]
    code = compile(TEMPLATE["Resources"][function]["Properties"]["InlineCode"], f"{function}.py", "exec")
    names: dict = {}
    with unittest.mock.patch.dict(sys.modules, {"boto3": boto3}), unittest.mock.patch.dict(os.environ, variables):
        exec(code, names)

    def run(event):
        with unittest.mock.patch.dict(os.environ, variables), unittest.mock.patch.object(time, "sleep"):
            return names["handler"](event, None)

    return run


class Lambda:
    """Responds to each invocation with the result of `respond` for the function and the event. Raises an exception that
    `respond` returns, and reports a text as a function error."""

    def __init__(self, respond):
        self.respond, self.events = respond, []

    def invoke(self, FunctionName: str, Payload: str) -> dict:
        event = json.loads(Payload)
        self.events.append((FunctionName, event))
        response = self.respond(FunctionName, event)
        if isinstance(response, Exception):
            raise response
        failed = {"FunctionError": response} if isinstance(response, str) else {}
        return failed | {"Payload": io.BytesIO(json.dumps(response).encode())}


class CodeDeploy:
    def __init__(self):
        self.reports = []

    def put_lifecycle_event_hook_execution_status(self, **report: str) -> None:
        self.reports.append(report)


class DeploymentCheck(unittest.TestCase):
    def check(self, respond, allowed: str = ""):
        lambdas, codedeploy = Lambda(respond), CodeDeploy()
        variables = {"NEW_VERSION": "receiver:7", "REDELIVERY": "redelivery", "ALLOWED_SOURCE_CIDRS": allowed}
        handler = load("DeploymentCheckFunction", lambdas, codedeploy, **variables)
        handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"})
        [report] = codedeploy.reports
        self.assertEqual((report["deploymentId"], report["lifecycleEventHookExecutionId"]), ("d-1", "e-1"))
        return report["status"], lambdas.events

    @staticmethod
    def good(function, _event):
        return {"sent": 0} if function == "redelivery" else UNAUTHORIZED

    def test_a_version_that_rejects_forgeries_gets_traffic(self):
        status, events = self.check(self.good)
        self.assertEqual(status, "Succeeded")
        of_version = [event for function, event in events if function == "receiver:7"]
        headers = [set(event["headers"]) - {"content-type"} for event in of_version]
        self.assertEqual(headers, [set(), {"flinks-authenticity-key"}, {"x-webhook-signature"}])
        for event in of_version:
            self.assertEqual(event["requestContext"]["authorizer"], {"lambda": {"deploymentCheck": True}})
        self.assertEqual([function for function, _ in events].count("redelivery"), 1)

    def test_a_version_without_keys_or_with_a_wrong_response_gets_none(self):
        wrong = [UNAVAILABLE, {"statusCode": 200}, {"statusCode": 403}, {}, "Unhandled", RuntimeError("throttled")]
        for response in wrong:
            for header in ["flinks-authenticity-key", "x-webhook-signature", "content-type"]:
                def respond(function, event, response=response, header=header):
                    return response if header in event.get("headers", {}) else self.good(function, event)

                self.assertEqual(self.check(respond)[0], "Failed", (response, header))

    def test_a_redelivery_that_fails_twice_stops_the_deploy_and_once_does_not(self):
        for failures, expected in [(1, "Succeeded"), (2, "Failed")]:
            left = [failures]

            def respond(function, event, left=left):
                if function != "redelivery":
                    return UNAUTHORIZED
                left[0] -= 1
                return "Unhandled" if left[0] >= 0 else {"sent": 1}

            self.assertEqual(self.check(respond)[0], expected, failures)

    def test_a_transient_fault_is_retried(self):
        calls = []

        def respond(function, event):
            calls.append(function)
            return UNAVAILABLE if len(calls) == 2 else self.good(function, event)

        self.assertEqual(self.check(respond)[0], "Succeeded")

    def test_the_events_come_from_an_address_on_the_allow_list(self):
        for allowed, source in [("", "192.0.2.1"), ("198.51.100.0/24,2001:db8::/32", "198.51.100.0"),
                                ("2001:db8::/32,198.51.100.0/24", "2001:db8::")]:
            _, events = self.check(self.good, allowed)
            self.assertEqual(events[0][1]["requestContext"]["http"]["sourceIp"], source)

    def test_its_own_errors_reach_codedeploy(self):
        self.assertEqual(self.check(self.good, "no network")[0], "Failed")


class Canary(unittest.TestCase):
    """Runs the canary against a server on loopback with a given response."""

    def run_canary(self, status: int, body: bytes, allowed: str = "", headers=()):
        requests = []

        class Responder(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append((self.path, sent, {name.lower() for name in self.headers}))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Responder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/webhooks/flinks"
            line = self.line(url, allowed)
        finally:
            server.shutdown()
            server.server_close()
        [(path, sent, names)] = requests
        self.assertEqual((path, sent), ("/webhooks/flinks", b"{}"))
        self.assertFalse(names & {"flinks-authenticity-key", "x-flinks-signature", "x-webhook-signature"})
        return line["CanaryRejected"]

    def line(self, url: str, allowed: str = "") -> dict:
        variables = {"URL": url, "NAMESPACE": "FlinksWebhooks/test", "HAS_ALLOW_LIST": allowed}
        with contextlib.redirect_stdout(io.StringIO()) as log:
            load("CanaryFunction", **variables)({})
        line = json.loads(log.getvalue())
        [directive] = line["_aws"]["CloudWatchMetrics"]
        self.assertEqual((directive["Namespace"], directive["Dimensions"]), ("FlinksWebhooks/test", [[]]))
        self.assertEqual(directive["Metrics"], [{"Name": "CanaryRejected", "Unit": "Count"}])
        return line

    def test_the_receivers_rejection_counts(self):
        self.assertEqual(self.run_canary(401, b'{"error":"unauthorized"}'), 1)
        self.assertEqual(self.run_canary(403, b'{"error":"forbidden"}', "198.51.100.0/24"), 1)

    def test_no_other_response_counts(self):
        for status, body in [
            (200, b'{"status":"stored"}'), (401, b'{"message":"Unauthorized"}'), (403, b'{"message":"Forbidden"}'),
            (403, b'{"error":"forbidden"}'), (404, b'{"message":"Not Found"}'), (503, b'{"error":"unavailable"}'),
        ]:
            self.assertEqual(self.run_canary(status, body), 0, (status, body))
        self.assertEqual(self.run_canary(302, b"", headers=[("Location", "http://127.0.0.1:1/")]), 0)

    def test_an_unreachable_url_counts_as_not_rejected(self):
        self.assertEqual(self.line("http://127.0.0.1:1/webhooks/flinks")["CanaryRejected"], 0)


if __name__ == "__main__":
    unittest.main()
