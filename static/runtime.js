// consent_mw runtime: what must be at hand in every page. It knows which parts of the page are ours, takes a click on
// them, and stays in touch with the other tabs of the site. What follows is in release.js, which comes when it is
// needed. Without either the banner is a plain form and held tags stay held.
// It stands in the page of who has not decided, so every byte of it counts.
//
// Markup in a page may be a visitor's. Ours is told from it by what such markup cannot do: it cannot run this script
// (so its attributes, and the elements before it, are the server's), and it cannot know the key of the response.
(() => {
  const doc = document;
  // Elements whose name is that of a property stand before it.
  const own = Reflect.get(Document.prototype, 'currentScript', doc);
  // An element of that name is not ours.
  if (window.consentMw && Object.isFrozen(consentMw)) return;

  const setting = name => own.getAttribute('data-cmw-' + name) || '';
  // Against the page's address: a base element must not lead us elsewhere.
  const root = new URL(setting('root'), location.href);
  const at = path => root + path;
  const walk = (top, work) => top.querySelectorAll('*').forEach(el => {
    work(el);
    // What an element named "meta" has for content is text.
    [el.shadowRoot, el.content].forEach(inner => inner?.nodeType && walk(inner, work));
  });
  const listen = (type, work) => addEventListener(type, work, true);

  // What release.js gets: the state, which it changes, what it cannot find out by itself, and what both need.
  const kit = {};
  kit.own = own;
  kit.setting = setting;
  kit.at = at;
  kit.walk = walk;
  kit.state = setting('state') || 'none';
  kit.on = new Set((setting('granted') || 'necessary').split(','));
  doc.documentElement.setAttribute('data-cmw-state', kit.state);
  kit.allows = id => id == 'necessary' || kit.on.has(id);

  // ---- what is ours ----

  kit.ours = [];
  for (let el = own; (el = el.previousElementSibling) && el.matches('[data-cmw-banner],[data-cmw-reopen],[data-cmw-style]');) {
    kit.ours.unshift(el);
  }
  const find = kit.find = () => kit.ours.find(el => el.matches('[data-cmw-banner]'));
  const ours = el => kit.ours.some(one => one.contains(el));

  // Libraries that put another page into this one have none of ours in it: the banner and the control stay.
  const keeper = new MutationObserver(() => {
    if (kit.ours[0] && !kit.ours.some(el => el.isConnected)) use(() => kit.putBack(keep));
  });
  const keep = () => [doc.documentElement, doc.body].forEach(el => keeper.observe(el, { childList: true }));
  keep();

  // Only what the server sent may become code again: what is held in the page when it has been parsed. Nothing is known
  // where we came too late.
  kit.held = setting('key') ? `[data-cmw-key^="${setting('key')}."]` : '[data-cmw-held]';
  kit.parsed = new Promise(done => {
    if (performance.timing.domContentLoadedEventStart) done();
    else listen('DOMContentLoaded', () => {
      const known = [];
      walk(doc, el => el.matches(kit.held) && known.push(el));
      done(known);
    });
  });

  // ---- the second half ----

  // The one text that our Trusted Types policy takes, and only now: whoever gets hold of it can do nothing with it.
  let text;
  let policy;
  const same = value => (value == text ? value : null);
  kit.trust = (kind, value) => {
    text = value;
    policy ||= (window.trustedTypes || { createPolicy: (name, rules) => rules }).createPolicy('consent-mw', {
      createScript: same, createScriptURL: same, createHTML: same,
    });
    return policy['create' + kind](value);
  };
  kit.load = (path, plan) => new Promise((done, fail) => {
    const script = doc.createElement('script');
    script.nonce = own.nonce;
    script.dataset.cmwSignals = plan;
    // What it brought is taken at once, so that nobody else gets hold of the state.
    script.onload = () => done(script.cmw?.(kit));
    script.onerror = fail;
    script.src = kit.trust('ScriptURL', at('/' + path));
    doc.documentElement.append(script);
    script.remove();
  });
  let second;
  const more = () => {
    // Without it the page's policy lets nothing be loaded, and a choice ends in another page.
    second ||= (setting('more') ? kit.load(setting('more')) : Promise.reject(0));
    return second;
  };
  const use = work => more().then(work, () => {});

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
  listen('pageshow', event => { if (event.persisted) back(); });
  listen('pagehide', () => kit.tabs?.close());
  listen('prerenderingchange', check);
  wake();
  // Our own pages have no scripts that could tell; a reload tells nothing, or two tabs might wake each other for ever.
  if (kit.tabs && !performance.navigation.type && doc.referrer.includes(at('/'))) kit.tabs.postMessage(0);

  // ---- what a visitor does ----

  // The end of the page is kept free for the banner, and no more than it needs. Where a blocker keeps it from being
  // seen nothing is, and the choices can be opened.
  const banner = find();
  const alone = () => use(() => kit.control());
  if (banner) new ResizeObserver(() => {
    const height = banner.offsetHeight;
    if (height) doc.documentElement.style.setProperty('--cmw-h', height + 24 + 'px');
    else if (!matchMedia('print').matches) {
      banner.hidden = banner.isConnected;
      alone();
    }
  }).observe(banner);
  else if (kit.state == 'none') alone();
  const open = to => more().then(() => kit.open())
    .catch(() => location.assign(to || at('/?back=' + encodeURIComponent(location.pathname + location.search))));

  const stop = event => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  // First of all listeners, so that no library sends our forms, or somebody's form to us, in its own way.
  let sending;
  const submitted = event => {
    const form = event.target;
    const button = event.submitter;
    if (!ours(form)) {
      // The names of a form's fields stand before its own properties.
      const to = button?.getAttribute('formaction') || own.getAttribute.call(form, 'action') || '';
      // Nothing in a page grants but what is ours: by no name of the host, and by no way of writing the path.
      return unescape(new URL(to, own.baseURI)).includes(root.pathname + '/') && stop(event);
    }
    if (kit.plain) return event.stopImmediatePropagation();
    stop(event);
    if (!button || sending) return;
    sending = more().then(() => kit.send(form, button)).catch(error => {
      // Blocked, or no network: nothing was granted, and the page need not be lost for saying that it stays so.
      if (error.type && button.value == 'reject-all') find().hidden = true;
      // The browser's own way, from now on; while a form is being sent it sends no second one.
      else setTimeout(() => {
        kit.plain = true;
        form.setAttribute('action', at('/choice'));
        button.click();
      });
    }).then(() => { sending = 0; });
  };
  listen('submit', submitted);
  // Out here nothing is heard of a submission in a shadow tree, but of what a visitor does there before.
  const inside = event => event.composedPath().forEach(part => part.host && part.addEventListener('submit', submitted, true));

  kit.clicks = [];
  listen('click', event => {
    inside(event);
    kit.clicks = [event, kit.clicks[0]];
    const control = event.target.closest?.('[data-cmw-action=open]');
    if (!control || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (ours(control)) stop(event);
    event.preventDefault();
    open(control.href);
  });
  listen('keydown', event => {
    inside(event);
    if (event.key == 'Escape' && ours(event.target)) use(() => kit.leave(event.target));
  });

  // The placeholder of an embed asks for it to be loaded once: that one element is given back, and nothing recorded.
  listen('message', event => {
    if (event.data == 'cmw:once') use(() => kit.once(event));
  });

  // (taking.js)

  // (shared.js)

  window.consentMw = Object.freeze({
    allows: kit.allows,
    open: () => open(),
    onChange: listener => {
      const heard = event => listener(event.detail);
      doc.addEventListener('cmw:change', heard);
      return () => doc.removeEventListener('cmw:change', heard);
    },
  });
})();
