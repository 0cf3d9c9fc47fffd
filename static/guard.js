// consent_mw guard: holds what the page's scripts load from hosts of services that are not granted. It runs first in
// head, in every page in which something is held, so every byte counts.
//
// The browser's setters, methods and constructors that start a load are wrapped. If an address is on the list:
// - an element does not get the attribute. The value is kept here, under a random mark that the element gets, and set
//   when its services are granted;
// - a request (fetch, XMLHttpRequest, a socket) goes to an address that fails without leaving the browser;
// - markup (innerHTML, document.write) loses the attribute before it is parsed.
// Everything else passes unchanged, and no error in here reaches the page. The guard keeps a site's own code from
// loading trackers; it does not stop code that wants to get around it.
(() => {
  const win = window;
  const doc = document;
  if (win.cmwGuard) return;
  // The hosts that were stopped. Scripts of the page cannot reach this object, nor put a setter on its way.
  const stopped = Object.create(null);
  // With a choice the server learns of them.
  win.cmwGuard = () => Object.keys(stopped);
  const each = (words, work) => words.split(' ').forEach(work);

  // ---- the services of an address ----

  // The list: "id,id=pattern id=pattern ...", see notice/guard.py. The first pattern that matches decides. If it has no
  // ids, the address may load.
  const rules = [];
  // Someone who has read the page from a cache knows the keys in it, so scripts must not insert markup with a key.
  let any = 'cmw-key';
  each(doc.currentScript.getAttribute('data-cmw-hosts'), rule => {
    const [ids, pattern] = rule.replace(/\./g, '\\.').split(/=(.*)/);
    rules.push([ids.split(','), new RegExp(`^([^/]*\\.)?(${pattern})`)]);
    any += '|' + pattern.replace(/\[\^]\*/g, '').replace(/\//g, '/?');
  });
  // Markup that does not match this is not examined further.
  const quick = new RegExp(any, 'i');
  const anchor = doc.createElement('a');
  // Return the id of a service that must be granted before the address may load, or undefined.
  const look = address => {
    anchor.href = address;
    const text = (anchor.hostname + anchor.pathname + anchor.search).replace(/\.*\//, '/');
    // The site's own host is not a third party.
    const id = rules.find(([, pattern]) =>
      (pattern.exec(text) || [location.hostname + '/'])[0] != location.hostname + '/')?.[0][0];
    return id && (stopped[anchor.hostname] = id);
  };

  // ---- elements ----

  const MARK = 'data-cmw-guard';
  const LOADING = 'src srcset srcdoc data poster href';
  const owners = [];
  const kept = [];
  // The values that were withheld from elements, by their marks. Copies of an element share its mark, and a visitor's
  // markup cannot guess one.
  const records = { __proto__: null };
  const held = el => records[el.getAttribute?.(MARK)];
  // Record a withheld value of an element, or drop it if there is none, under a new mark.
  const mark = (el, key, value) => {
    // Without a prototype: the page may have put accessors on Object.prototype.
    const record = { __proto__: null, ...held(el), [key]: value };
    if (!value) delete record[key];
    const id = Object.keys(record)[0] && Math.random();
    records[id] = record;
    el.toggleAttribute(MARK, id);
    if (id) el.setAttribute(MARK, id);
    return value;
  };
  // Withhold a value from the element if its address is held. Return whether it was withheld.
  const hold = (el, key, value) => {
    key = key.toLowerCase().replace('xlink:', '');
    if (key == 'data-cmw-key') return true;
    if (!LOADING.includes(key) || !owners.some(owner => owner.isPrototypeOf(el) && key in owner)) return;
    const parts = /set|doc/.test(key) ? ('' + value).split(/[\s"'<>&;]+|,+\s/) : [value];
    if (el.getAttribute('data-consent') != 'necessary' && parts.some(look)) {
      if (kept.push(el) > 999) kept.shift();
      return mark(el, key, value);
    }
    if (held(el)) mark(el, key);
  };
  const markup = (that, args) => args.forEach((value, index) => {
    // Disable the keys, see above, and withhold addresses.
    if (quick.test(value)) args[index] = ('' + value).replace(/cmw-key/gi, 0).replace(
      /<(script(?![^>]* src)|style|textarea)[^]*?<\/\1|<([a-z][^\s/>]*)(?:[^>"']|"[^"]*"|'[^']*')*>/gi,
      (tag, raw, kind) => {
        const el = doc.createElement(kind);
        const made = tag.replace(/([^\s=>"'/]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/g, (whole, key, value) =>
          (hold(el, key, value.replace(/^["']|["']$/g, '').replace(/&amp;/g, '&')) ? kept.pop() && '' : whole));
        // No quotes: if this is inside an attribute value after all, a quote would end it.
        return held(el) ? made.replace(kind, `$& ${MARK}=${el.getAttribute(MARK)} `) : tag;
      });
  });

  // ---- what starts a load ----

  // Wrap functions and accessors so that `ask` runs first. If it returns something truthy, that is the result, and the
  // original is not called. A proxy keeps the name, length, prototype and "native code" text of the original.
  const patch = (owner, names, ask) => owner && each(names, key => {
    const descriptor = Object.getOwnPropertyDescriptor(owner, key);
    const first = (that, args) => {
      try {
        return ask(that, args, key);
      } catch {
        // Go on as if the guard were not there.
      }
    };
    for (const part in descriptor) {
      if (descriptor[part]?.call) {
        descriptor[part] = new Proxy(descriptor[part], {
          apply: (native, that, args) => first(that, args) || Reflect.apply(native, that, args),
          construct: (native, args, maker) => first(maker, args) || Reflect.construct(native, args, maker),
        });
        Object.defineProperty(owner, key, descriptor);
      }
    }
  });

  each('Script IFrame Image Embed Source Media Video Object Link Input', kind => {
    const owner = win[`HTML${kind}Element`].prototype;
    owners.push(owner);
    patch(owner, LOADING, (el, args, key) => {
      if (args.length) return hold(el, key, args[0]);
      const value = held(el)?.[key];
      return value && '' + value;
    });
  });
  owners.push(SVGScriptElement.prototype, SVGImageElement.prototype);
  const element = Element.prototype;
  patch(element, 'setAttribute', (el, [key, value]) => hold(el, key, value));
  patch(element, 'setAttributeNS', (el, [, key, value]) => hold(el, key, value));
  patch(element, 'setAttributeNode setAttributeNodeNS', (el, [{ name, value }]) => hold(el, name, value));
  patch(Attr.prototype, 'value', ({ ownerElement, name }, args) => args.length && hold(ownerElement, name, args[0]));
  patch(element, 'removeAttribute', (el, [key]) => { if (held(el)) mark(el, key); });
  [element, ShadowRoot.prototype, Document.prototype, Range.prototype, DOMParser.prototype, Document].forEach(owner => {
    const keys = Object.getOwnPropertyNames(owner).filter(key => /HTML|^write|Fragment$|String$/.test(key));
    patch(owner, keys.join(' '), markup);
  });

  // Replace a held address with one for which the browser itself reports a network error: about:invalid, or a blocked
  // port for sockets.
  const fail = (index, dead, asks = look) => (that, args) => {
    if (asks(args[index].url || args[index])) args[index] = dead || 'about:invalid';
  };
  const names = text => quick.test(unescape(text));
  patch(win, 'fetch EventSource Worker SharedWorker Audio', fail(0));
  // Requests of a worker cannot be intercepted, so search code in its address (a data: URL) for listed hosts.
  patch(win, 'Worker SharedWorker', fail(0, '', names));
  patch(win.Worklet?.prototype, 'addModule', fail(0));
  // An attribute map or an SVGAnimatedString does not reveal its element: drop the call, and repeat it after a grant.
  const again = [];
  const later = (that, [value], key) => look(value.value || value) && again.push([that, key, value]);
  patch(NamedNodeMap.prototype, 'setNamedItem setNamedItemNS', later);
  patch(SVGAnimatedString.prototype, 'baseVal', later);
  patch(win, 'fetchLater', (that, [to]) => look(to.url || to) && { activated: false });
  patch(win, 'FontFace', fail(1, 'url(about:invalid)', names));
  patch(XMLHttpRequest.prototype, 'open', fail(1));
  patch(win, 'WebSocket', fail(0, 'wss://h:9'));
  // Return true: if told that it failed, a page would send the data in another way.
  patch(Navigator.prototype, 'sendBeacon', (that, [address]) => !!look(address));

  // ---- until the release ----

  // A frame without its address fires load, and an object without its address fires error. Hide these events.
  each('load error', type => doc.addEventListener(type, told => {
    if (held(told.target)) told.stopImmediatePropagation();
  }, true));
  doc.addEventListener('cmw:change', ({ detail: news }) => {
    if (news.reload) return;
    // Pages of a visitor who has accepted everything have no guard, so this one holds nothing from now on.
    rules.forEach(rule => { rule[0] = rule[0].filter(id => !news.granted.includes(id) && news.state != 'accept'); });
    again.splice(0).forEach(([that, key, value]) => { if (value.value) that[key](value); else that[key] = value; });
    new Set([...kept.splice(0), ...doc.querySelectorAll(`[${MARK}]`)]).forEach(el => {
      const record = held(el) || {};
      for (const key of Object.keys(record)) el.setAttribute(key, record[key]);
      // A media element that found no source does not look for a new one by itself.
      if (record.src) el.parentNode?.load?.();
    });
  });
})();
