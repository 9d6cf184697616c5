/**
 * The one script: keys, palette, search as one types, parts on demand, and what is new while it grows.
 *
 * Room: edge.
 *
 * Every page works without it. It builds markup from nothing but answers of this server, which escapes them. No build:
 * it is served as it stands here, so it is plain JavaScript; `test/edge/page` runs it in a browser.
 */
export const script = String.raw`"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  const tell = (text) => { $("#said").textContent = text; };
  const asNodes = (markup) => document.createRange().createContextualFragment(markup);
  const ask = async (address, signal) => {
    const answer = await fetch(address, { headers: { "recollect-part": "1" }, signal, redirect: "error" });
    if (!answer.ok) throw new Error("The server answered " + answer.status + ".");
    return answer.text();
  };

  // Parts on demand: a fold with data-part is filled when it is opened first.
  document.addEventListener("toggle", async (event) => {
    const fold = event.target;
    if (!fold.open || !fold.dataset.part || fold.dataset.filled) return;
    fold.dataset.filled = "1";
    const into = $(":scope > div", fold);
    try {
      into.replaceChildren(asNodes(await ask(fold.dataset.part)));
    } catch (error) {
      delete fold.dataset.filled;
      into.textContent = error.message;
    }
  }, true);

  // A slider says its place in the field beside it.
  document.addEventListener("input", ({ target }) => {
    const field = target.dataset.with ? target.form.elements[target.dataset.with] : undefined;
    if (field) field.value = target.value;
  });

  // More of a list, in its place.
  document.addEventListener("click", async (event) => {
    const more = event.target.closest("[data-more]");
    if (more !== null) {
      event.preventDefault();
      const place = more.closest("[data-place]") ?? more;
      const above = more.dataset.more === "before" ? document.documentElement.scrollHeight - scrollY : undefined;
      try {
        const nodes = asNodes(await ask(more.href));
        const first = nodes.firstElementChild;
        place.replaceWith(nodes);
        if (above !== undefined) scrollTo(0, document.documentElement.scrollHeight - above);
        first?.focus?.({ preventScroll: true });
      } catch { location.assign(more.dataset.page ?? more.href); }
      return;
    }
    const copy = event.target.closest("[data-copy]");
    if (copy !== null) {
      const text = copy.dataset.from ? await ask(copy.dataset.from) : copy.dataset.copy;
      try { await navigator.clipboard.writeText(text); tell("Copied."); copy.textContent = "Copied"; }
      catch { tell("The browser did not allow copying."); copy.textContent = "Not allowed"; }
      setTimeout(() => { copy.textContent = copy.dataset.name ?? "Copy"; }, 1500);
    }
    const theme = event.target.closest("[data-themes]");
    if (theme !== null) {
      const root = document.documentElement;
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      document.cookie = "recollect-theme=" + root.dataset.theme + "; path=/; max-age=31536000; SameSite=Strict";
      tell(root.dataset.theme + " theme");
    }
  });

  // Search as one types.
  const form = $("form[data-live]");
  if (form !== null) {
    let going;
    let waiting;
    const run = async () => {
      going?.abort();
      going = new AbortController();
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
      const address = form.getAttribute("action") + "?" + query;
      try {
        const markup = await ask(address, going.signal);
        $("#results").replaceChildren(asNodes(markup));
        history.replaceState(null, "", address);
        tell($("#results [data-said]")?.dataset.said ?? "");
      } catch (error) { if (error.name !== "AbortError") tell(error.message); }
    };
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(run, 160); });
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); run(); });
  }

  // The slider through time, and other choices that take effect at once.
  document.addEventListener("change", (event) => { if (event.target.closest("[data-atonce]")) event.target.form.requestSubmit(); });

  // New rows: appended, never drawn again.
  const growing = $("[data-grows]");
  if (growing !== null && "EventSource" in window) {
    const isAtEnd = () => innerHeight + scrollY > document.documentElement.scrollHeight - 120;
    let source;
    let failures = 0;
    const listen = () => {
      source = new EventSource(growing.dataset.grows + (growing.dataset.grows.includes("?") ? "&" : "?") + "after=" + growing.dataset.after);
      source.addEventListener("open", () => { failures = 0; });
      source.addEventListener("more", (event) => {
        const { after, html } = JSON.parse(event.data);
        const follow = isAtEnd();
        growing.dataset.after = after;
        const nodes = asNodes(html);
        const count = nodes.childElementCount;
        if (growing.dataset.newest === "first") growing.prepend(nodes); else growing.append(nodes);
        while (growing.dataset.most && growing.childElementCount > Number(growing.dataset.most)) growing.lastElementChild.remove();
        tell(count + " new");
        if (follow && growing.dataset.newest !== "first") scrollTo(0, document.documentElement.scrollHeight);
      });
      source.addEventListener("swap", (event) => {
        const { id, html } = JSON.parse(event.data);
        const old = document.getElementById(id);
        if (old !== null && !old.open) old.replaceWith(asNodes(html));
      });
      // The server ends each stream after a while; the next goes on behind what is here.
      source.onerror = () => { source.close(); failures += 1; setTimeout(listen, Math.min(30000, 1000 * 2 ** failures)); };
    };
    listen();
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  }

  // Keys.
  const step = (by) => {
    const items = all("[data-item]").filter((item) => item.checkVisibility());
    if (items.length === 0) return;
    const at = items.findIndex((item) => item.classList.contains("here"));
    const from = at >= 0 ? at : items.findIndex((item) => item.getBoundingClientRect().top > 70) - (by > 0 ? 1 : 0);
    const next = items[Math.max(0, Math.min(items.length - 1, from + by))];
    if (at >= 0) items[at].classList.remove("here");
    next.classList.add("here");
    next.scrollIntoView({ block: "nearest" });
    const link = $("a, summary", next) ?? next;
    if (!next.hasAttribute("tabindex")) link.focus({ preventScroll: true }); else next.focus({ preventScroll: true });
  };
  const open = (id) => { const box = $(id); if (!box.open) box.showModal(); return box; };
  const palette = $("#palette");
  const choices = () => all("#palette li").filter((item) => !item.hidden);
  const choose = (index) => {
    const shown = choices();
    for (const item of shown) $("a", item).setAttribute("aria-selected", "false");
    const item = shown[(index + shown.length) % Math.max(1, shown.length)];
    if (item === undefined) return;
    const link = $("a", item);
    link.setAttribute("aria-selected", "true");
    link.scrollIntoView({ block: "nearest" });
    $("#palette input").setAttribute("aria-activedescendant", link.id);
  };
  const chosen = () => choices().findIndex((item) => $("a", item).getAttribute("aria-selected") === "true");
  const narrow = () => {
    const words = $("#palette input").value.toLowerCase().split(/\s+/);
    for (const item of all("#palette li")) item.hidden = !words.every((word) => item.dataset.search !== undefined || item.textContent.toLowerCase().includes(word));
    const search = $("#palette li[data-search]");
    const text = $("#palette input").value.trim();
    search.hidden = text === "";
    $("a", search).href = "/search?q=" + encodeURIComponent(text);
    $("span", search).textContent = "Search for “" + text + "”";
    choose(0);
  };
  palette.addEventListener("input", narrow);
  palette.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); choose(chosen() + (event.key === "ArrowDown" ? 1 : -1)); }
    if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); $("a", choices()[Math.max(0, chosen())])?.click(); }
  });
  const showPalette = () => { open("#palette"); $("#palette input").value = ""; narrow(); $("#palette input").focus(); };
  document.addEventListener("click", (event) => { if (event.target.closest("[data-palette]")) showPalette(); });
  let lead = "";
  document.addEventListener("keydown", (event) => {
    if ((event.key === "k" && (event.ctrlKey || event.metaKey))) { event.preventDefault(); showPalette(); return; }
    const isOff = document.documentElement.dataset.keys === "off";
    if (event.ctrlKey || event.metaKey || event.altKey || isOff || isTyping(event.target) || $("dialog[open]") !== null) {
      if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form?.requestSubmit();
      return;
    }
    if (lead === "g") {
      lead = "";
      const link = all("[data-go]").find((item) => item.dataset.go === event.key);
      if (link !== undefined) { event.preventDefault(); location.assign(link.href); }
      return;
    }
    const act = {
      "/": () => { const field = $("main input[type=search]") ?? $("#search"); field.focus(); field.select(); },
      j: () => step(1), k: () => step(-1),
      g: () => { lead = "g"; setTimeout(() => { lead = ""; }, 1200); },
      "?": () => open("#keys"),
      ":": showPalette,
      o: () => { const item = $("[data-item].here"); if (item !== null) ($("summary", item) ?? $("a", item))?.click(); },
      x: () => { const folds = all("[data-item].here details"); const some = folds.some((fold) => !fold.open); for (const fold of folds) fold.open = some; },
      p: () => $("[data-key=before]")?.click(), n: () => $("[data-key=after]")?.click(),
      G: () => scrollTo(0, document.documentElement.scrollHeight),
      t: () => $("[data-themes]").click(),
    }[event.key];
    if (act !== undefined) { event.preventDefault(); act(); }
  });

  $("#keys input").addEventListener("change", (event) => {
    const keys = event.target.checked ? "on" : "off";
    document.documentElement.dataset.keys = keys;
    document.cookie = "recollect-keys=" + keys + "; path=/; max-age=31536000; SameSite=Strict";
  });

  // The place asked for, without waiting for anything.
  const asked = $("[data-ask]");
  if (asked !== null && location.hash === "") { asked.scrollIntoView({ block: asked.dataset.ask }); }
})();
`;
