// The waiting page keeps itself up to date.  Without this the page reloads
// itself; with it nothing flickers, and the result comes at once.
(() => {
	"use strict";
	const get = id => document.getElementById(id);
	const main = get("task"), link = main.dataset.link, path = get("path").textContent;
	const words = { queued: "Waiting for its turn", running: "Running" };
	// Both ends of a time are the server's: the clock here may be wrong.
	const skew = main.dataset.now - Date.now();
	let since = +main.dataset.since, retry = +main.dataset.retry;
	let failures = 0, over = false, abort;

	// Only what has changed is written: a screen reader would say it again.
	const write = (id, text) => {
		if (get(id).textContent !== text)
			get(id).textContent = text;
	};
	const say = (state, text, title) => {
		main.dataset.state = state;
		write("state", text);
		document.title = (title || text) + " - " + path;
	};

	const tick = () => {
		const s = Math.max(0, Math.floor((Date.now() + skew - since) / 1000));
		const two = n => String(n % 60).padStart(2, "0");
		const m = Math.floor(s / 60), h = Math.floor(m / 60);
		if (!over)
			write("elapsed", (h ? h + ":" + two(m) : m) + ":" + two(s));
	};

	const show = task => {
		const p = task.progress;
		since = Date.parse(task.started || task.created);
		get("progress").hidden = !p;
		if (p) {
			get("bar").value = p.percent;
			write("percent", p.percent + "%");
			write("message", p.message);
		}
		say(task.state, words[task.state], p && p.percent + "% " + words[task.state]);
		tick();
	};

	// A result that is a file is saved, and this page stays where it is.
	const finish = answer => {
		const file = /^\s*attachment/i.test(answer.headers.get("Content-Disposition") || "");
		over = true;
		say("over", file ? "Finished: the download has begun" : "Finished: here it comes", "Finished");
		for (const id of ["cancel", "progress", "note"])
			get(id).hidden = true;
		setTimeout(() => { get("again").hidden = false; }, file ? 0 : 5000);
		location.replace(link);
	};

	// The server holds the question until the task has ended, or until a
	// look at the progress is worth it.
	const look = async () => {
		const began = Date.now();
		let pause = 0;
		abort = new AbortController();
		const late = setTimeout(() => abort.abort(), 60000);
		try {
			const answer = await fetch(link, {
				headers: { Accept: "application/json", Prefer: "wait=" + Math.min(25, retry + 1) },
				cache: "no-store", redirect: "manual", signal: abort.signal,
			});
			const state = answer.headers.get("Deferd-State");
			if (state in words) {
				const task = await answer.json();
				if (over)
					return;
				retry = +answer.headers.get("Retry-After") || 1;
				failures = 0;
				show(task);
				pause = Date.now() - began < 500 * retry ? 1000 * retry : 250;
			} else if (state || answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) {
				finish(answer);
				abort.abort();
			} else {
				throw new Error("not from deferd: " + answer.status);
			}
		} catch (e) {
			if (over)
				return;
			pause = 1000 * Math.min(30, 2 ** failures++);
			say("lost", "Connection lost, trying again");
		} finally {
			clearTimeout(late);
		}
		if (!over)
			setTimeout(look, pause);
	};

	get("cancel").addEventListener("submit", () => {
		over = true;
		say("over", "Cancelling");
		get("cancel").firstElementChild.disabled = true;
		abort.abort();
	});
	addEventListener("pageshow", e => {
		if (e.persisted)
			location.reload();
	});
	setInterval(tick, 1000);
	look();
})();
