"""Stands in for ``python -m vllm.entrypoints.openai.api_server`` in tests of the child process.

``$FAKE_VLLM`` says how it behaves: healthy, dies (with a traceback), silent (never healthy), stuck (answers no
question), crashes (at the first question) or crashes once (the first server of a test at its first question). It
starts a worker as vLLM does, and writes both process ids into ``$FAKE_VLLM_PIDS``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEATH = """\
(EngineCore pid=77) Traceback (most recent call last):
(EngineCore pid=77)   File "engine.py", line 1, in start
(EngineCore pid=77) ValueError: No available memory for the cache blocks
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above.
Goodbye.
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer("vllm:generation_tokens_total 1" if self.path == "/metrics" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/tokenize":
            self._answer({"count": sum(len(message["content"].split()) for message in body["messages"])})
            return
        if os.environ["FAKE_VLLM"] == "stuck":
            time.sleep(600)
        if os.environ["FAKE_VLLM"] == "crashes":
            print("torch.OutOfMemoryError: too long", flush=True)
            os._exit(1)
        if os.environ["FAKE_VLLM"] == "crashes once" and crashes_now():
            print("torch.OutOfMemoryError: out of memory", flush=True)
            os._exit(1)
        message = {"role": "assistant", "content": f"I am {body['model']}"}
        self._answer({"choices": [{"message": message, "finish_reason": "stop"}]})

    def _answer(self, body: object) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        print("served", format % args, flush=True)


def crashes_now() -> bool:
    """True for the first server that asks."""
    try:
        Path(f"{os.environ['FAKE_VLLM_PIDS']}.crashed").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main(arguments: list[str]) -> int:
    if arguments[0] == "-c":  # the runner asks whether vLLM can be imported
        return int(os.environ.get("FAKE_VLLM") == "absent")
    print(f"GPU {os.environ.get('CUDA_VISIBLE_DEVICES')} of this machine", flush=True)
    print("command:", json.dumps(arguments), flush=True)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.environ["FAKE_VLLM_PIDS"]).write_text(f"{os.getpid()} {worker.pid}")
    if os.environ["FAKE_VLLM"] == "dies":
        print(DEATH, flush=True)
        return 1
    if os.environ["FAKE_VLLM"] == "silent":
        print("loading weights", flush=True)
        return worker.wait()
    port = int(arguments[arguments.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
