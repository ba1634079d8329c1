"""The two clients of the tests: curl for HTTP, and SCGI by hand on the daemon's socket."""

import array
import hashlib
import json
import os
import socket
import subprocess
import tempfile
import time

TIMEOUT = 120   # seconds until a test gives up on an answer


class Answer:
    """Status, headers (a list of pairs: they can repeat) and body of one response."""

    def __init__(self, status, headers, body, seconds=0.0, digest=None, size=None):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds
        self.digest = digest or hashlib.sha256(body).hexdigest()
        self.size = len(body) if size is None else size

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        return (self.all(name) or [default])[0]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def state(self):
        return self.get("Deferd-State")

    @property
    def id(self):
        return self.get("Deferd-Task")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.size} bytes {self.body[:300]!r}>"


def parse_head(text):
    headers = []
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if ":" in line:
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))
    return headers


def curl(url, *options, method=None, headers=(), body=None, file=None, chunked=False,
         timeout=TIMEOUT, large=False):
    """One request with curl.  `large`: only digest and size of the body are kept."""
    with tempfile.TemporaryDirectory(prefix="deferd-curl-") as tmp:
        command = ["curl", "-q", "-sS", "--http1.1", "--noproxy", "*", "-g", "--path-as-is",
                   "--max-time", str(timeout), "-D", f"{tmp}/head", "-o", f"{tmp}/body",
                   "-w", "%{http_code} %{time_total} %{errormsg}"]
        if method == "HEAD":
            command += ["--head"]
        elif method:
            command += ["-X", method]
        for header in headers:
            command += ["-H", header]
        if body is not None:
            file = f"{tmp}/upload"
            with open(file, "wb") as f:
                f.write(body)
        if file is not None:
            command += ["-T", file] + ([] if method else ["-X", "POST"])
            command += ["-H", "Content-Type: application/octet-stream"]
            if chunked:
                command += ["-H", "Transfer-Encoding: chunked"]
        done = subprocess.run(command + list(options) + [url], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout + 10)
        status, seconds, *error = done.stdout.decode().split(" ", 2)
        if done.returncode:
            raise ConnectionError(f"curl {url}: exit {done.returncode}, status {status}: {error}")
        with open(f"{tmp}/head", encoding="latin-1") as f:
            # what is last is the answer; before it may stand a 100 Continue
            head = [h for h in f.read().replace("\r\n", "\n").split("\n\n") if h.strip()][-1]
        path = f"{tmp}/body"
        if not os.path.exists(path) or method == "HEAD":
            return Answer(int(status), parse_head(head), b"", float(seconds))
        digest = sha256_file(path)
        with open(path, "rb") as f:
            content = f.read(4096 if large else -1)
        return Answer(int(status), parse_head(head), content, float(seconds), digest,
                      os.path.getsize(path))


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


# ---- SCGI ------------------------------------------------------------------


def scgi_head(method="GET", path="/", mount="/spare", length=0, extra=(), query=""):
    """The head of an SCGI request; `length` None leaves CONTENT_LENGTH out."""
    pairs = [] if length is None else [("CONTENT_LENGTH", str(length))]
    pairs += [("SCGI", "1"), ("REQUEST_METHOD", method), ("SCRIPT_NAME", mount),
              ("PATH_INFO", path), ("QUERY_STRING", query),
              ("REQUEST_URI", mount + path + (f"?{query}" if query else "")),
              ("SERVER_PROTOCOL", "HTTP/1.1"), ("SERVER_NAME", "localhost"),
              ("SERVER_PORT", "80"), ("REMOTE_ADDR", "127.0.0.1")]
    pairs += list(extra)
    return netstring(b"".join(f"{n}\0{v}\0".encode("latin-1") for n, v in pairs))


def netstring(block):
    return b"%d:%s," % (len(block), block)


def connect(path, timeout=TIMEOUT):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.connect(path)
    return s


def read_all(s):
    """Everything up to the end of the stream."""
    chunks = []
    while chunk := s.recv(1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def parse_cgi(data):
    """A CGI response as the daemon prints it."""
    head, empty, body = data.partition(b"\r\n\r\n")
    assert empty, f"no CGI response: {data[:300]!r}"
    headers = parse_head(head.decode("latin-1"))
    status = [v for n, v in headers if n.lower() == "status"]
    assert len(status) == 1, f"one Status expected: {headers}"
    return Answer(int(status[0][:3]), headers, body)


def scgi(path, method="GET", url="/", body=b"", timeout=TIMEOUT, **head):
    """One plain SCGI request: body and answer on the connection."""
    with connect(path, timeout) as s:
        s.sendall(scgi_head(method, url, length=len(body), **head) + body)
        return parse_cgi(read_all(s))


def send_fds(s, data, fds):
    return s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def hand_over(path, head, stdin, stdout, timeout=TIMEOUT):
    """What the door does: the head, with two descriptors on its first byte, and away."""
    with connect(path, timeout) as s:
        rest = head[send_fds(s, head, [stdin, stdout]):]
        if rest:        # or else the daemon may have closed it by now
            s.sendall(rest)


def door_env(path, method="GET", url="/", mount="/spare", length=None, extra=()):
    env = {"DEFERD_SOCKET": path, "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method,
           "SCRIPT_NAME": mount, "PATH_INFO": url, "QUERY_STRING": "",
           "REQUEST_URI": mount + url, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost",
           "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1"}
    if length is not None:
        env["CONTENT_LENGTH"] = str(length)
    env.update(extra)
    return env


# ---- waiting ---------------------------------------------------------------


def until(question, what, timeout=120.0):
    """Asks again and again until the answer is true; a deadline, not a guess."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
