#!/usr/bin/env python3
"""One cache for tailor and huggingface_hub, against a hub on 127.0.0.1.

    python tests/parity/hub.py [--tailor build/tailor]

The hub has a small repository, its large files on a second origin.  In one cache tailor pulls and huggingface_hub must
find everything without a connection; in another huggingface_hub downloads and tailor must find everything without
downloading a byte; both caches must hold the same blobs, links and pointers.  A download that tailor was killed in goes on
with huggingface_hub's lock beside it.  Needs huggingface_hub (any that transformers brings: written with 2.0.0, and holds with 1.33.0 and 2.4.0)."""
import argparse
import hashlib
import http.server
import json
import os
import random
import subprocess
import tempfile
import threading

REPO, SHA = "org/tiny", "0123456789abcdef0123456789abcdef01234567"
random.seed(1)
FILES = {  # name: (bytes, is large)
    "config.json": (b'{"model_type": "llama"}\n', False),
    "tokenizer.json": (random.randbytes(30000).hex().encode(), False),
    "chat_template.jinja": ("{{ messages }}\N{SNOWMAN}".encode(), False),
    "LICENSE": (b"", False),
    "model-00001-of-00002.safetensors": (random.randbytes(3_000_000), True),
    "model-00002-of-00002.safetensors": (random.randbytes(40_000_000), True),
    "model.safetensors.index.json": (b"{}", False),
}
asked = []  # (method, path, authorization)


def etag(name):
    data, large = FILES[name]
    return hashlib.sha256(data).hexdigest() if large else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("length", len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, name, **headers):
        data = FILES[name][0]
        part = self.headers.get("Range")
        if not part:
            return self.reply(200, data, ETag=f'"{etag(name)}"', Accept_Ranges="bytes", **headers)
        first, last = part.removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last or len(data) - 1), len(data) - 1)
        self.reply(206, data[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}",
                   ETag=f'"{etag(name)}"', **headers)

    def do_GET(self):
        path = self.path.split("?")[0]
        asked.append((self.command, path, self.headers.get("Authorization")))
        info = {"id": REPO, "modelId": REPO, "sha": SHA, "private": False, "tags": [], "downloads": 0, "likes": 0,
                "siblings": [{"rfilename": n} for n in FILES]}
        if path.startswith(f"/api/models/{REPO}/tree/"):
            return self.reply(200, json.dumps([self.entry(n) for n in FILES]).encode(), Content_Type="application/json")
        if path in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/main", f"/api/models/{REPO}/revision/{SHA}"):
            return self.reply(200, json.dumps(info).encode(), Content_Type="application/json")
        if path.startswith("/store/"):
            return self.file(path.removeprefix("/store/"))
        for revision in "main", SHA:
            start = f"/{REPO}/resolve/{revision}/"
            if path.startswith(start) and path.removeprefix(start) in FILES:
                name = path.removeprefix(start)
                if not FILES[name][1]:
                    return self.file(name, X_Repo_Commit=SHA)
                return self.reply(302, X_Repo_Commit=SHA, X_Linked_Size=str(len(FILES[name][0])),
                                  X_Linked_Etag=f'"{etag(name)}"', Location=f"{store}/store/{name}?signature=x")
        self.reply(404, X_Error_Code="EntryNotFound")

    do_HEAD = do_GET

    @staticmethod
    def entry(name):
        data, large = FILES[name]
        e = {"type": "file", "path": name, "size": len(data), "oid": "0" * 40 if large else etag(name)}
        return e | ({"lfs": {"oid": etag(name), "size": len(data), "pointerSize": 130}} if large else {})


def serve(host):  # huggingface_hub tells hubs apart by name, without the port
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{host}:{server.server_address[1]}"


def tree(cache):
    """What lies in the cache of what both write: paths, and links or the hash of bytes."""
    found = {}
    for folder, _, names in os.walk(os.path.join(cache, "models--org--tiny")):
        for name in names:
            path = os.path.join(folder, name)
            short = os.path.relpath(path, cache)
            if "/trees/" not in short and "/.no_exist/" not in short:
                with open(path, "rb") as f:
                    found[short] = os.readlink(path) if os.path.islink(path) else hashlib.sha256(f.read()).hexdigest()
    return found


def main():
    global store
    a = argparse.ArgumentParser()
    a.add_argument("--tailor", default="build/tailor")
    a = a.parse_args()
    hub, store = serve("127.0.0.1"), serve("localhost")
    scratch = tempfile.TemporaryDirectory()
    ours, theirs = os.path.join(scratch.name, "ours"), os.path.join(scratch.name, "theirs")
    os.environ.update(HF_ENDPOINT=hub, HF_HOME=scratch.name, HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1",
                      HF_HUB_DISABLE_TELEMETRY="1", HF_TOKEN="hf_secret", no_proxy="*")
    import huggingface_hub as h  # reads the environment when it is imported

    def pull(cache):
        env = os.environ | {"HF_HUB_CACHE": cache}
        done = subprocess.run([a.tailor, "pull", REPO], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # tailor pulls; Python finds it.
    path = pull(ours)
    before = len(asked)
    assert h.snapshot_download(REPO, cache_dir=ours, local_files_only=True) == os.path.realpath(path)
    for name, (data, _) in FILES.items():
        found = h.try_to_load_from_cache(REPO, name, cache_dir=ours)
        assert isinstance(found, str) and open(found, "rb").read() == data, name
    info = h.scan_cache_dir(ours)
    assert not info.warnings and len(info.repos) == 1, info.warnings
    repo = next(iter(info.repos))
    assert repo.repo_id == REPO and repo.nb_files == len(FILES) and set(repo.refs) == {"main"}, repo
    assert repo.size_on_disk == sum(len(d) for d, _ in FILES.values())
    assert len(asked) == before, asked[before:]

    # Python downloads; tailor finds it.
    h.snapshot_download(REPO, cache_dir=theirs)
    before = len(asked)
    assert os.path.realpath(pull(theirs)) == os.path.realpath(h.snapshot_download(REPO, cache_dir=theirs, local_files_only=True))
    assert [x[:2] for x in asked[before:]] == [("GET", f"/api/models/{REPO}/revision/main")], asked[before:]
    assert tree(ours) == tree(theirs), set(tree(ours).items()) ^ set(tree(theirs).items())

    # A beginning that tailor left: Python downloads past it, and tailor takes what Python has.
    name = "model-00002-of-00002.safetensors"
    blob = os.path.join(ours, "models--org--tiny/blobs", etag(name))
    os.unlink(os.path.join(path, name))
    os.rename(blob, blob + ".incomplete")
    os.truncate(blob + ".incomplete", 12_345_678)
    before = len(asked)
    pull(ours)
    assert tree(ours) == tree(theirs)
    assert any(x[1] == f"/store/{name}" for x in asked[before:])
    os.unlink(os.path.join(path, name))
    os.rename(blob, blob + ".incomplete")
    os.truncate(blob + ".incomplete", 12_345_678)
    h.hf_hub_download(REPO, name, cache_dir=ours)
    assert open(blob, "rb").read() == FILES[name][0]

    assert all(x[2] is None for x in asked if x[1].startswith("/store/")), "a token went to the store"
    print(f"hub: one cache, {len(FILES)} files, both ways with huggingface_hub {h.__version__}")


main()
