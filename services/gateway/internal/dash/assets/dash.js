// What makes the pages move: changes by server-sent events, countdowns by the broker's clock, times in the reader's zone, and questions
// in a dialog. Without it every page is whole and every action is a form of its own.
'use strict';
(() => {
  const body = document.body;
  let offset = Number(body.dataset.now) - Date.now(); // by how much the broker's clock is ahead of this one
  const now = () => Date.now() + offset;

  // Times.
  const sameDay = (a, b) => a.toDateString() === b.toDateString();
  const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
  const day = new Intl.DateTimeFormat(undefined, {weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23'});
  const date = new Intl.DateTimeFormat(undefined, {year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23'});
  const full = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'long'});
  const DAY = 86400;

  function span(seconds) { // to two units: 2d 3h, 1h 23m, 9m 59s
    const s = Math.max(0, Math.ceil(seconds));
    if (s >= DAY) return `${Math.floor(s / DAY)}d ${Math.floor(s % DAY / 3600)}h`;
    if (s >= 3600) return `${Math.floor(s / 3600)}h ${String(Math.floor(s % 3600 / 60)).padStart(2, '0')}m`;
    if (s >= 60) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, '0')}s`;
    return `${s}s`;
  }
  function exact(seconds) { // 1:59:07, as a countdown shows it
    const s = Math.max(0, Math.ceil(seconds)), two = (n) => String(n).padStart(2, '0');
    if (s >= DAY) return span(s);
    const h = Math.floor(s / 3600);
    return (h ? `${h}:${two(Math.floor(s % 3600 / 60))}` : `${Math.floor(s / 60)}`) + `:${two(s % 60)}`;
  }
  function ago(seconds) {
    if (seconds < 5) return 'just now';
    if (seconds < 60) return `${Math.floor(seconds / 5) * 5}s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
    if (seconds < DAY) return `${Math.floor(seconds / 3600)}h ago`;
    return `${Math.floor(seconds / DAY)}d ago`;
  }
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  function times(root) {
    const t = now(), today = new Date(t);
    for (const node of root.querySelectorAll('time[data-ms]')) {
      const ms = Number(node.dataset.ms), at = new Date(ms);
      if (!node.title) node.title = full.format(at);
      if ('ago' in node.dataset) set(node, ago((t - ms) / 1000));
      else if (sameDay(at, today)) set(node, clock.format(at));
      else set(node, (Math.abs(t - ms) < 6 * DAY * 1000 ? day : date).format(at));
    }
  }
  function countdowns() {
    const t = now();
    for (const node of document.querySelectorAll('.clock[data-to]')) {
      const from = Number(node.dataset.from), to = Number(node.dataset.to);
      set(node.querySelector('.left'), exact((to - t) / 1000));
      const share = to > from ? Math.min(1, Math.max(0, (t - from) / (to - from))) : 1;
      node.querySelector('.over').setAttribute('width', String(Math.round(1000 * share)));
    }
  }
  let seconds = 0;
  function tick() {
    countdowns();
    if (seconds++ % 5 === 0) times(document);
    setTimeout(tick, 1000 - now() % 1000); // on the second
  }

  // Changes. What is the same stays, with its focus and what is opened in it.
  function morph(old, next) {
    if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) { old.replaceWith(next); return; }
    if (old.nodeType === Node.TEXT_NODE) { if (old.data !== next.data) old.data = next.data; return; }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    for (const {name, value} of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const {name} of [...old.attributes]) {
      if (!next.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS') && name !== 'title') old.removeAttribute(name);
    }
    if (old.nodeName === 'TIME' && old.dataset.ms !== next.dataset.ms) old.removeAttribute('title');
    if (old.matches('time[data-ms], .clock[data-to] .left, .clock[data-to] .track *')) return; // ours
    const fresh = [...next.childNodes], had = [...old.childNodes];
    fresh.forEach((node, i) => { if (i < had.length) morph(had[i], node); else old.append(node); });
    had.slice(fresh.length).forEach((node) => node.remove());
  }
  function parse(html) {
    const t = document.createElement('template');
    t.innerHTML = html;
    return t.content.firstElementChild;
  }
  function apply(change) {
    if (change.now) offset = change.now - Date.now();
    const fresh = new Map();
    for (const [id, html] of Object.entries(change.html || {})) {
      const node = parse(html), old = document.getElementById(id);
      if (!node) continue;
      if (old) { morph(old, node); times(document.getElementById(id) || node); } else { times(node); fresh.set(id, node); }
    }
    const homes = new Map(); // an item may go from one list to another
    for (const [list, ids] of Object.entries(change.lists || {})) {
      const parent = document.getElementById(list);
      if (!parent) continue;
      ids.forEach((id, i) => {
        const node = fresh.get(id) || document.getElementById(id);
        homes.set(id, parent);
        if (node && parent.children[i] !== node) {
          const focused = node.contains(document.activeElement) ? document.activeElement : null;
          parent.insertBefore(node, parent.children[i] || null);
          if (focused) focused.focus({preventScroll: true});
        }
      });
    }
    for (const [list, ids] of Object.entries(change.lists || {})) {
      const parent = document.getElementById(list), keep = new Set(ids);
      for (const node of parent ? [...parent.children] : []) if (!keep.has(node.id)) node.remove();
    }
    countdowns();
  }

  let stream, version = body.dataset.version;
  const pulse = document.getElementById('pulse');
  function feel(state, text) {
    if (!pulse) return;
    pulse.className = `pulse ${state}`;
    set(pulse, text);
  }
  function connect() {
    if (!body.dataset.live || stream) return;
    stream = new EventSource(`/live?${body.dataset.live}&v=${encodeURIComponent(version)}`);
    stream.onopen = () => feel('on', 'live');
    stream.onmessage = (e) => { version = e.lastEventId || version; apply(JSON.parse(e.data)); feel('on', 'live'); };
    stream.onerror = () => {
      feel('off', 'reconnecting');
      if (stream && stream.readyState === EventSource.CLOSED) { disconnect(); setTimeout(connect, 3000); }
    };
    stream.addEventListener('bye', () => {
      disconnect();
      const again = () => location.reload();
      if (dialog && dialog.open) dialog.addEventListener('close', again, {once: true}); else again();
    });
  }
  function disconnect() { if (stream) { stream.close(); stream = undefined; } }
  // A browser has few connections to one host: a page that nobody sees needs none.
  document.addEventListener('visibilitychange', () => { if (document.hidden) disconnect(); else connect(); });
  addEventListener('pagehide', disconnect);
  addEventListener('pageshow', connect);

  // Questions.
  const dialog = document.getElementById('dialog');
  const PART = {headers: {'Sluice-Part': '1', Accept: 'text/html'}, credentials: 'same-origin'};
  let opener;
  async function fill(response) {
    if (response.status === 401 && opener) { location.href = opener; return; } // the form as a page, by the provider
    if (response.redirected || !(response.headers.get('Content-Type') || '').startsWith('text/html')) { location.reload(); return; }
    dialog.innerHTML = await response.text();
    times(dialog);
    if (!dialog.open) dialog.showModal();
    (dialog.querySelector('[autofocus]') || dialog.querySelector('[data-close]'))?.focus();
  }
  document.addEventListener('click', async (e) => {
    const close = e.target.closest('[data-close]');
    if (close && dialog.open) { e.preventDefault(); dialog.close(); return; }
    const ask = e.target.closest('a[data-ask]');
    if (!ask || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    opener = ask.getAttribute('href');
    try { await fill(await fetch(ask.href, PART)); } catch { location.href = ask.href; }
  });
  dialog?.addEventListener('submit', async (e) => {
    e.preventDefault();
    const form = e.target, button = form.querySelector('button');
    if (button.disabled) return;
    button.disabled = true;
    form.setAttribute('aria-busy', 'true');
    try {
      await fill(await fetch(form.action, {...PART, method: 'POST', body: new URLSearchParams(new FormData(form))}));
    } catch {
      button.disabled = false;
      form.removeAttribute('aria-busy');
      let said = form.querySelector('.note');
      if (!said) { said = document.createElement('p'); said.className = 'note'; said.setAttribute('role', 'alert'); form.append(said); }
      said.textContent = 'The gateway does not answer: it may be stored or not, and sending this form again is harmless: it counts once.';
    }
  });
  dialog?.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); });
  dialog?.addEventListener('close', () => {
    dialog.replaceChildren();
    document.querySelector(`a[data-ask][href="${CSS.escape(opener || '')}"]`)?.focus();
  });

  // "/" goes to the filter, as in many places; not while something is written.
  document.addEventListener('keydown', (e) => {
    if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, dialog')) return;
    const q = document.querySelector('input[type=search]');
    if (q) { e.preventDefault(); q.focus(); q.select(); }
  });

  times(document);
  tick();
  connect();
})();
