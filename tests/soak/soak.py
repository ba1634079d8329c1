"""
The soak: the clients, the killing and the book of the crash test (tests/crash/), for as
long as one likes, and with more than deaths: allocations that fail, workers that are
stopped, reloads, restarts, pauses, and clients that are rude.

	soak.py MINUTES [SEED]

A chapter is some minutes of it; then all comes to rest, the books are compared, and
everything is removed.  Chapters of the first third are storms (anybody is killed), the
others are calm: one master lives through them, and is measured at each rest.
"""

import contextlib
import os
import random
import signal
import statistics
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "..", "system"), os.path.join(HERE, "..", "crash")]

import client                                            # noqa: E402
import crash                                             # noqa: E402
import fault                                             # noqa: E402
import harness                                           # noqa: E402
from client import until                                 # noqa: E402

CHAPTER_S = 60
FAULT_EVERY = 3000          # allocations, about
RUDE = 3
FLAT_KIB = 1024             # a measured process may grow so much: late arenas, stacks
FLAT_FDS = 8                # and by so many that are in use when it is looked at

# What happens in a calm chapter, and how often.
EVENTS = {"worker": 3, "stopped worker": 2, "reload": 3, "pause": 1,
          "no memory": 12}


class Soak(crash.Crash):
    def __init__(self, minutes, seed):
        self.minutes = minutes
        super().__init__(0, seed)
        self.control = self.world.path("spare", "control.sock")
        self.measured = []      # of each rest of the calm part: {what: (KiB, descriptors)}
        self.plan = None
        if not harness.SANITIZED:
            self.plan, self.folder = fault.install(self.world, "deferd-master")
            env = self.daemon.env
            self.daemon.env = lambda: {**env(), "DEFERD_LIBEXECDIR": self.folder}

    # -- clients ---------------------------------------------------------------

    def ask(self, method, url, body=b"", query="", by_door=False):
        """None too if there was no memory to answer: the next question will tell."""
        answer = super().ask(method, url, body, query, by_door)
        if answer and (answer.status == 503 and method == "GET" and url.startswith("/status/") or
                       answer.status == 500 and answer.state is None):
            self.counts["no memory to answer"] += 1
            return None
        return answer

    def new_order(self, rng):
        order = super().new_order(rng)
        order.may_starve = self.plan is not None
        return order

    def waiter(self, rng):
        """Long polls, and follows what a task says."""
        with self.some_order(rng) as (task, _):
            if task is None:
                time.sleep(0.01)
                return
        with contextlib.suppress(OSError, AssertionError):
            if rng.random() < 0.5:
                client.scgi(self.daemon.socket, "GET", f"/status/{task}", timeout=30,
                            mount=self.daemon.mount, extra=[("HTTP_PREFER", "wait=2")])
            else:
                client.scgi(self.control, "GET", f"/status/{task}/log", timeout=30,
                            mount=self.daemon.mount, query="follow=1")
            self.counts["waited"] += 1

    def operator(self, rng):
        """Looks at everything, as somebody who has `deferctl top` open."""
        page = rng.choice(["/tasks", "/stats", "/metrics", "/ping"])
        with contextlib.suppress(OSError, AssertionError):
            client.scgi(self.control, "GET", page, timeout=30, mount=self.daemon.mount,
                        extra=[("HTTP_ACCEPT", rng.choice(["text/html", "*/*"]))])
            self.counts["operated"] += 1
        time.sleep(0.2)

    def rude(self, rng):
        """Garbage, half a head, half a body, an answer that nobody reads."""
        head = client.scgi_head("POST", "/exec/rude", mount=self.daemon.mount, length=5000)
        data = rng.choice([rng.randbytes(rng.randrange(300)), head[:rng.randrange(len(head))],
                           head + rng.randbytes(rng.randrange(4999)),
                           client.scgi_head("GET", "/status/" + harness.NO_TASK)])
        with contextlib.suppress(OSError):
            with client.connect(self.daemon.socket, 5) as s:
                s.sendall(data)
                time.sleep(rng.random() * 0.2)
            self.counts["rude"] += 1

    # -- what happens ------------------------------------------------------------

    def operate(self, url, good):
        """An operator who insists."""
        def done():
            try:
                return client.scgi(self.control, "POST", url, timeout=crash.DEADLINE,
                                   mount=self.daemon.mount).status == good
            except (OSError, AssertionError):
                return False
        until(done, f"{url} is done", crash.DEADLINE)

    def event(self, kind):
        self.counts[f"event {kind}"] += 1
        if kind == "worker":
            self.kill("worker")
        elif kind == "stopped worker":
            self.stop_worker()
        elif kind == "reload":
            self.daemon.settings["queue"] = self.rng.randrange(200, 400)
            self.daemon.write_conf()
            if self.plan:       # libconfuse would end the master (check_conf)
                self.plan.fail(0)
            self.operate("/reload", 200)
        elif kind == "pause":
            self.operate("/pause", 204)
            time.sleep(0.5)
            self.operate("/resume", 204)
        elif self.plan:
            self.plan.fail(self.rng.randrange(1, FAULT_EVERY))

    def stop_worker(self):
        """It hangs for a moment; nothing of it is lost."""
        workers = self.daemon.workers()
        if not workers:
            return
        pid = self.rng.choice(workers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.rng.random())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def storm(self, until_s):
        while time.monotonic() < until_s and not self.faults:
            self.round()

    def calm(self, until_s):
        kinds, weights = list(EVENTS), list(EVENTS.values())
        while time.monotonic() < until_s and not self.faults:
            time.sleep(self.rng.random() * 2)
            self.event(self.rng.choices(kinds, weights)[0])

    def rest(self):
        """Nothing fails while the books are compared."""
        if self.plan:
            self.plan.fail(0)
        super().rest()

    # -- what it costs -------------------------------------------------------------

    def measure(self):
        d = self.daemon
        pids = {"launcher": d.launcher(), "master": d.master()}
        self.measured.append({
            name: (int(harness.field(pid, "VmRSS").split()[0]), harness.descriptors(pid))
            for name, pid in pids.items()})

    def check_flat(self):
        """No process has more in the last third of the calm part than in the middle one."""
        third = len(self.measured) // 3
        if harness.SANITIZED or third == 0:
            return
        for name in ("launcher", "master"):
            seen = [m[name] for m in self.measured]
            middle, last = (tuple(map(statistics.median, zip(*part)))
                            for part in (seen[third:-third], seen[-third:]))
            print(f"{name}: {middle[0]:.0f} KiB and {middle[1]:.0f} descriptors, "
                  f"at the end {last[0]:.0f} and {last[1]:.0f}")
            assert last[0] <= middle[0] + FLAT_KIB, f"{name}: memory grows: {seen}"
            assert last[1] <= middle[1] + FLAT_FDS, f"{name}: descriptors grow: {seen}"

    # -- the whole ---------------------------------------------------------------

    def chapters(self):
        """Each with its end, in seconds from the beginning."""
        n = max(3, round(self.minutes * 60 / CHAPTER_S))
        each = self.minutes * 60 / n
        return [(i < n // 3, (i + 1) * each) for i in range(n)]

    def run(self):
        self.daemon.write_conf()
        self.start()
        whats = [self.submitter] * crash.SUBMITTERS + [self.watcher] * crash.WATCHERS + \
            [self.waiter] * 4 + [self.operator] + [self.rude] * RUDE
        threads = [threading.Thread(target=self.repeat, args=(what, self.rng.random()))
                   for what in whats]
        for t in threads:
            t.start()
        try:
            began = time.monotonic()
            for n, (is_storm, end) in enumerate(self.chapters(), 1):
                (self.storm if is_storm else self.calm)(began + end)
                self.rest()
                if self.faults:
                    break
                if not is_storm:
                    self.measure()
                self.tell(n)
        except Exception:
            self.fault(traceback.format_exc())
        self.over.set()
        for t in threads:
            t.join()

    def end(self):
        if not self.faults:
            try:
                self.check_flat()
            except AssertionError:
                self.fault(traceback.format_exc())
        super().end()


def main():
    minutes = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10 ** 9)
    soak = Soak(minutes, seed)
    print(f"soak: {minutes:g} minutes, seed {seed}", flush=True)
    soak.run()
    soak.end()
    print(", ".join(f"{k}: {n}" for k, n in sorted(soak.counts.items())))
    if soak.faults:
        print("".join(soak.log))
        print(f"FAILED with seed {seed} ({len(soak.faults)} faults)\n{soak.faults[0]}")
    print("0 passed, 1 failed" if soak.faults else "1 passed, 0 failed")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
