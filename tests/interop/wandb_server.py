"""A stand-in for the W&B cloud on this machine: takes what the real client uploads.

GraphQL is answered by the operation's name, with as much as the client reads of it.
"""
import gzip
import json
import re
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API_KEY = "0123456789abcdef" * 2 + "01234567"  # 40 characters


class Run:
    """What the server has of one run."""

    def __init__(self, run_id):
        self.id = run_id
        self.attributes = {}  # of the last UpsertBucket, those that it gave
        self.config = {}
        self.history = []  # rows, in the order they came to lie
        self.summary = {}
        self.files = {}
        self.exit_code = None
        self.complete = False


class Server:
    """`with Server() as server:` listens on 127.0.0.1; server.environment is for the client."""

    def __init__(self):
        self.runs = {}
        self.unknown = []  # requests that nothing answers
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def body(self):
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

            def reply(self, value, status=200):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = self.body()
                with outer.lock:
                    if self.path == "/graphql":
                        self.reply({"data": outer.graphql(json.loads(body))})
                    elif match := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path):
                        self.reply(outer.file_stream(match[3], json.loads(body)))
                    else:
                        outer.unknown.append(f"POST {self.path}")
                        self.reply({}, 404)

            def do_PUT(self):
                body = self.body()
                with outer.lock:
                    match = re.fullmatch(r"/upload/([^/]+)/(.+)", self.path)
                    if match:
                        outer.run(match[1]).files[match[2]] = body
                        self.reply({})
                    else:
                        outer.unknown.append(f"PUT {self.path}")
                        self.reply({}, 404)

            def do_GET(self):
                outer.unknown.append(f"GET {self.path}")
                self.reply({}, 404)

        class Listener(ThreadingHTTPServer):
            def handle_error(self, *_):
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that hung up
                    outer.unknown.append(traceback.format_exc())

        self.http = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def environment(self):
        return client_environment(self.url)

    def run(self, run_id):
        return self.runs.setdefault(run_id, Run(run_id))

    # ---- what the client asks

    def graphql(self, request):
        name = request.get("operationName") or re.search(r"(?:query|mutation)\s+(\w+)", request["query"])[1]
        variables = request.get("variables") or {}
        answer = getattr(self, f"answer_{name}", None)
        if not answer:
            self.unknown.append(name)
            return {}
        return answer(variables)

    def answer_Viewer(self, _):
        return {"viewer": {"id": "VXNlcg==", "entity": "tester", "username": "tester", "flags": "{}",
                           "teams": {"edges": []}}}

    def answer_UpsertBucket(self, variables):
        run = self.run(variables["name"])
        run.attributes.update({k: v for k, v in variables.items() if v is not None})
        if variables.get("config"):
            run.config = json.loads(variables["config"])
        project = variables.get("project") or "uncategorized"
        entity = variables.get("entity") or "tester"
        return {"upsertBucket": {
            "bucket": {
                "id": run.id, "name": run.id, "displayName": variables.get("displayName") or "calm-sea-1",
                "description": None, "config": json.dumps(run.config), "sweepName": None,
                "historyLineCount": len(run.history),
                "project": {"id": project, "name": project, "entity": {"id": entity, "name": entity}},
            },
            "inserted": not run.history}}

    def answer_RunResumeStatus(self, variables):
        run = self.runs.get(variables["name"])
        bucket = run and {
            "id": run.id, "name": run.id, "displayName": "calm-sea-1", "tags": [], "notes": None,
            "config": json.dumps(run.config), "summaryMetrics": json.dumps(run.summary),
            "historyLineCount": len(run.history), "eventsLineCount": 0, "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsTail": "[]", "wandbConfig": json.dumps({"t": 1})}
        return {"model": {"id": "m", "name": variables.get("project"), "entity": {"id": "e", "name": "tester"},
                          "bucket": bucket}}

    def answer_CreateRunFiles(self, variables):
        run_id = variables["run"]
        return {"createRunFiles": {
            "runID": run_id, "uploadHeaders": [],
            "files": [{"name": name, "uploadUrl": f"{self.url}/upload/{run_id}/{name}"}
                      for name in variables["files"]]}}

    def file_stream(self, run_id, update):
        run = self.run(run_id)
        for name, chunk in (update.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                rows = [json.loads(line) for line in chunk["content"]]
                run.history[chunk["offset"]:chunk["offset"] + len(rows)] = rows
            elif name == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        if update.get("complete"):
            run.complete, run.exit_code = True, update.get("exitcode")
        return {}


def client_environment(url):
    """The client talks to this address and to nobody else."""
    return {"WANDB_BASE_URL": url, "WANDB_API_KEY": API_KEY, "WANDB_ERROR_REPORTING": "false",
            "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1"}
