"""A server of which a test says what it answers."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = {"hits": [{"_id": "d1", "_score": 1.0}, {"_id": "d3", "_score": 2.5}]}


class Server(ThreadingHTTPServer):
    """Answers each request with what `answers` has next, the last one for ever."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        self.requests, self.answers = [], [GOOD]
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.requests.append((self.path, dict(self.headers), body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(self)
            return
        status, headers, content = answer if isinstance(answer, tuple) else (200, {}, answer)
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST
