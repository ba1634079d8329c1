// The page of tasks keeps itself up to date.  The filter is left alone, and so
// is whatever is the same: the focus, what is selected, how far a text has
// been scrolled.
(() => {
	"use strict";
	const EVERY = 5000;
	const get = id => document.getElementById(id);
	// An address with a password in it can be opened, but not fetched.
	const plain = address => {
		const url = new URL(address);
		url.username = url.password = "";
		return url.href;
	};
	let timer, abort;

	const morph = (old, now) => {
		if (old.isEqualNode(now))
			return;
		if (old.nodeName !== now.nodeName || old.nodeType !== 1 || old.nodeName === "svg") {
			old.replaceWith(now);
			return;
		}
		for (const a of [...old.attributes])
			if (!now.hasAttribute(a.name))
				old.removeAttribute(a.name);
		for (const a of now.attributes)
			if (old.getAttribute(a.name) !== a.value)
				old.setAttribute(a.name, a.value);
		morphChildren(old, now);
	};

	// Those with an id are known by it, the others by their place.
	const morphChildren = (old, now) => {
		const wanted = new Set([...now.children].map(e => e.id));
		for (const e of [...old.children])
			if (e.id && !wanted.has(e.id))
				e.remove();
		const known = new Map([...old.children].map(e => [e.id, e]));
		let at = old.firstChild;
		for (const want of [...now.childNodes]) {
			const have = want.id ? known.get(want.id) : at && !at.id ? at : null;
			if (have && have === at)
				at = at.nextSibling;
			else
				old.insertBefore(have || want, at);
			if (have)
				morph(have, want);
		}
		while (at) {
			const next = at.nextSibling;
			at.remove();
			at = next;
		}
	};

	// Its style has a nonce that is not this page's, and is the same.
	const show = text => {
		const bare = text.replace(/<style[^]*?<\/style>/, "");
		const page = new DOMParser().parseFromString(bare, "text/html");
		if (!page.getElementById("lists"))
			throw new Error("not the page of tasks");
		for (const id of ["now", "lists", "note"])
			morph(get(id), page.getElementById(id));
		document.title = page.title;
		get("stale").hidden = true;
	};

	const look = async () => {
		clearTimeout(timer);
		if (abort)
			abort.abort();
		const mine = abort = new AbortController();
		const late = setTimeout(() => mine.abort(), 30000);
		try {
			const answer = await fetch(plain(location.href), {
				headers: { Accept: "text/html" }, cache: "no-store", signal: mine.signal,
			});
			if (!answer.ok)
				throw new Error("status " + answer.status);
			show(await answer.text());
		} catch (e) {
			if (abort !== mine)
				return;		// a newer look is under way
			get("stale").textContent = "No answer (" + e.message + "); what is shown is old. Trying again.";
			get("stale").hidden = false;
		} finally {
			clearTimeout(late);
		}
		if (abort === mine && !document.hidden)
			timer = setTimeout(look, EVERY);
	};

	// What a button does is seen at once, and where one was looking.
	addEventListener("submit", async e => {
		const form = e.target;
		if (form.method !== "post")
			return;
		e.preventDefault();
		form.firstElementChild.disabled = true;
		try {
			await fetch(plain(form.action), { method: "POST", headers: { Accept: "application/json" } });
		} catch {
			// the look says what is the matter
		}
		look();
	});
	addEventListener("visibilitychange", () => {
		if (!document.hidden)
			look();
	});
	timer = setTimeout(look, EVERY);
})();
