"""
What the clients of the crash test order, and what must become of it.

An order is one submission.  Its key is in its request body, in its response
and in the book, so that whatever is found anywhere says whose it is.
"""

import collections

IDEMPOTENT = ("GET", "PUT")
METHODS = ("GET", "PUT", "POST", "PATCH")
LARGE = 65536           # `inline`: bodies above it are files in the spool

# name: (what runs it, rerun, max-attempts)
ROUTES = {
    "exec": ("exec", "idempotent", 100),
    "module": ("module", "idempotent", 100),
    "always": ("exec", "always", 100),
    "never": ("module", "never", 100),
    "twice": ("exec", "idempotent", 2),
}


def conf_routes(exec_path, module_path, book):
    """The routes as deferd.conf has them."""
    paths = {"exec": exec_path, "module": module_path}
    return "".join(
        f'route "/{name}/*" {{ {kind} = "{paths[kind]}" rerun = "{rerun}" '
        f'max-attempts = {attempts} env = {{ "BOOK={book}" }} }}\n'
        for name, (kind, rerun, attempts) in ROUTES.items())


class Order:
    may_starve = False          # a soak lets allocations fail

    def __init__(self, key, rng):
        self.key = key
        self.route = rng.choice(list(ROUTES))
        self.method = rng.choice(METHODS)
        self.in_size = 0 if self.method == "GET" else self.size(rng)
        self.out_size = self.size(rng)
        self.ms = int(rng.expovariate(1 / 10)) if rng.random() < 0.9 else rng.randrange(400)
        self.by_door = rng.random() < 0.05
        self.deaths = None      # how many there had been when it was sent
        self.outcome = None     # once seen, it stays
        self.dropped = None     # "asked": a DELETE was sent; "done": it was answered
        self.busy = False       # somebody is asking about it

    @staticmethod
    def size(rng):
        """Mostly a few bytes, sometimes just around what is inline, or above."""
        kind = rng.random()
        if kind < 0.85:
            return rng.randrange(2000)
        if kind < 0.95:
            return LARGE + rng.randrange(-2, 3)
        return LARGE + rng.randrange(4 * LARGE)

    @property
    def url(self):
        return f"/{self.route}/{self.key}"

    @property
    def query(self):
        return f"{self.key}-{self.in_size}-{self.out_size}-{self.ms}"

    def bytes(self, size):
        line = self.key.encode() + b"\n"
        return (line * (size // len(line) + 1))[:size]

    @property
    def max_starts(self):
        _, rerun, attempts = ROUTES[self.route]
        again = rerun == "always" or rerun == "idempotent" and self.method in IDEMPOTENT
        return attempts if again else 1

    def __repr__(self):
        return (f"{self.method} {self.url}?{self.query} max_starts={self.max_starts} "
                f"outcome={self.outcome} dropped={self.dropped}")

    def judge(self, answer):
        """The outcome that a status answer tells, None if there is none yet; or raises."""
        if answer.status == 202 and answer.state in ("queued", "running"):
            outcome = None
        elif answer.state == "succeeded":
            assert answer.status == 200 and answer.body == self.bytes(self.out_size), \
                f"wrong response: {answer}"
            outcome = "succeeded"
        elif answer.state == "failed" and self.may_starve and "no memory" in answer.json["detail"]:
            outcome = "starved"
        elif answer.state == "failed":
            assert answer.status == 500 and "interrupted" in answer.json["detail"], \
                f"failed of something else: {answer}: {answer.body}"
            outcome = "interrupted"
        elif answer.state == "cancelled":
            assert answer.status == 410 and self.dropped, f"nobody has cancelled it: {answer}"
            outcome = "cancelled"
        else:
            assert answer.status == 404 and self.dropped, f"nobody has removed it: {answer}"
            outcome = "removed"
        assert self.outcome in (None, outcome) or self.dropped == "asked", \
            f"was {self.outcome}, is {answer}"
        return outcome

    def check_book(self, starts, ends, deaths):
        """Outcome and book must agree; `deaths`: how many there have been since."""
        assert starts <= self.max_starts, f"started {starts} times"
        assert ends <= starts, f"started {starts} times, ended {ends} times"
        if self.outcome == "succeeded":
            assert ends >= 1, "succeeded without having run"
        if self.outcome == "interrupted":
            assert deaths > 0, "interrupted, but nobody was killed"
            attempts = ROUTES[self.route][2]
            assert self.max_starts == 1 or deaths >= attempts < 100, \
                "it should have run again"


class Book:
    """The file that the tasks themselves write."""

    def __init__(self, path):
        self.path = path
        with open(path, "w"):
            pass

    def read(self):
        """Of each key how many starts and ends; and of each key its ids."""
        counts = {what: collections.Counter() for what in ("start", "end")}
        ids = collections.defaultdict(set)
        with open(self.path) as f:
            for line in f:
                what, task, key = line.split()
                counts[what][key] += 1
                ids[key].add(task)
        return counts["start"], counts["end"], ids
