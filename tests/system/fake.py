"""
A daemon that only says what it heard, in JSON: for proving the fixtures, and
for asking a web server what it really sends (the table of lessons.md).
"""

import hashlib
import json
import os
import socket
import threading


class FakeDaemon:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(128)
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        os.unlink(self.path)

    def loop(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        data, fds, _, _ = socket.recv_fds(conn, 65536, 4)
        while b":" not in data or len(data) < self.head_end(data):
            data += conn.recv(65536)
        end = self.head_end(data)
        words = data[data.index(b":") + 1:end - 1].split(b"\0")[:-1]
        words = [w.decode("latin-1") for w in words]
        pairs = list(zip(words[::2], words[1::2]))
        first = data[end:]
        read, write = (fds[0], fds[1]) if fds else (conn.fileno(), conn.fileno())
        length = dict(pairs).get("CONTENT_LENGTH")
        body = self.read_body(read, first, None if length is None else int(length))
        report = json.dumps({"vars": pairs, "fds": len(fds), "size": len(body),
                             "sha256": hashlib.sha256(body).hexdigest()}).encode()
        os.write(write, b"Status: 200 OK\r\nContent-Type: application/json\r\n"
                        b"X-Twice: 1\r\nX-Twice: 2\r\n\r\n" + report)
        for fd in fds:
            os.close(fd)
        conn.close()

    @staticmethod
    def head_end(data):
        colon = data.index(b":")
        return colon + 1 + int(data[:colon]) + 1

    @staticmethod
    def read_body(fd, body, length):
        while length is None or len(body) < length:
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                break
            body += chunk
        return body
