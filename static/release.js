// consent_mw, the second half of the runtime: sends the choice, says what follows from it, and gives held tags back in
// document order, as a browser that parses the page would run them. runtime.js loads it when it is first needed.
// This file is long because its parts share the state of one release.
Reflect.get(Document.prototype, 'currentScript', document).cmw = kit => {
  'use strict';
  const win = window;
  const doc = document;
  const own = kit.own;
  const setting = kit.setting;
  const at = kit.at;
  const walk = kit.walk;
  const allows = kit.allows;
  const trust = kit.trust;

  const allowsAll = ids => ids.split(',').every(allows);
  const pause = ms => new Promise(done => setTimeout(done, ms));
  const report = error => { setTimeout(() => { throw error; }); };
  // What an answer does not say must not come from a prototype that somebody wrote to.
  const said = async answer => ({ __proto__: null, ...await answer.json() });
  const attempt = work => {
    try {
      work();
    } catch (error) {
      report(error);
    }
  };

  // ---- the choice ----

  const say = text => {
    const node = doc.createElement('p');
    node.setAttribute('role', 'status');
    node.style.cssText = 'position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)';
    doc.body.append(node);
    // A live region speaks of what changes in it, so it has to stand there first.
    setTimeout(() => { node.textContent = text; }, 100);
  };

  let signals = setting('signals-src') && { path: setting('signals-src'), plan: setting('signals') };
  const follow = async answer => {
    const before = [...kit.on];
    const { granted, purposes, state } = answer;
    kit.on = new Set([...granted, ...purposes]);
    kit.state = state;
    doc.documentElement.setAttribute('data-cmw-state', state);
    const banner = kit.find();
    if (banner) {
      if (answer.saved) bring(answer.control, answer.look);
      else fetchControl();
      const inside = banner.contains(doc.activeElement) || doc.activeElement === doc.body;
      kit.ours = kit.ours.filter(el => el !== banner);
      banner.remove();
      const next = doc.querySelector('[data-cmw-action=open]');
      if (inside && next) next.focus({ preventScroll: true });
    }
    const more = kit.on.size > before.length;
    const detail = { granted, purposes, state };
    // The first page of a site that learns was made before the site knew what it loads: its guard would hold some of
    // that by the wrong name.
    const guard = doc.querySelector('[data-cmw-hosts]');
    const old = more && state !== 'accept' && (setting('state') || 'none') === 'none' &&
      answer.hosts && guard && guard.getAttribute('data-cmw-hosts') !== answer.hosts;
    // What has run cannot be taken back within the page, and whose choice is gone is asked anew.
    detail.reload = state === 'none' || before.some(id => !allows(id)) || old ||
      (more && setting('release') === 'reload');
    if (signals !== 0) signals = answer.signals || signals;
    if (state !== 'none') {
      queues.drop();
      libraries.drop();
    }
    if (more && !detail.reload) queues.begin();
    if (more && signals && !detail.reload) {
      // Vendors that listen to signals must find them before any tag of theirs runs.
      const { path, plan } = signals;
      signals = 0;
      await kit.load(path, plan).catch(() => { detail.reload = true; });
    }
    doc.dispatchEvent(new CustomEvent('cmw:change', { detail }));
    if (detail.reload) location.reload();
    else if (more) kit.release(() => location.reload());
  };

  const worn = new Set();
  const wear = style => {
    if (worn.has(style)) return;
    worn.add(style);
    try {
      // A policy of the page does not stop a sheet that a script makes.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style);
      doc.adoptedStyleSheets = [...doc.adoptedStyleSheets, sheet];
    } catch {
      const sheet = doc.createElement('style');
      sheet.nonce = own.nonce;
      sheet.textContent = style;
      doc.documentElement.append(sheet);
    }
  };
  const move = () => wear('(motion.css)');

  // What opens the choices again nobody sees before the first notice is gone, so it comes with the answer.
  const bring = (markup, look = '') => {
    if (!markup || kit.ours.some(el => el.matches('[data-cmw-reopen]'))) return;
    wear('(reopen.css)' + look);
    move();
    const holder = doc.createElement('template');
    holder.innerHTML = trust('HTML', markup);
    const control = holder.content.firstElementChild;
    control.dataset.cmwAgain = '';
    kit.ours.push(control);
    if (own.isConnected) own.before(control);
    else doc.body.prepend(control);
  };

  // Libraries that put another page into this one have none of ours in it, or copies that they kept.
  kit.putBack = keep => {
    if (!doc.body || kit.ours.some(el => el.isConnected)) return;
    doc.querySelectorAll('[data-cmw-banner],[data-cmw-reopen]').forEach(el => el.remove());
    doc.body.prepend(...kit.ours);
    keep();
  };

  // Half of a double click is not meant for what the other half has brought there.
  const stray = button => {
    const [now, former] = kit.clicks;
    return former && now.detail && button.contains(now.target) && !button.contains(former.target) &&
      now.timeStamp - former.timeStamp < 500 &&
      Math.hypot(now.clientX - former.clientX, now.clientY - former.clientY) < 40;
  };
  kit.send = async (form, button) => {
    if (stray(button)) return;
    move();
    form.setAttribute('aria-busy', 'true');
    try {
      const response = await fetch(at('/choice'), {
        method: 'POST',
        mode: 'same-origin',
        headers: { Accept: 'application/json' },
        body: new URLSearchParams(new FormData(form, button)),
        keepalive: true,
      });
      const answer = await said(response);
      if (!answer.granted) throw answer;
      chosen(answer);
    } catch (error) {
      // Blocked, or no network.
      throw error instanceof TypeError ? new Event('error') : error;
    } finally {
      form.removeAttribute('aria-busy');
    }
  };

  // ---- the choices, opened again ----

  const show = () => {
    const banner = kit.find();
    if (!banner) return false;
    banner.hidden = false;
    banner.hidden = !banner.offsetHeight;
    const first = banner.querySelector('summary,button');
    if (first) first.focus();
    return !banner.hidden;
  };
  // The notice as the server makes it for this visitor, with what is granted ticked.
  const fetched = async () => {
    const answer = await fetch(at('/notice' + here()), {
      cache: 'no-store', headers: { Accept: 'application/json' },
    });
    const { style, markup } = await said(answer);
    const holder = doc.createElement('template');
    holder.innerHTML = trust('HTML', markup);
    const banner = holder.content.firstElementChild;
    banner.dataset.cmwAgain = '';
    wear(style);
    move();
    banner.querySelectorAll('[name=purpose]').forEach(box => { box.checked = kit.on.has(box.value); });
    kit.ours.unshift(banner);
    (doc.body || doc.documentElement).prepend(banner);
    const details = banner.querySelector('details');
    if (details) details.open = true;
  };
  kit.open = async () => {
    const banner = kit.find();
    if (banner && !banner.isConnected) kit.ours = kit.ours.filter(el => el !== banner);
    if (!kit.find()) await fetched();
    if (!show()) throw 0;
  };
  // The details are a layer that one can leave without an answer, and so is a notice that was opened again.
  kit.leave = within => {
    const banner = kit.find();
    if (!banner || !banner.contains(within)) return;
    const details = banner.querySelector('details[open]');
    if (kit.state !== 'none') {
      kit.ours = kit.ours.filter(el => el !== banner);
      banner.remove();
      const control = doc.querySelector('[data-cmw-action=open]');
      if (control) control.focus({ preventScroll: true });
    } else if (details) {
      details.open = false;
      details.firstElementChild.focus();
    }
  };

  const chosen = answer => {
    say(answer.saved || 'Saved.');
    if (kit.tabs) attempt(() => kit.tabs.postMessage('changed'));
    follow(answer).catch(report);
  };

  const here = () => {
    const [part] = kit.ours.filter(el => el.lang);
    return '?back=' + encodeURIComponent(location.pathname + location.search) + (part ? '&lang=' + part.lang : '');
  };
  const asked = (query = '') => fetch(at('/state' + query), { cache: 'no-store', headers: { Accept: 'application/json' } })
    .then(said)
    .catch(() => ({}));
  const fetchControl = async () => {
    if (!kit.ours.some(el => el.matches('[data-cmw-reopen]'))) {
      const { control, look } = await asked(here());
      bring(control, look);
    }
  };
  // Where a blocker has taken the notice away, the choices can still be opened.
  kit.control = () => { if (kit.state === 'none') fetchControl(); };
  kit.check = async () => {
    const answer = await asked();
    if (!answer.granted) return;
    const now = new Set([...answer.granted, ...answer.purposes]);
    const same = answer.state === kit.state && now.size === kit.on.size && [...now].every(id => kit.on.has(id));
    if (!same) follow(answer).catch(report);
  };

  // ---- what is held ----

  // A script or stylesheet that never answers delays the others for so long, in milliseconds.
  const LIMIT = 10000;
  const XHTML = 'http://www.w3.org/1999/xhtml';
  // Names that the page itself chose like ours have the prefix once more, and stay as they are.
  const PREFIX = /^([\w-]+:)?data-cmw-(?!held$|key$|data-cmw-)(?=.)/;
  const MARKER = /about:invalid#cmw=([^#]*)#/g;
  // What guard.js holds it gives back itself.
  const HELD = kit.held + ':not([data-cmw-guard]),style';
  const JAVASCRIPT = /^((application|text)\/(x-)?(java|ecma)script|text\/(javascript1\.[0-5]|jscript|livescript))$/;
  // These act on being inserted, or would leave their placeholder in the session's history.
  const REINSERTED = /^(iframe|embed|object|meta|link|frame)$/;

  // Only what the server sent is given back, each element once. What came later may be a visitor's, even if it has the
  // marks of something in this page: a page that a cache keeps is no secret. So is what stands in the page twice with
  // different content.
  let known;
  const given = new WeakSet();
  const content = el => [...el.attributes].filter(({ name }) => PREFIX.test(name) || name === 'data-cmw-held')
    .map(({ name, value }) => name + '=' + value).sort().join() + (el.localName === 'script' ? el.textContent : '');
  const knownOf = elements => {
    const first = {};
    const forged = {};
    elements.forEach(el => {
      const key = el.getAttribute('data-cmw-key');
      if (!key) return;
      first[key] = first[key] || content(el);
      forged[key] = forged[key] || first[key] !== content(el);
    });
    return new Set(elements.filter(el => !forged[el.getAttribute('data-cmw-key')]));
  };
  const parsed = kit.parsed.then(elements => elements && knownOf(elements));

  const RAN = trust('Script', 'dispatchEvent(new Event("cmw:ran"))');

  const set = (el, name, value, space) => {
    const text = trust(/^on/.test(name) ? 'Script' : name === 'srcdoc' ? 'HTML' : 'ScriptURL', value);
    if (space || (/^xlink:/.test(name) && el.namespaceURI !== XHTML)) {
      el.setAttributeNS('http://www.w3.org/1999/xlink', name, text);
    } else {
      el.setAttribute(name, text);
    }
  };

  // Give the attributes of one element back, to itself or to its copy; tell whether it loads anew.
  const restore = (from, to) => {
    let loads = false;
    const slept = retyped(from);
    const attributes = [...from.attributes];
    // Handlers and srcset before src, or an image might load twice, or before anyone listens.
    if (to === from) attributes.sort((a, b) => /src$/.test(a.name) - /src$/.test(b.name));
    attributes.forEach(attribute => {
      const { name, value } = attribute;
      const plain = name.replace(PREFIX, '$1');
      if (plain !== name) {
        if (to === from) from.removeAttributeNode(attribute);
        attempt(() => set(to, plain, value, attribute.namespaceURI));
        // The page's own loader passed over it when it came into view, and will not come again.
        const frame = to.localName === 'iframe';
        const lazy = (/^data-.*src$/.test(plain) && (frame || to.localName === 'img')) ||
          (frame && /^data-/.test(plain) && /^\s*(https?:)?\/\//i.test(value));
        if (lazy && !from.hasAttribute('data-cmw-src')) {
          attempt(() => set(to, 'src', value));
        }
        loads = loads || !/^on|^style$|^ping$/.test(plain);
      } else if (/^data-cmw-(held|key)$/.test(name) || (name === 'type' && slept)) {
        if (to === from) from.removeAttributeNode(attribute);
      } else if (to !== from) {
        // A parser takes names that setAttribute refuses.
        to.setAttributeNode(attribute.cloneNode());
      }
    });
    return loads;
  };
  const retyped = el => el.localName === 'script' && el.hasAttribute('data-cmw-held') &&
    (el.hasAttribute('data-cmw-type') || el.getAttribute('type') === 'text/plain');

  const unmark = text => text.replace(MARKER, (marker, ids) => (allowsAll(ids) ? '' : marker));
  const clear = el => {
    ['srcset', 'imagesrcset'].forEach(name => {
      const value = el.getAttribute(name);
      if (value && unmark(value) !== value) el.setAttribute(name, unmark(value));
    });
    if (el.localName === 'style' && unmark(el.textContent) !== el.textContent) el.textContent = unmark(el.textContent);
  };

  // Under 'strict-dynamic' a policy takes what a script inserts, but of what stands in the page only what has its
  // nonce: a copy of ours must not pass where the original would not have.
  let strict;
  const barred = el => {
    if (!own || !own.nonce || el.nonce === own.nonce) return false;
    if (strict === undefined) {
      strict = false;
      const tell = () => { strict = true; };
      win.addEventListener('cmw:ran', tell);
      const probe = doc.createElement('script');
      probe.textContent = RAN;
      doc.head.append(probe);
      probe.remove();
      win.removeEventListener('cmw:ran', tell);
    }
    return strict;
  };

  const ADDRESS = /^(data-cmw-(src|href|xlink:href)|xlink:data-cmw-href)$/;
  const asleep = el => retyped(el) || [...el.attributes].some(({ name }) => ADDRESS.test(name));

  // How a script runs: inline, block, async, defer, or not at all; see
  // https://html.spec.whatwg.org/#prepare-the-script-element
  const get = (el, name) => {
    const value = el.getAttribute('data-cmw-' + name);
    return value === null ? el.getAttribute(name) : value;
  };
  const asks = el => (el.namespaceURI === XHTML
    ? get(el, 'src')
    : get(el, 'href') || get(el, 'xlink:href') || el.getAttribute('xlink:data-cmw-href'));
  const kind = el => {
    let type = retyped(el) ? el.getAttribute('data-cmw-type') : get(el, 'type');
    if (type === null) type = el.getAttribute('language') ? 'text/' + el.getAttribute('language') : '';
    type = type.trim().toLowerCase();
    if (/^(speculationrules|importmap)$/.test(type)) return 'inline';
    const module = type === 'module';
    if (!module && ((type && !JAVASCRIPT.test(type)) || el.hasAttribute('nomodule'))) return '';
    if (asks(el) === null && !module) return 'inline';
    return el.hasAttribute('async') ? 'async' : module || el.hasAttribute('defer') ? 'defer' : 'block';
  };

  // ---- running ----

  const settled = el => new Promise(done => {
    el.addEventListener('load', done);
    el.addEventListener('error', done);
    setTimeout(done, LIMIT);
  });
  // What a load event would wait for.
  let loading = 0;
  const delay = el => {
    loading++;
    return settled(el).then(() => { loading--; });
  };

  // (replay.js)

  // (libraries.js)

  // A script that did not run can be copied into one that will.
  const revive = el => {
    const script = doc.createElementNS(el.namespaceURI, el.localName);
    restore(el, script);
    if (el.nonce) script.nonce = el.nonce;
    // Not made by the parser, it would be async without this.
    if ('async' in script) script.async = el.hasAttribute('async');
    if (el.textContent) script.textContent = trust('Script', el.textContent);
    return script;
  };

  // An inline module does not tell when it has run, but one behind it can.
  const ran = async last => {
    if (last.src) return settled(last);
    const after = doc.createElement('script');
    after.type = 'module';
    after.async = false;
    after.nonce = last.nonce;
    after.textContent = RAN;
    await new Promise(done => {
      win.addEventListener('cmw:ran', done, { once: true });
      setTimeout(done, LIMIT);
      doc.head.append(after);
    });
    after.remove();
  };

  // Where the text that a script writes belongs; external async and deferred scripts may not write, as ever.
  const places = new WeakMap();
  let latest;
  const run = (el, how) => {
    const opened = queues.open(el);
    libraries.open(el);
    const script = revive(el);
    given.add(el);
    if (how === 'inline' || how === 'block') {
      places.set(script, { script, parent: el.parentNode, next: el.nextSibling });
      if (!latest) divert();
      latest = script;
    }
    el.replaceWith(script);
    opened(script, how === 'inline');
    return script;
  };

  // ---- document.write ----

  // Elements that are handed over whole, with what stands in them.
  const WHOLE = /^(script|style|textarea|title|iframe|xmp|noembed|noframes|noscript|template)$/;
  // Text; a comment; a tag; a bogus comment; a sign that begins nothing.
  const TOKEN = new RegExp([
    '[^<]+',
    '<!-{2}(?:-?>|[^]*?--!?>)',
    '<(/?)([a-z][^\\s/>]*)(?=[\\s/>])(?:[^>=]|=\\s*"[^"]*"|=\\s*\'[^\']*\'|=(?!\\s*["\']))*>',
    '<(?!!--)[!?/](?![a-z])[^>]*>',
    '<(?![!?/a-z]|$)',
  ].join('|'), 'giy');

  // Return how much of the text is complete, up to the end of the first script in it.
  const complete = text => {
    let end = 0;
    TOKEN.lastIndex = 0;
    for (let token; (token = TOKEN.exec(text)); end = TOKEN.lastIndex) {
      const name = token[1] ? '' : (token[2] || '').toLowerCase();
      if (WHOLE.test(name)) {
        const close = new RegExp('</' + name + '(?=[\\s/>])[^>]*>', 'ig');
        close.lastIndex = TOKEN.lastIndex;
        if (!close.test(text)) break;
        TOKEN.lastIndex = close.lastIndex;
        if (name === 'script') return close.lastIndex;
      }
    }
    return end;
  };

  // Parse in a document where nothing loads or runs, and copy each new node into the page behind the script.
  const openStream = place => {
    const inert = doc.implementation.createHTMLDocument('');
    const twins = new Map();
    const seen = new Map();
    // Text still to be parsed, where the running script's text goes in it, and the script that parsing waits for.
    let text = '';
    let at = 0;
    let waiting = null;

    let anchor = place.script;
    if (!anchor.parentNode) {
      // Scripts like to remove themselves.
      anchor = doc.createTextNode('');
      place.parent.insertBefore(anchor, place.next && place.next.parentNode === place.parent ? place.next : null);
    }
    const names = [];
    for (let up = anchor.parentNode; up && up.nodeType === 1; up = up.parentNode) names.unshift(up.localName);
    if (names[0] !== 'html') names.unshift('body');
    inert.open();
    inert.write((doc.doctype ? '<!DOCTYPE html><' : '<') + names.join('><') + '><template></template>');
    for (let a = inert.querySelector('template'), b = anchor; a && b; a = a.parentNode, b = b.parentNode) {
      twins.set(a, b);
    }

    const add = node => {
      const parent = twins.get(node.parentNode);
      const how = node.localName === 'script' && !barred(node) ? kind(node) : '';
      const deep = WHOLE.test(node.localName) && node.localName !== 'noscript';
      const twin = how ? revive(node) : doc.importNode(node, deep);
      if (!how && node.localName === 'script' && barred(node)) twin.type = 'text/plain';
      // With scripts on, noscript holds text.
      if (node.localName === 'noscript') twin.textContent = node.innerHTML;
      twins.set(node, twin);
      let before = node.previousSibling;
      while (before && !(twins.has(before) && twins.get(before).parentNode === parent)) before = before.previousSibling;
      const rest = text.length - at;
      if (how === 'inline' || how === 'block') places.set(twin, place);
      if (how === 'inline') at = 0;
      if (how === 'block') {
        waiting = { script: twin };
        waiting.end = settled(twin).then(() => {
          if (waiting && waiting.script === twin) waiting = null;
          if (!waiting) {
            at = text.length;
            pump();
          }
        });
      }
      parent.insertBefore(twin, before ? twins.get(before).nextSibling : parent.firstChild);
      if (how === 'inline') at = text.length - rest;
    };
    const mirror = parent => {
      for (let node = parent.firstChild; node; node = node.nextSibling) {
        if (!twins.has(node)) {
          if (node === inert.body) twins.set(node, doc.body);
          else if (node === inert.head) twins.set(node, doc.head);
          else add(node);
        } else if (seen.has(node)) {
          twins.get(node).data += node.data.slice(seen.get(node));
        }
        if (node.nodeType === 3) seen.set(node, node.data.length);
        else if (!WHOLE.test(node.localName)) mirror(node);
      }
    };
    const pump = () => {
      for (let end; !waiting && (end = complete(text.slice(0, at)));) {
        const part = text.slice(0, end);
        text = text.slice(end);
        at -= end;
        inert.write(part);
        mirror(inert.documentElement);
      }
    };
    return {
      write: (more, script) => {
        if (waiting && waiting.script === script) {
          // What the awaited script writes comes before what has been waiting for it.
          waiting = null;
          at = 0;
        }
        text = text.slice(0, at) + more + text.slice(at);
        at += more.length;
        pump();
      },
      idle: async () => {
        while (waiting) await waiting.end;
      },
    };
  };
  const idle = async script => {
    const { stream } = places.get(script);
    if (stream) await stream.idle();
  };

  // After parsing, the browser's own document.write would wipe the page.
  const divert = () => {
    if (doc.contentType !== 'text/html') return;
    const write = (texts, end) => {
      const script = doc.currentScript;
      const place = places.get(script) || (script && script.src ? null : places.get(latest));
      if (!place) return;
      if (!place.stream) place.stream = openStream(place);
      place.stream.write([...texts].join('') + end, script);
    };
    doc.write = (...texts) => write(texts, '');
    doc.writeln = (...texts) => write(texts, '\n');
    doc.open = (...rest) => (rest.length > 2 ? win.open(...rest) : doc);
    doc.close = () => {};
  };

  // ---- events that have passed ----

  // Whether the load event has come, and whether its listeners are through.
  let fired = doc.readyState === 'complete';
  let loaded = fired;
  // Listeners that released code adds while a pass goes on.
  let kept = null;
  let undoing = [];
  const HANDLERS = [[doc, 'readystatechange'], [win, 'load'], [win, 'pageshow']];
  const former = new Map();

  // A handler that has been called must not be found, chained and called again.
  const hush = () => HANDLERS.forEach(([target, type]) => {
    if (former.has(type)) return;
    former.set(type, target['on' + type]);
    target['on' + type] = null;
  });
  const note = () => HANDLERS.forEach(([target, type]) => {
    if (!former.has(type) || !target['on' + type] || kept.some(one => one.type === type && !one.listener)) return;
    // A handler takes the place of the one before it.
    kept[former.get(type) ? 'unshift' : 'push']({ target, type });
  });

  const intercept = target => {
    const { addEventListener, removeEventListener } = target;
    const names = { addEventListener, removeEventListener };
    const same = (type, listener, capture) => one => !one.gone && one.target === target && one.type === type &&
      one.listener === listener && one.capture === capture;
    const captures = options => !!(options && typeof options === 'object' ? options.capture : options);
    const mine = {
      addEventListener(type, listener, options) {
        const capture = captures(options);
        const once = type === 'DOMContentLoaded' || HANDLERS.some(([where, name]) => where === target && name === type);
        const ours = once && kept && listener && (!this || this === target);
        if (ours) {
          note();
          if (!kept.some(same(type, listener, capture))) kept.push({ target, type, listener, capture, options, names });
        }
        // Capturing on the window, it also hears of what loads from now on.
        if (!ours || capture) addEventListener.apply(this || target, arguments);
      },
      removeEventListener(type, listener, options) {
        if (kept) kept.filter(same(type, listener, captures(options))).forEach(one => { one.gone = true; });
        removeEventListener.apply(this || target, arguments);
      },
    };
    Object.keys(mine).forEach(name => {
      const inherited = !Object.prototype.hasOwnProperty.call(target, name);
      target[name] = mine[name];
      undoing.push(() => {
        // Somebody may have wrapped ours: then it stays, and only passes on.
        if (target[name] !== mine[name]) return;
        if (inherited) delete target[name];
        else target[name] = names[name];
      });
    });
  };

  const fire = type => {
    note();
    const ready = type === 'DOMContentLoaded';
    const past = ready || fired;
    // The one event that travels: capture on the window, the document, then the window.
    const rank = one => (!ready || one.target === doc ? 1 : one.capture ? 0 : 2);
    kept.filter(one => one.type === type).sort((a, b) => rank(a) - rank(b)).forEach(one => {
      const { target, listener, options, names } = one;
      if (one.gone) return;
      one.gone = true;
      if (options && options.signal && options.signal.aborted) return;
      const once = past && options && options.once;
      // From here on it is the browser's; it may be due again.
      if (listener) (once ? names.removeEventListener : names.addEventListener).call(target, type, listener, options);
      if (!past) return;
      const event = type === 'pageshow' ? new PageTransitionEvent(type) : new Event(type, { bubbles: ready });
      Object.defineProperties(event, { target: { value: doc }, currentTarget: { value: target } });
      const handler = listener || target['on' + type];
      attempt(() => {
        if (typeof handler === 'function') handler.call(target, event);
        else if (handler) handler.handleEvent(event);
      });
    });
  };

  // Scripts that released scripts add keep the load event waiting too.
  const watch = new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
    if (node.localName === 'script' && node.src) delay(node);
  })));

  const begin = () => {
    kept = [];
    if (loaded) hush();
    intercept(win);
    intercept(doc);
    watch.observe(doc, { childList: true, subtree: true });
  };
  const finish = async () => {
    await pause();
    fire('DOMContentLoaded');
    await pause();
    for (const end = Date.now() + LIMIT; loading > 0 && Date.now() < end;) await pause(20);
    ['DOMContentLoaded', 'readystatechange', 'load', 'pageshow'].forEach(fire);
    kept = null;
    watch.disconnect();
    undoing.forEach(undo => undo());
    undoing = [];
    HANDLERS.forEach(([target, type]) => {
      if (former.get(type) && !target['on' + type]) target['on' + type] = former.get(type);
    });
    former.clear();
  };

  // ---- the release ----

  // Restored handlers of what has loaded long ago are called once.
  const missed = el => {
    const image = el.localName === 'img';
    const handler = image && el.complete && !el.naturalWidth ? 'onerror' : 'onload';
    if (typeof el[handler] !== 'function' || el === doc.body || !(image ? el.complete : loaded)) return;
    setTimeout(() => { if (el[handler]) el[handler](new Event(handler.slice(2))); });
  };

  // A custom element that was kept from coming to life under its name, which it gets now.
  const RENAMED = /^cmw-(?=.*-)/;
  const named = el => {
    const real = doc.createElement(el.localName.replace(RENAMED, ''));
    restore(el, real);
    real.append(...el.childNodes);
    el.replaceWith(real);
  };
  // What stood in the place of embeds goes before any script looks for the place.
  const clearPanels = elements => elements.forEach(el => {
    if (el.matches('[data-cmw-panel]') && known.has(el) && allowsAll(el.getAttribute('data-cmw-held'))) el.remove();
  });

  const giveBack = el => {
    given.add(el);
    if (RENAMED.test(el.localName)) return named(el);
    const parent = el.parentNode;
    const next = el.nextSibling;
    const again = REINSERTED.test(el.localName) && el.isConnected &&
      [...el.attributes].some(({ name }) => PREFIX.test(name) && !/^data-cmw-on/.test(name));
    // Who pressed a button in its placeholder is still there.
    const within = doc.activeElement === el;
    if (again) el.remove();
    const loads = restore(el, el);
    if (again) parent.insertBefore(el, next);
    if (again && within) el.focus({ preventScroll: true });
    const media = el.localName === 'source' && el.closest('audio,video');
    // A media element that found nothing to play does not look again by itself (NETWORK_EMPTY, NETWORK_NO_SOURCE).
    if (media && media.networkState % 3 === 0) media.load();
    if (!loads) missed(el);
    return loads;
  };
  const blocksScripts = el => el.localName === 'link' && /stylesheet/i.test(el.rel) && !/alternate/i.test(el.rel) &&
    matchMedia(el.media).matches;

  const pass = async () => {
    const deferred = [];
    const sheets = [];
    begin();
    queues.pass(true);
    const found = [];
    walk(doc, el => el.matches(HELD) && found.push(el));
    clearPanels(found);
    for (const el of found) {
      try {
        if (el.matches('[data-cmw-panel]')) continue;
        const ids = el.getAttribute('data-cmw-held');
        const script = el.localName === 'script';
        if (el.localName === 'style' || known.has(el)) clear(el);
        if (ids === null || !allowsAll(ids) || !known.has(el) || given.has(el) || (script && barred(el))) continue;
        if (script && sheets.length) await Promise.all(sheets.splice(0));
        const how = script && el.isConnected && asleep(el) ? kind(el) : '';
        if (how === 'defer') {
          deferred.push(el);
        } else if (how === 'async') {
          delay(run(el));
        } else if (how) {
          const copy = run(el, how);
          if (how === 'block') await settled(copy);
          await idle(copy);
        } else if (giveBack(el) && el.isConnected) {
          if (blocksScripts(el)) sheets.push(settled(el));
          else if (/^(img|iframe)$/.test(el.localName) && el.loading !== 'lazy') delay(el);
        }
      } catch (error) {
        report(error);
      }
    }
    queues.pass(false);
    const running = [];
    for (const el of deferred) {
      if (!el.isConnected) continue;
      // Not every browser keeps inline modules in the order of the others.
      if (asks(el) === null) await Promise.all(running);
      running.push(ran(run(el)));
    }
    await Promise.all(running);
    queues.pass(false);
    await finish();
  };

  win.addEventListener('load', () => {
    fired = true;
    setTimeout(() => {
      loaded = true;
      if (kept) hush();
    });
  }, true);

  let queue = kit.parsed.then(() => pause());
  // Give back what is granted, or do otherwise where the page is not known well enough for that.
  kit.release = otherwise => {
    queue = queue.then(async () => {
      known = await parsed;
      await (known ? pass() : otherwise());
    }).catch(report);
  };

  // What a script makes of an embed cannot be told from the rest of its service, which runs until the page is left.
  const lend = ids => {
    queues.begin();
    ids.forEach(id => kit.on.add(id));
    doc.dispatchEvent(new CustomEvent('cmw:change', { detail: { granted: [...kit.on], purposes: [], state: kit.state } }));
    kit.release(() => location.reload());
  };
  // Give one embed back, whatever is granted, and nothing else of its service.
  kit.once = async ({ isTrusted, origin, source }) => {
    const frame = isTrusted && origin === location.origin && source.frameElement;
    const all = await parsed;
    if (!frame || frame.ownerDocument !== doc || !all || !all.has(frame) || given.has(frame)) return;
    if (frame.hasAttribute('data-cmw-panel')) {
      lend(frame.getAttribute('data-cmw-held').split(','));
      return;
    }
    const mark = frame.getAttribute('data-consent');
    // What is marked so passes the guard; for this one load.
    frame.setAttribute('data-consent', 'necessary');
    giveBack(frame);
    if (mark === null) frame.removeAttribute('data-consent');
    else frame.setAttribute('data-consent', mark);
  };
};
