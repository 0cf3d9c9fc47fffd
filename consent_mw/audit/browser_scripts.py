"""
The scripts that the audit runs in pages: what they watch, what they read at the end, and what they do as a visitor.

``TELLING`` is put in before any script of a page, with a random name for the function that it reports to. The others
run once in a page that is open already. None of them reports a value that is stored: names, shapes and places alone.
"""

from __future__ import annotations

__all__ = ["CONSENTS", "KEPT_IN_FRAME", "LEAVING", "STIRRING", "TELLING"]

#: Reports which script stores something under which name, and which one reads what tells browsers apart; the servers
#: of peer connections; and bodies that the browser's protocol does not have: these are searched for the signs of
#: vendors, and go into no report. It also notes timers of up to a minute, which ``STIRRING`` runs at once.
TELLING = """(() => {
  const tell = globalThis[NAME];
  delete globalThis[NAME];
  if (!tell) return;
  const said = (kind, name) => {
    try { tell(JSON.stringify([kind, String(name).slice(0, 120), (new Error().stack || '').slice(0, 2000)])); } catch {}
  };
  const wrap = (proto, name, kind, of) => {
    const own = proto && proto[name];
    if (own) proto[name] = function (...given) { said(kind(this), of(given)); return own.apply(this, given); };
  };
  const cookie = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
  if (cookie && cookie.set) Object.defineProperty(Document.prototype, 'cookie', {
    ...cookie, set(text) { said('cookie', String(text).split('=')[0].trim()); return cookie.set.call(this, text); } });
  wrap(globalThis.CookieStore && CookieStore.prototype, 'set', () => 'cookie',
    ([first]) => first && first.name || first);
  wrap(globalThis.Storage && Storage.prototype, 'setItem', it => {
    try { return it === localStorage ? 'local storage' : 'session storage'; } catch { return 'local storage'; }
  }, ([name]) => name);
  wrap(globalThis.IDBFactory && IDBFactory.prototype, 'open', () => 'IndexedDB', ([name]) => name);
  const trait = (proto, name, what) => wrap(proto, name, () => 'trait', () => what);
  for (const name of ['toDataURL', 'toBlob']) trait(globalThis.HTMLCanvasElement && HTMLCanvasElement.prototype, name,
    'how a canvas is drawn');
  trait(globalThis.CanvasRenderingContext2D && CanvasRenderingContext2D.prototype, 'getImageData',
    'how a canvas is drawn');
  trait(globalThis.OfflineAudioContext && OfflineAudioContext.prototype, 'startRendering', 'how sound is computed');
  for (const type of ['WebGLRenderingContext', 'WebGL2RenderingContext'])
    trait(globalThis[type] && globalThis[type].prototype, 'getExtension', 'the graphics card');
  trait(globalThis.FontFaceSet && FontFaceSet.prototype, 'check', 'the fonts');
  const plugins = Object.getOwnPropertyDescriptor(Navigator.prototype, 'plugins');
  if (plugins && plugins.get) Object.defineProperty(Navigator.prototype, 'plugins', {
    ...plugins, get() { said('trait', 'the plugins'); return plugins.get.call(this); } });
  const tellBody = (address, body) => {
    if (!(body instanceof Blob) || body.size > 4000) return;
    const url = new URL(String(address && address.url || address), document.baseURI).href;
    body.text().then(text => tell(JSON.stringify(['body', url, text.slice(0, 1500)])), () => 0);
  };
  const withBody = (owner, name, of) => {
    const own = owner && owner[name];
    if (own) owner[name] = function (...given) {
      try { tellBody(...of(given)); } catch {}
      return own.apply(this, given);
    };
  };
  // Firefox tells all bodies by itself.
  if (globalThis.mozInnerScreenX === undefined) {
    withBody(globalThis.Navigator && Navigator.prototype, 'sendBeacon', ([url, body]) => [url, body]);
    withBody(globalThis, 'fetch', ([url, set]) => [url, set && set.body]);
  }
  const made = (name, of) => {
    if (globalThis[name]) globalThis[name] = new Proxy(globalThis[name], {
      construct(own, given, target) {
        try { for (const [kind, name] of of(...given)) said(kind, name); } catch {}
        return Reflect.construct(own, given, target);
      } });
  };
  const path = url => new URL(url, document.baseURI).pathname;
  const worker = url => /^(?:blob|data):/i.test(url) ? 'that a script wrote' : path(url);
  made('Worker', url => [['unseen', 'web sockets of the worker ' + worker(url)]]);
  made('SharedWorker', url => [['unseen', 'requests of the shared worker ' + path(url)]]);
  made('RTCPeerConnection', set => [...set.iceServers].flatMap(one => [one.urls].flat().map(url => ['peer', url])));
  const waiting = new Map(), [least, most] = [500, 60000];
  const keep = (id, code, after, given, once) => {
    if (typeof code === 'function' && after > least && after <= most && waiting.size < 200)
      waiting.set(id, () => { if (once) clear(id); timeout(() => code(...given), 0); });
    return id;
  };
  const [timeout, interval, clear] = [setTimeout, setInterval, clearTimeout];
  globalThis.setTimeout = function (code, after, ...given) {
    const run = typeof code === 'function' ? (...all) => { waiting.delete(id); return code(...all); } : code;
    const id = timeout(run, after, ...given);
    return keep(id, run, after, given, true);
  };
  globalThis.setInterval = function (code, after, ...given) {
    return keep(interval(code, after, ...given), code, after, given, false);
  };
  for (const name of ['clearTimeout', 'clearInterval']) {
    const own = globalThis[name];
    globalThis[name] = function (id) { waiting.delete(id); return own(id); };
  }
  addEventListener(STIR, event => {
    event.stopImmediatePropagation();
    const all = [...waiting.values()];
    waiting.clear();
    all.forEach(run => run());
  }, true);
})()"""

