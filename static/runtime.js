// consent_mw runtime: the part that every page needs at once. It finds our elements in the page, takes over clicks and
// submissions in them, notes which elements the server holds, and exchanges notifications with the site's other tabs.
// It loads release.js when there is more to do: a choice, a reopened notice, a change in another tab. Without scripts
// the banner is a plain form, and held elements stay held.
//
// Pages of visitors who have not decided contain this script inline, so every byte counts.
//
// Markup in the page may have been written by a visitor, and must not pass for ours. Such markup cannot run this
// script, so the script's attributes and the elements directly before it are the server's. And it cannot know the key
// of the response, which the marks of held elements contain.
(() => {
  const doc = document;
  // An element named currentScript would shadow the property of the document, so use the getter of the prototype.
  const own = Reflect.get(Document.prototype, 'currentScript', doc);
  // Run only once. An element with the id consentMw also makes this a global, but a frozen object is ours.
  if (window.consentMw && Object.isFrozen(consentMw)) return;

  const setting = name => own.getAttribute('data-cmw-' + name) || '';
  // Resolved against the page's address, since a base element could send our requests elsewhere.
  const root = new URL(setting('root'), location);
  const at = path => root + path;
  const walk = (top, work) => top.querySelectorAll('*').forEach(el => {
    // Fields of a form can shadow its methods. Such a form is a visitor's.
    try { work(el); } catch { }
    // Shadow roots and templates. The content of a meta element is a string, that of a form may be a field.
    [el.shadowRoot, el.content].forEach(inner => inner?.getElementById && walk(inner, work));
  });
  const listen = (type, work) => addEventListener(type, work, true);

  // The interface to release.js: the state, which it changes, and values and functions that both halves use.
  const kit = {
    own: own,
    setting: setting,
    at: at,
    walk: walk,
    state: setting('state') || 'none',
    on: new Set((setting('granted') || 'necessary').split(',')),
  };
  doc.documentElement.setAttribute('data-cmw-state', kit.state);
  kit.allows = id => id == 'necessary' || kit.on.has(id);

  // ---- our elements ----

  kit.ours = [];
  for (let el = own; (el = el.previousElementSibling) && el.matches('[data-cmw-banner],[data-cmw-reopen],[data-cmw-style]');) {
    kit.ours.unshift(el);
  }
  const find = kit.find = () => kit.ours.find(el => el.matches('[data-cmw-banner]'));
  const ours = el => kit.ours.some(one => one.contains(el));

  // Some libraries replace the body with that of another page, without the banner and the control. Put them back then.
  const keeper = new MutationObserver(() => {
    if (kit.ours[0] && !kit.ours.some(el => el.isConnected)) use(() => kit.putBack(keep));
  });
  const keep = () => [doc.documentElement, doc.body].forEach(el => keeper.observe(el, { childList: true }));
  keep();

  // Only elements that the server sent may be released: those that are held at the end of parsing. If this script runs
  // after that, nothing is known of them.
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

  // Our Trusted Types policy accepts only the text that we are about to use. So it is of no use to other code.
  let text;
  let policy;
  const same = value => (value == text ? value : null);
  const rules = { createScript: same, createScriptURL: same, createHTML: same };
  kit.trust = (kind, value) => {
    text = value;
    policy ||= window.trustedTypes?.createPolicy('consent-mw', rules) || rules;
    return policy['create' + kind](value);
  };
  kit.load = (path, plan) => new Promise((done, fail) => {
    const script = doc.createElement('script');
    script.nonce = own.nonce;
    script.dataset.cmwSignals = plan;
    // The script leaves a function on its element. Call it at once, before other code can find it.
    script.onload = () => done(script.cmw?.(kit));
    script.onerror = fail;
    script.src = kit.trust('ScriptURL', at('/' + path));
    doc.documentElement.append(script);
    script.remove();
  });
  let second;
  // The attribute is missing if the page's CSP forbids loading the second half. A choice navigates then.
  const more = () => second ||= setting('more') ? kit.load(setting('more')) : Promise.reject(0);
  const use = work => more().then(work, () => {});

  // Ask the server for the current state. A page in another tab, from the back/forward cache or prerendered may be
  // older than the choice.
  const check = () => more().then(() => kit.check()).catch(() => navigator.onLine && location.reload());
  // Tabs only tell each other that something changed, and each asks the server for the state. An open channel may keep
  // the page out of the back/forward cache, so it is closed when the page is left.
  const wake = () => {
    try {
      kit.tabs = new BroadcastChannel('cmw');
      kit.tabs.onmessage = check;
    } catch {
      // Not supported, or storage is blocked.
    }
  };
  const back = () => {
    wake();
    check();
  };
  listen('pageshow', event => { if (event.persisted) back(); });
  // The button whose answer is on its way.
  let sending = 0;
  listen('pagehide', () => {
    kit.tabs?.close();
    // The visitor leaves before the second half has arrived, which would have sent the answer. A refusal is sent by the
    // browser then; if the visitor comes back, the page asks for the state. No grant is: only the second half knows
    // whether the button was meant (see `stray`), and the server takes none from a beacon.
    if (sending.value == 'reject-all' && !kit.send) {
      navigator.sendBeacon(at('/choice'), new URLSearchParams(new FormData(sending.form, sending)));
    }
    sending = 0;
  });
  listen('prerenderingchange', check);
  wake();
  // (later.js)

  // ---- the visitor's actions ----

  // Reserve the space that the banner needs at the end of the page. If a content blocker hides the banner, reserve
  // none, and offer the control that opens the choices.
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
    .catch(() => { location = to || at('/'); });

  const stop = event => {
    // With kit.plain, the browser itself submits our forms.
    if (!kit.plain || !ours(event.target)) event.preventDefault();
    event.stopImmediatePropagation();
  };
  // Our forms are answered at the click, and no other form may submit to our paths. The host is ignored, since a site
  // has several, and escapes are decoded. Fields of a form can shadow its properties and methods.
  const submitted = event => {
    const to = event.submitter?.getAttribute('formaction') || own.getAttribute.call(event.target, 'action') || '';
    if (unescape(new URL(to, own.baseURI)).includes(root.pathname + '/')) {
      stop(event);
      // A form that is not in the page cannot navigate.
      if (!ours(event.target)) own.remove.call(event.target);
    }
  };
  listen('submit', submitted);
  // A library may call submit() of a form, for which there is no submit event.
  listen('formdata', submitted);
  // A submit event does not leave its shadow tree, but the click or key before it does: listen inside from then on.
  const inside = event => event.composedPath().forEach(part => part.host && part.addEventListener('submit', submitted, true));

  // Answers at the click, before a library can send the form itself. Enter in a field clicks the form's first button.
  const answer = button => {
    if (sending) return;
    sending = button;
    more().then(() => sending && kit.send(button.form, button)).then(() => { sending = 0; }, error => {
      // The request was blocked, or there is no network. A refusal changes nothing, so it is no reason to navigate. If
      // the second half did not come, the refusal is sent when the page is left: Firefox stops a script shortly before.
      if (error.type && button.value == 'reject-all') {
        find().hidden = true;
        if (kit.send) sending = 0;
      // Submit natively from now on. Not at once: a browser ignores a submission inside the event of another one.
      } else setTimeout(() => {
        sending = 0;
        kit.plain = true;
        button.form.setAttribute('action', at('/choice'));
        button.click();
      });
    });
  };
  kit.clicks = [];
  listen('click', event => {
    inside(event);
    kit.clicks = [event, kit.clicks[0]];
    const button = event.target.closest?.('button');
    if (ours(button)) {
      stop(event);
      return kit.plain || answer(button);
    }
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

  // The placeholder of an embed asks to load it once. Only that element is released, and nothing is recorded.
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
