"""
The crash test: clients submit without pause and write down every id they got
a 202 for; launcher, master and workers are killed with -9 at random moments
and started again; in the end every id answers with its right outcome.

	crash.py [ROUNDS [SEED]]

A round is one killing.  After each CHAPTER of them all comes to rest, the
books are compared, and everything is removed: so the spool must be empty, and
a long run needs no more space than a short one.
"""

import collections
import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "..", "system"))

import client                                            # noqa: E402
import harness                                           # noqa: E402
from client import until                                 # noqa: E402
from orders import Book, Order, conf_routes              # noqa: E402

CHAPTER = 20
SUBMITTERS, WATCHERS = 6, 2
QUEUE = 300                 # small: then all comes to rest soon
START_MAX = 30              # seconds; leftovers must not slow it down
DEADLINE = 120              # for everything else that must happen at all

# What is killed.  "all" is the machine's death, as far as processes go; "stop" kills
# nobody: a SIGTERM, after which nothing may have been interrupted.
KINDS = ("all", "launcher", "master", "worker", "workers", "master and worker", "stop")
LAUNCHER_DIES = {"all", "launcher", "stop"}
MASTER_DIES = LAUNCHER_DIES | {"master", "master and worker"}
CALM_KILLS = 3              # above it the launcher's backoff would rule the pace


