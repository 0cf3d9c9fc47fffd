// consent_mw runtime: what must be at hand in every page. It keeps what holds, takes the choice, and stays in touch
// with the other tabs of the site. What follows from a choice is in release.js, which comes when it is needed. Without
// either the banner is a plain form and held tags stay held.
// It stands in the page of who has not decided, so every byte of it counts.
(() => {
  'use strict';
  const doc = document;
  if (window.consentMw && consentMw.allows) return;

  const own = doc.currentScript;
  const setting = name => own.getAttribute('data-cmw-' + name) || '';
  // Against the page's address: a base element must not lead us elsewhere.
  const at = path => new URL(setting('root') + path, location.href).href;
  const walk = (top, work) => top.querySelectorAll('*').forEach(el => {
    work(el);
    if (el.shadowRoot) walk(el.shadowRoot, work);
    if (el.localName === 'template' && el.content) walk(el.content, work);
  });

  // What release.js gets: the state, which it changes, what it cannot find out by itself, and what both need.
  const kit = { own, setting, at, walk, state: setting('state') };
  kit.on = new Set((setting('granted') + ',' + setting('purposes')).match(/[^,]+/g));
  doc.documentElement.setAttribute('data-cmw-state', kit.state);
  kit.allows = id => id === 'necessary' || kit.on.has(id);

  // Only what the server sent may become code again: what is held in the page when it has been parsed. Markup that came
  // later may be a visitor's, and sanitizers let data attributes through. Nothing is known where we came too late.
  kit.parsed = new Promise(done => {
    if (performance.timing.domContentLoadedEventStart) done();
    else addEventListener('DOMContentLoaded', () => {
      const known = new WeakSet();
      walk(doc, el => el.matches('[data-cmw-held]:not([data-cmw-guard])') && known.add(el));
      done(known);
    }, true);
  });

  kit.load = path => new Promise((done, fail) => {
    if (!kit.trust) {
      const same = text => text;
      kit.trust = { createScript: same, createScriptURL: same, createHTML: same };
      try {
        kit.trust = trustedTypes.createPolicy('consent-mw', kit.trust);
      } catch {
        // No Trusted Types here, or no such policy allowed: plain strings then.
      }
    }
    const script = doc.createElement('script');
    script.nonce = own.nonce;
    // What it brought is taken at once, so that nobody else gets hold of the state.
    script.onload = () => done(script.cmw && script.cmw(kit));
    script.onerror = fail;
    script.src = kit.trust.createScriptURL(at('/' + path));
    doc.documentElement.append(script);
    script.remove();
  });
  let second;
  const more = () => {
    // Without it the page's policy lets nothing be loaded, and a choice ends in another page.
    second = second || (setting('more') ? kit.load(setting('more')) : Promise.reject());
    return second;
  };

  // A page that comes back from the cache or was rendered ahead, and one in another tab, may be older than the choice.
  const check = () => more().then(() => kit.check()).catch(() => navigator.onLine && location.reload());
  // All that tabs tell each other is that something changed; what holds, each asks for itself. A page with an open
  // channel may not be kept in the back/forward cache.
  const wake = () => {
    try {
      kit.tabs = new BroadcastChannel('cmw');
      kit.tabs.onmessage = check;
    } catch {
      // Not in every browser, nor where nothing may be stored.
    }
  };
  const back = () => {
    wake();
    check();
  };
  addEventListener('pageshow', event => { if (event.persisted) back(); });
  addEventListener('pagehide', () => kit.tabs && kit.tabs.close());
  if (doc.prerendering) doc.addEventListener('prerenderingchange', back, { once: true });
  else wake();
  // Our own pages have no scripts that could tell; a reload tells nothing, or two tabs might wake each other for ever.
  if (kit.tabs && !performance.navigation.type && doc.referrer.startsWith(at('/'))) kit.tabs.postMessage('changed');

  const find = () => doc.querySelector('[data-cmw-banner]');
  // Where a blocker keeps the banner from being seen, nothing may be kept free for it.
  if (find()) new ResizeObserver(([{ target }]) => {
    if (!target.offsetHeight && !matchMedia('print').matches) target.hidden = true;
  }).observe(find());
  const show = () => {
    const banner = find();
    if (!banner) return 0;
    banner.hidden = false;
    banner.hidden = !banner.offsetHeight;
    const first = banner.querySelector('summary,button');
    if (first) first.focus();
    return !banner.hidden;
  };
  const open = () => {
    if (!show()) location.assign(at('/?back=' + encodeURIComponent(location.pathname + location.search)));
  };

  doc.addEventListener('submit', event => {
    const form = event.target;
    const button = event.submitter;
    const banner = form.closest('[data-cmw-banner]');
    if (kit.plain || !button || button.name !== 'action' || !banner) return;
    event.preventDefault();
    if (kit.busy) return;
    kit.busy = true;
    const body = new URLSearchParams(new FormData(form, button));
    const url = at('/choice');
    // The click is answered before the work begins.
    const later = new Promise(done => setTimeout(done));
    const answer = later.then(() => fetch(url, {
      method: 'POST', mode: 'same-origin', headers: { Accept: 'application/json' }, body, keepalive: true,
    })).then(response => response.json());
    Promise.all([answer, later.then(more)]).then(([now]) => kit.chosen(now))
      .catch(() => answer.then(now => (now.granted ? location.reload() : Promise.reject())))
      .catch(error => {
        // Blocked, or no network: nothing was granted, and the page need not be lost for saying that it stays so.
        kit.busy = false;
        banner.hidden = error instanceof TypeError && button.value === 'reject-all';
        if (banner.hidden) return;
        // The browser's own way, from now on.
        kit.plain = true;
        form.setAttribute('action', url);
        button.click();
      });
  });

  doc.addEventListener('click', event => {
    const control = event.target.closest && event.target.closest('[data-cmw-action=open]');
    if (!control || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (show()) event.preventDefault();
    else if (!control.href && !control.form) open();
  });

  // The details are a layer that one can leave without an answer.
  doc.addEventListener('keydown', event => {
    const details = event.key === 'Escape' && event.target.closest('[data-cmw-banner] details[open]');
    if (details) {
      details.open = false;
      details.firstElementChild.focus();
    }
  });

  // The placeholder of an embed asks for it to be loaded once: that one element is given back, and nothing recorded.
  addEventListener('message', event => {
    const { data, isTrusted, origin, source } = event;
    if (!isTrusted || data !== 'cmw:once' || origin !== location.origin) return;
    more().then(() => kit.once(source.frameElement)).catch(() => {});
  });

  // (shared.js)

  window.consentMw = Object.freeze({
    allows: kit.allows,
    open,
    onChange: listener => {
      const heard = event => listener(event.detail);
      doc.addEventListener('cmw:change', heard);
      return () => doc.removeEventListener('cmw:change', heard);
    },
  });
})();
