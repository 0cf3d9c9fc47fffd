// consent_mw release: the second half of the runtime, which runtime.js loads when it is first needed. It sends the
// visitor's choice, applies the answer to the page, and releases held elements. This file is long because its parts
// share the state of one release.
//
// The server holds an element by renaming its attributes (src becomes data-cmw-src) and by changing the type of a
// script to text/plain, so the browser parses it without loading or running anything. A release walks these elements in
// document order and restores each one whose services are all granted. Scripts run in the order in which the parser
// would have run them: an inline or blocking script ends before the next element, deferred scripts follow at the end,
// and async scripts are not waited for. Three things that a script could use during parsing are emulated:
// - document.write: the text is parsed in an inert document, and the nodes are copied to the script's place;
// - listeners for DOMContentLoaded, load and the like: they are collected and called at the end of the release;
// - calls to a vendor's globals before the release: they were recorded, and are replayed (replay.js, libraries.js).
//
// Markup in the page may have been written by a visitor. So only elements that the server held in the original page are
// released, and each only once.
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
  // Without a prototype: a missing member must not be read from a polluted Object.prototype.
  const said = async answer => ({ __proto__: null, ...await answer.json() });
  const attempt = work => {
    try {
      work();
    } catch (error) {
      report(error);
    }
  };

  // ---- the choice ----

  // Tell the page what is granted now. The guard (guard.js) is the first to hear of it, and hands over what it holds.
  const announce = detail => {
    const told = new CustomEvent('cmw:change', { detail });
    told.cmw = (rules, again, kept, held, mark) => {
      if (detail.reload) return;
      // Pages of a visitor who has accepted everything have no guard, so this one holds nothing from now on.
      rules.forEach(rule => {
        rule[0] = rule[0].filter(id => !detail.granted.includes(id) && detail.state !== 'accept');
      });
      again.splice(0).forEach(([that, key, value]) => { if (value.value) that[key](value); else that[key] = value; });
      const waiting = new Set(kept.splice(0));
      const pages = [doc];
      // Frames that the page filled contain held elements, too. Those of other sites have no document for us.
      for (const page of pages) {
        page.querySelectorAll(`[${mark}]`).forEach(el => waiting.add(el));
        pages.push(...[...page.querySelectorAll('iframe')].map(frame => frame.contentDocument).filter(Boolean));
      }
      waiting.forEach(el => {
        const record = held(el) || {};
        for (const key of Object.keys(record)) el.setAttribute(key, record[key]);
        // A media element that found no source does not look for a new one by itself.
        if (record.src) el.parentNode?.load?.();
      });
    };
    doc.dispatchEvent(told);
  };

  // Announce a text to screen readers.
  const say = text => {
    const node = doc.createElement('p');
    node.setAttribute('role', 'status');
    node.style.cssText = 'position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)';
    doc.body.append(node);
    // Screen readers announce changes of a live region, so it must be in the page before it gets its text.
    setTimeout(() => { node.textContent = text; }, 100);
  };

  let signals = setting('signals-src') && { path: setting('signals-src'), plan: setting('signals') };
  // Apply a new state to this page: remove the notice, signal vendors, and release what is granted now or reload.
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
    // If the site learns its services from its pages, this page may have been rendered before they were known. Its
    // guard would then hold some of them under a wrong id, so the page has to be reloaded.
    const guard = doc.querySelector('[data-cmw-hosts]');
    const old = more && state !== 'accept' && (setting('state') || 'none') === 'none' &&
      answer.hosts && guard && guard.getAttribute('data-cmw-hosts') !== answer.hosts;
    // A browser reads an import map once, so the addresses that are held in it are released with the next page.
    const mapped = more && [...doc.querySelectorAll('script[type=importmap i][data-cmw-held]')]
      .some(el => allowsAll(el.getAttribute('data-cmw-held')));
    // Code that has run can only be undone by a reload. A visitor whose choice is gone must be asked again.
    detail.reload = state === 'none' || before.some(id => !allows(id)) || old || mapped ||
      (more && setting('release') === 'reload');
    if (signals !== 0) signals = answer.signals || signals;
    if (state !== 'none') {
      queues.drop();
      libraries.drop();
    }
    if (more && !detail.reload) queues.begin();
    if (more && signals && !detail.reload) {
      // Consent signals must be in place before a vendor's tag runs.
      const { path, plan } = signals;
      signals = 0;
      await kit.load(path, plan).catch(() => { detail.reload = true; });
    }
    announce(detail);
    if (detail.reload) {
      // On a reload Firefox gives a frame in the markup its former address, even if the frame is held by then.
      doc.querySelectorAll('iframe').forEach(el => el.remove());
      location.reload();
    } else if (more) kit.release(() => location.reload());
  };

  const worn = new Set();
  // Add a style sheet to the page, once.
  const wear = style => {
    if (worn.has(style)) return;
    worn.add(style);
    try {
      // The page's CSP does not apply to constructed style sheets.
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

  // Insert the control that reopens the choices. It is invisible while the first notice is there, so the answer to the
  // choice contains it instead of the page.
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

  // Some libraries replace the body with that of another page, which has no elements of ours, or cached copies of them.
  // Put the current ones back.
  kit.putBack = keep => {
    if (!doc.body || kit.ours.some(el => el.isConnected)) return;
    doc.querySelectorAll('[data-cmw-banner],[data-cmw-reopen]').forEach(el => el.remove());
    doc.body.prepend(...kit.ours);
    keep();
  };

  // Return whether this is the second half of a double click whose first half brought the button to this place: then
  // it was not meant for the button.
  const stray = button => {
    const [now, former] = kit.clicks;
    return former && now.detail && button.contains(now.target) && !button.contains(former.target) &&
      now.timeStamp - former.timeStamp < 500 &&
      Math.hypot(now.clientX - former.clientX, now.clientY - former.clientY) < 40;
  };

  // Send a choice. Rejects with an Event if the server could not be reached, and with another value if it refused.
  kit.send = async (form, button) => {
    if (stray(button)) return;
    move();
    form.setAttribute('aria-busy', 'true');
    try {
      const body = new URLSearchParams(new FormData(form, button));
      if (form.querySelector('[open]')) body.set('opened', 'yes');
      // Name the hosts that the guard stopped, since the server cannot see them in a page. A page may have replaced this
      // function; whatever it does, the choice is sent.
      try {
        const stopped = window.cmwGuard().slice(0, 32).join(' ');
        if (stopped && stopped.length <= 4000) body.set('stopped', stopped);
      } catch { /* There is no guard. */ }
      const response = await fetch(at('/choice'), {
        method: 'POST',
        mode: 'same-origin',
        headers: { Accept: 'application/json' },
        body,
        keepalive: true,
      });
      const answer = await said(response);
      if (!answer.granted) throw answer;
      chosen(answer);
    } catch (error) {
      // fetch throws a TypeError if the request is blocked or there is no network.
      throw error instanceof TypeError ? new Event('error') : error;
    } finally {
      form.removeAttribute('aria-busy');
    }
  };

  // ---- the choices, reopened ----

  const show = () => {
    const banner = kit.find();
    if (!banner) return false;
    banner.hidden = false;
    banner.hidden = !banner.offsetHeight;
    const first = banner.querySelector('summary,button');
    if (first) first.focus();
    return !banner.hidden;
  };
  // Return the notice as the server renders it for this visitor, with the services of each purpose, and its style.
  const fetchNotice = async () => {
    const answer = await fetch(at('/notice' + here()), {
      cache: 'no-store', headers: { Accept: 'application/json' },
    });
    const { style, markup } = await said(answer);
    const holder = doc.createElement('template');
    holder.innerHTML = trust('HTML', markup);
    return { style, banner: holder.content.firstElementChild };
  };
  // Insert it with everything that is granted ticked.
  const fetched = async () => {
    const { style, banner } = await fetchNotice();
    banner.dataset.cmwAgain = '';
    wear(style);
    move();
    banner.querySelectorAll('[type=checkbox]').forEach(box => { box.checked = kit.on.has(box.value); });
    tie(banner);
    kit.ours.unshift(banner);
    (doc.body || doc.documentElement).prepend(banner);
    const details = banner.querySelector('details');
    if (details) details.open = true;
  };

  // ---- the services of each purpose ----

  const boxesIn = (banner, name) => [...banner.querySelectorAll(`input[name=${name}]`)];
  // Keep the boxes of purposes and services in step. The rule is that of the server: a service runs if its own box is
  // ticked or the boxes of all its purposes are; a tag manager runs if the box of one of its purposes is.
  const tie = (banner, fresh) => {
    wear('(unfold.css)');
    const purposes = boxesIn(banner, 'purpose');
    const services = boxesIn(banner, 'service');
    const uses = service => service.dataset.cmwFor.split(' ');
    const ticked = id => purposes.some(box => box.value === id && box.checked);
    const manages = service => 'cmwManager' in service.dataset;
    const runs = service => uses(service)[manages(service) ? 'some' : 'every'](ticked);
    const servicesOf = box => services.filter(service => uses(service).includes(box.value));
    const mark = () => purposes.forEach(box => {
      box.indeterminate = !box.checked && servicesOf(box).some(service => service.checked);
    });
    const settle = service => { service.checked = runs(service); };
    if (fresh) services.forEach(settle);
    mark();
    banner.addEventListener('change', ({ target }) => {
      if (purposes.includes(target)) servicesOf(target).forEach(settle);
      if (services.includes(target)) {
        const { checked, value } = target;
        const ran = runs(target);
        // A service has a box under each of its purposes.
        services.filter(service => service.value === value).forEach(service => { service.checked = checked; });
        purposes.filter(box => uses(target).includes(box.value)).forEach(box => {
          if (checked) box.checked ||= servicesOf(box).every(service => service.checked && !manages(service));
          else if (ran) box.checked = false;
        });
      }
      mark();
    });
    // What unfolds moves other controls under the finger.
    banner.addEventListener('click', event => {
      const control = event.target.closest('summary,label');
      if (control && stray(control) && kit.clicks[1].target.closest?.('summary,a')) event.preventDefault();
    });
  };
  // In the first notice, replace the links to the services by the services, and open those behind the clicked link.
  const unfold = async (banner, link) => {
    wear('(unfold.css)');
    link.setAttribute('aria-busy', 'true');
    const whole = (await fetchNotice()).banner;
    if (!link.isConnected) return;
    // If the site asks another question meanwhile, the page of the preferences has the new one.
    if (['asked', 'shown'].some(name => boxesIn(banner, name)[0]?.value !== boxesIn(whole, name)[0]?.value)) throw 0;
    const rows = new Map(boxesIn(whole, 'purpose').map(box => [box.value, box.closest('li').querySelector('details')]));
    let opened;
    boxesIn(banner, 'purpose').forEach(box => {
      const row = box.closest('li');
      const details = rows.get(box.value);
      if (!details) return;
      if (row.contains(link)) opened = details;
      row.querySelectorAll('.cmw-about,.cmw-each').forEach(el => el.remove());
      row.append(details);
    });
    tie(banner, true);
    opened.open = true;
    opened.firstElementChild.focus();
  };
  kit.open = async () => {
    const banner = kit.find();
    const link = kit.clicks[0]?.target.closest?.('[data-cmw-action=open]');
    if (banner?.contains(link)) return unfold(banner, link);
    if (banner && !banner.isConnected) kit.ours = kit.ours.filter(el => el !== banner);
    if (!kit.find()) await fetched();
    if (!show()) throw 0;
  };
  // Handle Escape: close a reopened notice, or the details of the first one, without a choice.
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
  // If a content blocker has hidden the notice, offer the control that opens the choices.
  kit.control = () => { if (kit.state === 'none') fetchControl(); };
  // Ask the server for the current state, and apply it if it differs.
  kit.check = async () => {
    const answer = await asked();
    if (!answer.granted) return;
    const now = new Set([...answer.granted, ...answer.purposes]);
    const same = answer.state === kit.state && now.size === kit.on.size && [...now].every(id => kit.on.has(id));
    if (!same) follow(answer).catch(report);
  };

  // ---- held elements ----

  // The longest wait for a script or style sheet, in milliseconds.
  const LIMIT = 10000;
  const XHTML = 'http://www.w3.org/1999/xhtml';
  // Our prefix of a held attribute. Attributes of the page that already had the prefix got it a second time on the
  // server; they do not match, and stay as they are.
  const PREFIX = /^([\w-]+:)?data-cmw-(?!held$|key$|data-cmw-)(?=.)/;
  // Markup of a visitor may contain a mark of this form, but not the key.
  const KEY = setting('key');
  const MARKER = new RegExp('about:invalid#cmw=([^#]*)#' + (KEY && `cmw-key=${KEY}#`), 'g');
  // Elements that guard.js holds are excluded: it releases them itself.
  const HELD = kit.held + ':not([data-cmw-guard]),style';
  const JAVASCRIPT = /^((application|text)\/(x-)?(java|ecma)script|text\/(javascript1\.[0-5]|jscript|livescript))$/;
  // Elements that take effect when they are inserted, or that would add their placeholder to the session history.
  const REINSERTED = /^(iframe|embed|object|meta|link|frame)$/;

  // Only elements that the server sent are released, each once. An element that was inserted later may be a visitor's,
  // even if it has a valid key, since the keys of a page in a shared cache are not secret. For the same reason a key
  // that occurs twice in the page with different content is not trusted.
  let known;
  const given = new WeakSet();
  const content = el => [...el.attributes].filter(({ name }) => PREFIX.test(name) || name === 'data-cmw-held')
    .map(({ name, value }) => name + '=' + value).sort().join() + (el.localName === 'script' ? el.textContent : '');
  // Fields of a form can shadow its members. Such a form is a visitor's, and must not keep the others from being released.
  const isPlain = el => {
    try {
      return content(el) + el.getAttribute('data-cmw-held');
    } catch {
      return false;
    }
  };
  const knownOf = all => {
    const first = {};
    const forged = {};
    const elements = all.filter(isPlain);
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
      // Its own namespace, since in XHTML the prefix may be bound to one that means nothing to browsers.
      el.setAttributeNS(space || 'http://www.w3.org/1999/xlink', name, text);
    } else {
      el.setAttribute(name, text);
    }
  };

  // A lazy-loading library skipped the element when it came into view, and will not look at it again. So do what it
  // would have done: set the attribute that the name ends with, or a background.
  //
  // A sanitizer lets every value of a data attribute pass, and there may be no such library. So a frame gets no code,
  // and a list only counts if all of its addresses lead to one host: it is held if one of them does.
  const LAZY = /^(data-|(nitro-)?lazy-src)/;
  const resolved = address => new URL(address, doc.baseURI);
  const leadToOne = addresses => new Set(addresses.map(address => resolved(address).host)).size < 2;
  // Return the addresses in CSS as the browser reads them; a detached element loads nothing.
  const addressesIn = image => {
    const probe = doc.createElement('i');
    probe.style.backgroundImage = image;
    return [...probe.style.backgroundImage.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, address]) => address);
  };
  const bringLazy = (el, name, value) => {
    const kind = el.localName;
    if (/^(img|source|iframe|video|audio|embed)$/.test(kind)) {
      if (kind === 'iframe' && !/src$/.test(name) && !/^\s*(https?:)?\/\//i.test(value)) return;
      if (/^(iframe|embed)$/.test(kind) && !/^http/.test(resolved(value).protocol)) return;
      const list = /srcset$/.test(name) ? value.trim().split(/,?\s+/).filter(part => !/^[\d.]+[hwx],?$/.test(part)) : [];
      if (leadToOne(list)) set(el, (/srcset$|poster$/.exec(name) || ['src'])[0], value);
    } else if (el.style && !/-|^object$/.test(kind)) {
      const image = /\(/.test(value) ? value : `url(${JSON.stringify(value)})`;
      if (leadToOne(addressesIn(image))) el.style.backgroundImage = image;
    }
  };

  // Restore the held attributes of an element, on itself or on its copy. Return whether it loads something again.
  const restore = (from, to) => {
    let loads = false;
    const slept = retyped(from);
    const attributes = [...from.attributes];
    // Set src last: otherwise an image may load twice (for its srcset), or before its handlers are set.
    if (to === from) attributes.sort((a, b) => /src$/.test(a.name) - /src$/.test(b.name));
    attributes.forEach(attribute => {
      const { name, value } = attribute;
      const plain = name.replace(PREFIX, '$1');
      if (plain !== name) {
        if (to === from) from.removeAttributeNode(attribute);
        attempt(() => set(to, plain, value, attribute.namespaceURI));
        if (LAZY.test(plain) && from.localName !== 'script' && !from.hasAttribute('data-cmw-src')) {
          attempt(() => bringLazy(to, plain, value));
        }
        loads = loads || !/^on|^style$|^ping$/.test(plain);
      } else if (/^data-cmw-(held|key)$/.test(name) || (name === 'type' && slept)) {
        if (to === from) from.removeAttributeNode(attribute);
      } else if (to !== from) {
        // The parser accepts attribute names that setAttribute rejects.
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

  // A CSP with 'strict-dynamic' allows every script that a script inserts, but only those in the markup that have the
  // nonce. Our copy must not run if the policy would have blocked the original. To detect such a policy, insert a
  // script without a nonce and see whether it runs.
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

  // Return an attribute's value from before it was held.
  const get = (el, name) => {
    const value = el.getAttribute('data-cmw-' + name);
    return value === null ? el.getAttribute(name) : value;
  };
  // Optimisers give scripts another type, or move their address to another attribute, and turn them into code at the
  // visitor's first action. A choice is such an action, and the optimiser passed over what was held by then. So a
  // release runs it. What a compiler has to read is left to it, and Partytown looks again if it is told. Nobody runs a
  // type with a parameter.
  const DELAYED = /script|lazy|delay|defer|rocket|speed|block|psajs|phast|nitro|perfmatters|idle|interact|\bjs\b/;
  const COMPILED = /partytown|babel|[jt]sx|typescript|coffee|python|ruby|vbs|json|templ|tmpl|rules|importmap|bundle|;/;
  const typeOf = el => {
    let type = retyped(el) ? el.getAttribute('data-cmw-type') : get(el, 'type');
    if (type === null) type = el.getAttribute('language') ? 'text/' + el.getAttribute('language') : '';
    return type.trim().toLowerCase();
  };
  const runs = type => !type || JAVASCRIPT.test(type);
  const heldAddress = el => [...el.attributes].find(({ name }) => /^data-cmw-[\w-]*src$/.test(name));
  const isDelayed = el => {
    const type = typeOf(el);
    return retyped(el) && type !== 'module' && !runs(type) && !COMPILED.test(type) &&
      (DELAYED.test(type) || heldAddress(el));
  };
  // Return the attribute with the address of a script that has neither a source nor code of its own. An optimiser that
  // missed the address may have set "null".
  const lateAddress = el => (/^(null|undefined)$/.test(get(el, 'src')) && !el.textContent.trim() &&
    (isDelayed(el) || runs(typeOf(el))) ? heldAddress(el) : undefined);
  const asks = el => {
    if (el.namespaceURI === XHTML) return (lateAddress(el) || { value: get(el, 'src') }).value;
    return get(el, 'href') || get(el, 'xlink:href') || el.getAttribute('xlink:data-cmw-href');
  };
  const isModule = el => typeOf(el) === 'module' ||
    (isDelayed(el) && [...el.attributes].some(({ name, value }) => /^data-.*type$/.test(name) && value === 'module'));
  // Return how a script runs: inline, block, async, defer, or '' for not at all. See
  // https://html.spec.whatwg.org/#prepare-the-script-element
  const kind = el => {
    const type = typeOf(el);
    if (/^(speculationrules|importmap)$/.test(type)) return 'inline';
    const module = isModule(el);
    if (!module && ((!runs(type) && !isDelayed(el)) || el.hasAttribute('nomodule'))) return '';
    if (asks(el) === null && !module) return 'inline';
    return el.hasAttribute('async') ? 'async' : module || el.hasAttribute('defer') ? 'defer' : 'block';
  };

  // ---- running ----

  // Resolve when an element has loaded or failed, at the latest after LIMIT.
  const settled = el => new Promise(done => {
    el.addEventListener('load', done);
    el.addEventListener('error', done);
    setTimeout(done, LIMIT);
  });
  // The number of loads that would delay the page's load event.
  let loading = 0;
  const delay = el => {
    loading++;
    return settled(el).then(() => { loading--; });
  };

  // (replay.js)

  // (libraries.js)

  // Return a copy of a held script that runs when it is inserted; the parsed element itself may not run any more.
  const revive = el => {
    const script = doc.createElementNS(el.namespaceURI, el.localName);
    restore(el, script);
    if (isDelayed(el)) script.type = isModule(el) ? 'module' : '';
    const late = lateAddress(el);
    if (late) {
      script.removeAttribute(late.name.replace(PREFIX, ''));
      set(script, 'src', late.value);
    }
    if (el.nonce) script.nonce = el.nonce;
    // Scripts that are not created by the parser are async by default.
    if ('async' in script) script.async = el.hasAttribute('async');
    if (el.textContent) script.textContent = trust('Script', el.textContent);
    return script;
  };

  // Wait until a deferred script has run. An inline module fires no load event, so run a second one after it.
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

  // The place in the page where document.write of each script inserts text. As in a page that is being parsed, external
  // async and deferred scripts cannot write.
  const places = new WeakMap();
  let latest;
  // Replace a held script with a copy that runs; return the copy.
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

  // After parsing, the browser's own document.write would replace the page. Ours works like the parser: written text is
  // parsed up to the end of the next script, the new nodes are copied into the page, and the script runs there. Parsing
  // continues when it has finished, with the text that it wrote itself before the rest. The text is parsed by the
  // browser in an inert document with the same ancestor elements, in which nothing loads or runs.

  // Elements that are copied together with their content.
  const WHOLE = /^(script|style|textarea|title|iframe|xmp|noembed|noframes|noscript|template)$/;
  // In this order: text, a comment, a tag, a bogus comment, a "<" that starts none of these.
  const TOKEN = new RegExp([
    '[^<]+',
    '<!-{2}(?:-?>|[^]*?--!?>)',
    '<(/?)([a-z][^\\s/>]*)(?=[\\s/>])(?:[^>=]|=\\s*"[^"]*"|=\\s*\'[^\']*\'|=(?!\\s*["\']))*>',
    '<(?!!--)[!?/](?![a-z])[^>]*>',
    '<(?![!?/a-z]|$)',
  ].join('|'), 'giy');

  // Return the length of the complete tokens at the start of the text, up to the end of its first script.
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

  // Return a stream that parses text in an inert document and copies each new node into the page after the script.
  const openStream = place => {
    const inert = doc.implementation.createHTMLDocument('');
    const twins = new Map();
    const seen = new Map();
    // The text that is not parsed yet, the offset where new text is inserted, and the script that parsing waits for.
    let text = '';
    let at = 0;
    let waiting = null;

    let anchor = place.script;
    if (!anchor.parentNode) {
      // The script has removed itself, as many do.
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
      // If scripts are enabled, the content of noscript is text.
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
          // Text that the awaited script writes goes before the text that waits for it.
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

  // Replace document.write and its relatives.
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

  // ---- missed events ----

  // Released code may wait for an event that fired before the release: DOMContentLoaded, readystatechange, load or
  // pageshow. So during a release, addEventListener of the window and the document is replaced, and listeners for these
  // events are collected. At the end each of them is called with a new event, and registered with the browser. The
  // on... handlers of the page are set aside meanwhile.

  // Whether the load event has fired, and whether its listeners have run.
  let fired = doc.readyState === 'complete';
  let loaded = fired;
  // The listeners that were added during a pass; null outside of one.
  let kept = null;
  let undoing = [];
  const HANDLERS = [[doc, 'readystatechange'], [win, 'load'], [win, 'pageshow']];
  const former = new Map();

  // Set aside handlers that have already run: released code that wraps the previous handler would run them again.
  const hush = () => HANDLERS.forEach(([target, type]) => {
    if (former.has(type)) return;
    former.set(type, target['on' + type]);
    target['on' + type] = null;
  });
  const note = () => HANDLERS.forEach(([target, type]) => {
    if (!former.has(type) || !target['on' + type] || kept.some(one => one.type === type && !one.listener)) return;
    // A handler keeps the position of the one that it replaces.
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
        // A capturing listener also gets the load events of elements from now on, so register it right away, too.
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
        // If other code has wrapped our function, it has to stay; without a pass it only forwards calls.
        if (target[name] !== mine[name]) return;
        if (inherited) delete target[name];
        else target[name] = names[name];
      });
    });
  };

  // Call the collected listeners of one event, in the order of its propagation.
  const fire = type => {
    note();
    const ready = type === 'DOMContentLoaded';
    const past = ready || fired;
    // DOMContentLoaded propagates: capturing listeners of the window run first, then the document's, then the window's.
    const rank = one => (!ready || one.target === doc ? 1 : one.capture ? 0 : 2);
    kept.filter(one => one.type === type).sort((a, b) => rank(a) - rank(b)).forEach(one => {
      const { target, listener, options, names } = one;
      if (one.gone) return;
      one.gone = true;
      if (options && options.signal && options.signal.aborted) return;
      const once = past && options && options.once;
      // Register it with the browser, since some of these events can fire again.
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

  // Scripts that released scripts insert delay the load event, too.
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
  // Fire the missed events, and undo what begin() has replaced.
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

  // If an element loaded or failed before its handlers were restored, call the matching one.
  const missed = el => {
    const image = el.localName === 'img';
    const handler = image && el.complete && !el.naturalWidth ? 'onerror' : 'onload';
    if (typeof el[handler] !== 'function' || el === doc.body || !(image ? el.complete : loaded)) return;
    setTimeout(() => { if (el[handler]) el[handler](new Event(handler.slice(2))); });
  };

  // The server renames a held custom element, so that it is not upgraded. Replace it with one that has its real name.
  const RENAMED = /^cmw-(?=.*-)/;
  const named = el => {
    const real = doc.createElement(el.localName.replace(RENAMED, ''));
    restore(el, real);
    real.append(...el.childNodes);
    el.replaceWith(real);
  };
  // Remove the panels that were shown in place of embeds, before a script looks for that place.
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
    // The visitor may have pressed a button in its placeholder, so it may have the focus.
    const within = doc.activeElement === el;
    if (again) el.remove();
    const loads = restore(el, el);
    if (again) parent.insertBefore(el, next);
    if (again && within) el.focus({ preventScroll: true });
    const media = el.localName === 'source' && el.closest('audio,video');
    // A media element without a source (NETWORK_EMPTY, NETWORK_NO_SOURCE) does not look for a new one by itself.
    if (media && media.networkState % 3 === 0) media.load();
    if (!loads) missed(el);
    return loads;
  };
  const blocksScripts = el => el.localName === 'link' && /stylesheet/i.test(el.rel) && !/alternate/i.test(el.rel) &&
    matchMedia(el.media).matches;

  // Release everything that is granted, in document order.
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
        } else if (script && /partytown/.test(typeOf(el))) {
          giveBack(el);
          win.dispatchEvent(new CustomEvent('ptupdate'));
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
      // Some browsers do not run inline modules in order with external ones.
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
  // Queue a pass. If it is not known which elements the server sent, call `otherwise` instead.
  kit.release = otherwise => {
    queue = queue.then(async () => {
      known = await parsed;
      await (known ? pass() : otherwise());
    }).catch(report);
  };

  // Grant services until the visitor leaves the page. This is how an embed that a script creates is shown once: it
  // cannot be separated from the rest of its service.
  const lend = ids => {
    queues.begin();
    ids.forEach(id => kit.on.add(id));
    announce({ granted: [...kit.on], purposes: [], state: kit.state });
    kit.release(() => location.reload());
  };
  // Release the one embed whose placeholder sent the message, without a grant and without the rest of its service.
  kit.once = async ({ isTrusted, origin, source }) => {
    const frame = isTrusted && origin === location.origin && source.frameElement;
    const all = await parsed;
    if (!frame || frame.ownerDocument !== doc || !all || !all.has(frame) || given.has(frame)) return;
    if (frame.hasAttribute('data-cmw-panel')) {
      lend(frame.getAttribute('data-cmw-held').split(','));
      return;
    }
    const mark = frame.getAttribute('data-consent');
    // The guard lets elements with this mark load. It is set for this one load.
    frame.setAttribute('data-consent', 'necessary');
    giveBack(frame);
    if (mark === null) frame.removeAttribute('data-consent');
    else frame.setAttribute('data-consent', mark);
  };
};
