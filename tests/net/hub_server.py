"""A stand-in for a Hugging Face hub, on loopback only: hub_server.py ROOT LOG.

Serves ROOT/models/OWNER/NAME and ROOT/datasets/OWNER/NAME as the one commit of `main`. Files above 1000 bytes are
redirected to a store, a second server on another port. Prints "HUB_URL" when it listens; LOG receives a line
"METHOD PATH RANGE" for each request to the store. Faults by the repository's name:
  private   asks for the token `good`          gated     403
  flaky     503 twice for each address         cut       the store hangs up half-way, once for each file
  slow      the store stops half-way, for half a minute, once for each file
  broken    the store changes a byte           short     the store sends less than it was said to be, always
  whole     the store does not know ranges     moved     redirects to the repository `plain`
  evil      names a file outside               nohash    gives no ETag
  cached    redirects small files to /api/cache of its own, with an ETag that is the redirect's
The store refuses every request that carries a token.
"""

import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT, LOG = Path(sys.argv[1]), Path(sys.argv[2])
LOCK = threading.Lock()
SEEN = {}


def times(key):
    """How often it was asked for before."""
    with LOCK:
        SEEN[key] = SEEN.get(key, 0) + 1
        return SEEN[key] - 1


def hash_of(data):
    if len(data) > 1000:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Store(Quiet):
    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        wanted = self.headers.get("Range")
        with LOCK, LOG.open("a") as log:
            log.write(f"{self.command} {path} {wanted}\n")
        if self.headers.get("Authorization"):
            return self.answer(400, b"a token came here")
        name = path.split("/")[3]
        data = (ROOT / path[1:]).read_bytes()
        if name == "broken":
            data = data[:500] + bytes([data[500] ^ 1]) + data[501:]
        if name == "short":
            return self.answer(200, data[:1200])
        start = int(wanted[len("bytes="):-1]) if wanted and name != "whole" else 0
        part, first = data[start:], times(("store", path)) == 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        stop = name in ("cut", "slow", "whole") and first
        self.wfile.write(part[:len(part) // 2] if stop else part)
        self.wfile.flush()
        if stop and name == "slow":
            time.sleep(30)
        if stop:
            self.close_connection = True


class Hub(Quiet):
    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        api = path.startswith("/api/")
        if path.startswith("/api/cache/"):
            return self.resolve(ROOT / "models" / path[len("/api/cache/"):], "plain")
        parts = path.split("/")[2 if api else 1:]
        kind = "datasets" if parts[0] == "datasets" else "models"
        if parts[0] in ("datasets", "models"):
            parts = parts[1:]
        folder, name, rest = ROOT / kind / parts[0] / parts[1], parts[1], parts[2:]
        token = self.headers.get("Authorization")
        if name == "private" and token != "Bearer good":
            return self.answer(401, b"{}", [("X-Error-Code", "RepoNotFound")])
        if name == "gated":
            return self.answer(403, b"{}", [("X-Error-Code", "GatedRepo")])
        if name == "moved":
            return self.answer(307, b"", [("Location", self.path.replace("/moved/", "/plain/"))])
        if name == "flaky" and times(path) < 2:
            return self.answer(503, b"", [("Retry-After", "0")])
        if not folder.is_dir() or len(rest) < 2 or rest[1] not in ("main", COMMIT):
            return self.answer(404, b"{}", [("X-Error-Code", "RepoNotFound")])
        if api:
            return self.list(folder, name)
        return self.resolve(folder / "/".join(rest[2:]), name)

    do_HEAD = do_GET

    def list(self, folder, name):
        files = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
        if name == "evil":
            files.append("../../../evil")
        body = {"sha": COMMIT, "siblings": [{"rfilename": f} for f in files]}
        self.answer(200, json.dumps(body).encode())

    def resolve(self, path, name):
        if not path.is_file():
            return self.answer(404, b"", [("X-Error-Code", "EntryNotFound")])
        data = path.read_bytes()
        headers = [("X-Repo-Commit", COMMIT)]
        if len(data) <= 1000 and name == "cached":
            place = f"/api/cache/{quote(str(path.relative_to(ROOT / 'models')))}"
            return self.answer(307, b"", [("Location", place), ("ETag", '"' + "0" * 40 + '"')])
        if len(data) <= 1000:
            if name != "nohash":
                headers.append(("ETag", f'"{hash_of(data)}"'))
            return self.answer(200, data, headers)
        headers += [("X-Linked-ETag", f'"{hash_of(data)}"'), ("X-Linked-Size", str(len(data))),
                    ("Location", f"{STORE_URL}/{path.relative_to(ROOT)}?signature=x%2Fy")]
        return self.answer(302, b"", headers)


def start(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


STORE_URL = start(Store)
print(start(Hub), flush=True)
threading.Event().wait()