#: Does what a visitor does first (moves, scrolls, presses a key without a meaning), and lets time pass.
STIRRING = """() => {
  scrollTo(0, 1e9);
  const kinds = { pointermove: 'PointerEvent', mouseover: 'MouseEvent', mousemove: 'MouseEvent', wheel: 'WheelEvent',
    touchstart: 'TouchEvent', touchmove: 'TouchEvent', keydown: 'KeyboardEvent' };
  for (const [name, kind] of Object.entries(kinds)) {
    const set = { bubbles: true, key: 'Shift', clientX: 9, clientY: 9 };
    let event;
    try { event = new globalThis[kind](name, set); } catch { event = new Event(name, set); }
    (document.body || document.documentElement).dispatchEvent(event);
  }
  dispatchEvent(new Event('focus'));
  dispatchEvent(new Event(STIR));
}"""

#: Returns the names of what a frame stores, and whether the value has the form of an identifier.
KEPT_IN_FRAME = """async () => {
  const found = [];
  const is = value => value.length < 4000 && (/[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}/i.test(value)
    || /(?:^|["'.:=])(?=[a-z_-]*\\d)(?=[\\d_-]*[a-z])[\\w-]{16,}(?:["'.]|$)/i.test(value));
  const add = (kind, names, of) => names.forEach(name =>
    found.push([kind, String(name).slice(0, 120), !!of && is(String(of[name]))]));
  try { add('local storage', Object.keys(localStorage), localStorage); } catch {}
  try { add('session storage', Object.keys(sessionStorage), sessionStorage); } catch {}
  try { add('IndexedDB', (await indexedDB.databases()).map(one => one.name)); } catch {}
  try { add('cache', await caches.keys()); } catch {}
  try { add('service worker', (await navigator.serviceWorker.getRegistrations()).map(one => one.scope)); } catch {}
  return found.slice(0, 1000);
}"""

#: Returns what the page has told Google's and Microsoft's consent mode: the queue, the signal, and its last value.
CONSENTS = """() => {
  const told = {};
  const take = (queue, kind, values) => {
    if (!/^(default|update)$/.test(kind) || !values || typeof values !== 'object') return;
    for (const [signal, value] of Object.entries(values).slice(0, 20))
      if (/^(granted|denied)$/.test(value) && !(values.region && value === 'granted'))
        told[queue + ' ' + signal] = value;
  };
  for (const queue of ['dataLayer', 'uetq']) {
    const list = globalThis[queue], flat = [];
    if (!Array.isArray(list)) continue;
    for (const one of list.slice(0, 2000)) {
      if (one && one[0] === 'consent') take(queue, one[1], one[2]);
      else flat.push(one);
    }
    flat.forEach((one, at) => { if (one === 'consent') take(queue, flat[at + 1], flat[at + 2]); });
  }
  return Object.entries(told).slice(0, 40);
}"""

#: Makes a page believe that it is being left, since requests made while it really unloads are not reported.
LEAVING = """() => {
  Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true });
  Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  for (const name of ['blur', 'pagehide', 'beforeunload', 'unload']) dispatchEvent(new Event(name));
  document.dispatchEvent(new Event('freeze'));
}"""
