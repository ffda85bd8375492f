"""peer_server.py LLAMA_SERVER MODEL CLIENTS TOKENS THREADS - what a llama-server gives so many clients at once.

Each client sends a prompt of 128 tokens that nobody has sent before and wants TOKENS more.  Prints {"peak_gb": 0} when the
server is warm, then for each line on standard input {"value": generated tokens a second over the whole time}.
"""
import concurrent.futures
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

server, model = map(os.path.abspath, sys.argv[1:3])
clients, tokens, threads = map(int, sys.argv[3:6])
PROMPT = 128
rng = random.Random(1)


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
folder = tempfile.TemporaryDirectory()  # it writes its log where it is started
process = subprocess.Popen(
    [server, "-m", model, "-t", str(threads), "-np", str(clients), "-c", str(clients * (PROMPT + tokens + 64)), "--host",
     "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder.name,
    preexec_fn=end_with_parent)


def ask(path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def client(prompt):
    answer = ask("/completion", {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "cache_prompt": False,
                                 "temperature": 0})
    return answer["tokens_predicted"]


def turn():
    prompts = [[rng.randrange(300, 32000) for _ in range(PROMPT)] for _ in range(clients)]
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        made = sum(pool.map(client, prompts))
    return made / (time.perf_counter() - start)


try:
    for _ in range(600):
        try:
            ask("/health")
            break
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None:
                sys.exit(f"{server} ended with {process.returncode}")
            time.sleep(0.1)
    turn()
    print(json.dumps({"peak_gb": 0}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"value": turn()}), flush=True)
finally:
    process.terminate()
    process.wait()