class Crash:
    def __init__(self, rounds, seed):
        self.rounds, self.seed = rounds, seed
        self.rng = random.Random(seed)
        self.world = harness.World()
        self.lock = threading.Lock()
        self.active = 0                 # clients that are at something
        self.orders = {}            # id: Order, for every 202
        self.ids = []               # the same, to choose from
        self.nkeys = 0
        self.epoch = 0              # odd: the master is, or may be, down
        self.deaths = 0
        self.family = set()     # pids of launchers, masters, workers that were seen
        self.kills_since_start = 0
        self.resting = threading.Event()
        self.over = threading.Event()
        self.faults = []
        self.starts = []            # seconds from exec to the first answer
        self.counts = collections.Counter()
        self.prepare()

    def prepare(self):
        w = self.world
        w.install(harness.find_build("tests/crash/task"), "cgi", "task")
        w.install(harness.find_build("tests/crash/task.so"), "modules", "task.so")
        self.book = Book(w.path("out", "book"))
        os.chmod(self.book.path, 0o666)
        self.spool = w.path("spare", "spool")
        for folder in (self.spool, w.path("spare", "store")):
            os.mkdir(folder, 0o700)
            if harness.ROOT:
                shutil.chown(folder, harness.MASTER_USER)
        routes = conf_routes(w.path("cgi", "task"), "task.so", self.book.path)
        routes = routes.replace("{", "{{").replace("}", "}}")
        self.db = w.path("spare", "store", "tasks.db")
        self.daemon = w.daemon(routes=routes, store=f"sqlite:{self.db}", queue=QUEUE,
                               workers=2, threads=4, keep=86400, drain=20)
        if not self.sqlite_built():
            self.db = None
            self.daemon.settings["store"] = "memory"

    def sqlite_built(self):
        if os.environ.get("DEFERD_STORE") == "memory":
            return False
        self.daemon.write_conf()
        done = subprocess.run(self.daemon.command("-n", "-c", self.daemon.conf_path),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return done.returncode == 0

    # -- clients ---------------------------------------------------------------

    def new_order(self, rng):
        with self.lock:
            self.nkeys += 1
            key = f"k{self.nkeys}"
        return Order(key, rng)

    def ask(self, method, url, body=b"", query="", by_door=False):
        """An answer; None if somebody was killed meanwhile.  A silent daemon is a fault."""
        epoch = self.epoch
        try:
            if by_door:
                answer = self.ask_door(method, url, body, query)
            else:
                answer = self.daemon.request(method, url, body, query=query, timeout=DEADLINE)
            length = answer.get("Content-Length")
            if length is None or int(length) == len(answer.body):
                return answer
            raise ConnectionError(f"cut short: {answer}")
        except (OSError, AssertionError):
            if epoch == self.epoch and epoch % 2 == 0:
                raise
            return None

    def ask_door(self, method, url, body, query):
        env = client.door_env(self.daemon.socket, method, url, self.daemon.mount, len(body),
                              [("QUERY_STRING", query)])
        done = subprocess.run([self.world.door], input=body, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=DEADLINE)
        return client.parse_cgi(done.stdout)

    def submitter(self, rng):
        order = self.new_order(rng)
        order.deaths = self.deaths
        answer = self.ask(order.method, order.url, order.bytes(order.in_size), order.query,
                          order.by_door)
        if answer is None or answer.status == 503:
            self.counts["refused" if answer else "cut off"] += 1
            time.sleep(0.01)
            return
        assert answer.status == 202, f"{order}: {answer}"
        with self.lock:
            assert answer.id not in self.orders, f"the id {answer.id} was given twice"
            self.orders[answer.id] = order
            self.ids.append(answer.id)
        self.counts["promised"] += 1

    @contextlib.contextmanager
    def some_order(self, rng):
        """One of the newest or any, for this thread alone; or (None, None)."""
        with self.lock:
            n = len(self.ids)
            newest = rng.random() < 0.5
            task = self.ids[rng.randrange(max(0, n - 200) if newest else 0, n)] if n else None
            order = self.orders.get(task)
            if order is None or order.busy:
                task = order = None
            else:
                order.busy = True
        try:
            yield task, order
        finally:
            if order:
                order.busy = False

    def look(self, task, order):
        """Asks for the status and judges the answer; None: not known now, or no outcome yet."""
        answer = self.ask("GET", f"/status/{task}")
        if answer is None:
            return None
        try:
            outcome = order.judge(answer)
        except AssertionError as e:
            raise AssertionError(f"task {task} ({order}): {e}") from None
        if outcome:
            order.outcome = outcome
        self.counts["status"] += 1
        return outcome

    def drop(self, task, order):
        """DELETE: cancels or removes it.  Answered, it holds for ever."""
        order.dropped = order.dropped or "asked"
        answer = self.ask("DELETE", f"/status/{task}")
        if answer is None or answer.status == 503:
            return False
        assert answer.status in (204, 404), f"task {task} ({order}): {answer}"
        if order.dropped == "asked":
            order.outcome = None        # it may have ended just before
            order.dropped = "done"
        self.counts["dropped"] += 1
        return True

    def watcher(self, rng):
        with self.some_order(rng) as (task, order):
            if order is None:
                time.sleep(0.005)
            elif order.dropped == "asked" or order.dropped is None and rng.random() < 0.005:
                if self.drop(task, order):
                    self.look(task, order)
            else:
                self.look(task, order)
                time.sleep(0.001)       # the others are Python, too

    def repeat(self, what, seed):
        rng = random.Random(seed)
        while not self.over.is_set():
            if not self.enter():
                time.sleep(0.01)
                continue
            try:
                what(rng)
            except Exception:           # whatever it is, the test has failed
                self.fault(traceback.format_exc())
            finally:
                self.leave()

    def enter(self):
        """False while the clients rest."""
        with self.lock:
            if not self.resting.is_set():
                self.active += 1
                return True
        return False

    def leave(self):
        with self.lock:
            self.active -= 1

    def fault(self, text):
        with self.lock:
            self.faults.append(text)
        self.over.set()

    # -- killing ---------------------------------------------------------------

    def alive(self):
        """Pids of the daemon's and of the tasks."""
        return [int(p) for p in os.listdir("/proc") if p.isdigit() and self.is_ours(p)]

    def is_ours(self, pid):
        """
        A dying process first loses its program, and its descriptors (the listening socket
        is one) only when the last of its threads has ended: then it is a zombie at most.
        """
        programs = (self.world.path("bin", "deferd"), self.world.path("cgi", "task"))
        try:
            return os.readlink(f"/proc/{pid}/exe").startswith(programs)
        except FileNotFoundError:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
                return f.read().startswith(("deferd", "task")) and (
                    harness.alive(pid) or len(os.listdir(f"/proc/{pid}/task")) > 1)
        except PermissionError:     # we are not root, and they are not dumpable
            return int(pid) in self.family and harness.alive(pid)
        except OSError:
            pass
        return False

    def victims(self, kind):
        d, rng = self.daemon, self.rng
        master, workers = d.children("deferd-master"), d.workers()
        self.family |= {d.launcher(), *master, *workers}
        one = [rng.choice(workers)] if workers else []
        pids = {"all": [d.launcher(), *master, *workers], "launcher": [d.launcher()],
                "master": master, "worker": one, "workers": workers,
                "master and worker": master + one}[kind]
        rng.shuffle(pids)
        return pids

    def kill(self, kind):
        if kind in MASTER_DIES and self.epoch % 2 == 0:
            self.epoch += 1
        victims = self.victims(kind)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(self.is_ours, victims)), "they die", DEADLINE)
        self.deaths += 1        # not before: who is sent while they die may meet it
        self.counts["killed " + kind] += 1

    def stop(self):
        """It ends by itself, with 0, and has let everything finish that was running."""
        if self.epoch % 2 == 0:
            self.epoch += 1
        self.daemon.process.send_signal(signal.SIGTERM)
        assert self.daemon.process.wait(DEADLINE) == 0, "it did not end well"
        self.counts["not killed but stopped"] += 1

    def bury(self):
        """The launcher is dead: whoever is left of the daemon goes by itself."""
        self.daemon.process.wait()
        until(lambda: not self.alive(), "nobody is left after the launcher", DEADLINE)
        self.deaths += 1        # of those who had outlived it

    def start(self):
        """Starts the daemon; sometimes it dies again while it starts."""
        d = self.daemon
        self.kills_since_start = 0
        began = time.monotonic()
        with open(d.log_path, "ab") as log:
            d.process = subprocess.Popen(d.command("-f", "-c", d.conf_path), env=d.env(),
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         cwd="/", start_new_session=True)
        if self.starts and self.rng.random() < 0.25:
            time.sleep(self.rng.uniform(0, 0.08))
            self.kill("all")
            self.bury()
            self.start()
            return
        until(d.serves, "the daemon serves", DEADLINE)
        self.starts.append(time.monotonic() - began)
        assert self.starts[-1] < START_MAX, f"the start took {self.starts[-1]:.1f} s"

    def kill_all(self):
        """The test has failed: nothing more is asked of anybody."""
        def left():
            for pid in self.alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.daemon.process and self.daemon.process.poll() is not None:
                self.daemon.process = None
            return self.alive()
        until(lambda: not left(), "all are dead", DEADLINE)

    def kinds(self):
        if not self.db:
            return ("worker", "workers")
        if self.kills_since_start >= CALM_KILLS:
            return sorted(LAUNCHER_DIES)
        return KINDS

    def round(self):
        time.sleep(min(1.5, self.rng.expovariate(1 / 0.35)))
        kind = self.rng.choice(self.kinds())
        self.kills_since_start += 1
        if kind == "stop":
            self.stop()
        else:
            self.kill(kind)
        if kind in LAUNCHER_DIES:
            self.bury()
            self.start()
        elif kind in MASTER_DIES:
            until(self.daemon.serves, "another master serves", DEADLINE)
        if self.epoch % 2 == 1:
            self.epoch += 1

    # -- rest --------------------------------------------------------------------

    def each(self, what, items):
        """what(item) for all of them, by a few threads; the first fault is raised."""
        queue, faults = collections.deque(items), []

        def work():
            while not faults:
                try:
                    item = queue.popleft()
                except IndexError:
                    return
                try:
                    what(item)
                except Exception as e:
                    faults.append(e)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if faults:
            raise faults[0]

    def rest(self):
        """Everything comes to an end, and the books are compared."""
        with self.lock:
            self.resting.set()
        until(lambda: self.active == 0, "clients rest", DEADLINE)
        if self.faults:
            return
        self.each(self.settle, self.orders.items())
        self.compare()
        self.clear()
        self.resting.clear()

    def settle(self, item):
        task, order = item
        if order.dropped == "asked":
            until(lambda: self.drop(task, order), f"task {task} is dropped", DEADLINE)
        until(lambda: self.look(task, order), f"task {task} ({order}) ends", DEADLINE)
        self.counts[order.outcome] += 1

    def compare(self):
        starts, ends, ids = self.book.read()
        for task, order in self.orders.items():
            try:
                order.check_book(starts[order.key], ends[order.key], self.deaths - order.deaths)
                assert ids[order.key] <= {task}, f"it ran under {ids[order.key]}"
            except AssertionError as e:
                raise AssertionError(f"task {task} ({order}): {e}") from None
        self.counts["starts"] += sum(starts.values())

    def select(self, sql):
        """What the store's file says."""
        with contextlib.closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True,
                                                timeout=DEADLINE)) as db:
            return db.execute(sql).fetchall()

    def rows(self):
        """id: state, of every task in the store."""
        return dict(self.select("SELECT id, state FROM tasks"))

    def spool_agrees(self):
        names = {name for name, in self.select("SELECT name FROM files")}
        return names == set(os.listdir(self.spool))

    def clear(self):
        """Removes what can be removed; then nothing may be left in the spool."""
        left = {t for t, o in self.orders.items() if o.outcome in ("succeeded", "interrupted")}
        if self.db:
            until(lambda: not {"queued", "running"} & set(self.rows().values()),
                  "whoever got no answer has ended too", DEADLINE)
            until(self.spool_agrees, "the spool holds what rows name, no more", DEADLINE)
            rows = self.rows()
            assert left <= set(rows), "the store does not know all"
            left = {t for t, state in rows.items() if state != "cancelled"}
        self.each(self.remove, left)
        until(lambda: not os.listdir(self.spool), "the spool is empty", DEADLINE)
        self.orders.clear()
        self.ids.clear()
        self.book = Book(self.book.path)
        os.chmod(self.book.path, 0o666)

    def remove(self, task):
        answer = self.ask("DELETE", f"/status/{task}")
        assert answer and answer.status == 204, f"task {task}: {answer}"

    # -- the whole ---------------------------------------------------------------

    def run(self):
        self.daemon.write_conf()
        self.start()
        threads = [threading.Thread(target=self.repeat, args=(what, self.rng.random()))
                   for what in [self.submitter] * SUBMITTERS + [self.watcher] * WATCHERS]
        for t in threads:
            t.start()
        try:
            for n in range(1, self.rounds + 1):
                self.round()
                if n % CHAPTER == 0 or n == self.rounds or self.faults:
                    self.rest()
                    self.tell(n)
                if self.faults:
                    break
        except Exception:
            self.fault(traceback.format_exc())
        self.over.set()
        for t in threads:
            t.join()

    def end(self):
        try:
            if not self.faults:
                self.daemon.stop(DEADLINE)
                until(lambda: not self.alive(), "nobody is left", DEADLINE)
                self.check_log()
        except Exception:
            self.fault(traceback.format_exc())
        if self.faults:
            self.kill_all()
        with open(self.daemon.log_path, errors="replace") as f:
            self.log = f.readlines()
        if self.faults:
            self.log = self.told(self.log)
        if os.environ.get("DEFERD_KEEP_WORLD") == "1":
            print("kept:", self.world.base)
        else:
            self.world.close()

    def told(self, log):
        """Of the tasks that are at fault; who died and what went wrong; and the last lines."""
        words = set(re.findall(r"\b[0-9a-f]{32}\b", "".join(self.faults)))
        words |= {"-died", "-killed", ": error: "}
        return [line for line in log[:-40] if any(word in line for word in words)][-200:] + log[-40:]

    def check_log(self):
        """Nobody but us has killed anybody."""
        with open(self.daemon.log_path, errors="replace") as f:
            for line in f:
                assert "Sanitizer" not in line and "runtime error" not in line \
                    and "ssertion" not in line, line
                died = re.search(r"-died .*exit=signal:(\d+)", line)
                assert not died or died[1] == "9", line

    def tell(self, n):
        c = self.counts
        print(f"round {n}: {c['promised']} promised, {c['starts']} starts, "
              f"{c['succeeded']} succeeded, {c['interrupted']} interrupted, "
              f"{c['cancelled']} cancelled, {c['removed']} removed, {c['status']} status answers, "
              f"slowest start {max(self.starts):.2f} s", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10 ** 9)
    crash = Crash(rounds, seed)
    print(f"crash test: {rounds} rounds, seed {seed}, store "
          f"{'sqlite' if crash.db else 'memory (only workers are killed)'}", flush=True)
    began = time.monotonic()
    crash.run()
    crash.end()
    print(f"{time.monotonic() - began:.0f} s; " +
          ", ".join(f"{k}: {n}" for k, n in sorted(crash.counts.items()) if "kill" in k))
    if not crash.faults:
        return 0
    print("".join(crash.log))
    print(f"FAILED with seed {seed} ({len(crash.faults)} faults)\n{crash.faults[0]}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
