// consent_mw guard: holds what the page's scripts load from hosts of services that are not granted. It runs first in
// head, in every page in which something is held, so every byte counts.
//
// The browser's setters, methods and constructors that start a load are wrapped. If an address is on the list:
// - an element does not get the attribute. The value is kept here, under a random mark that the element gets, and set
//   when its services are granted;
// - a request (fetch, XMLHttpRequest, a socket) goes to an address that fails without leaving the browser;
// - markup (innerHTML, document.write) loses the attribute before it is parsed.
// A frame that the page itself fills has its own copy of all of these. They are wrapped when a script gets the frame's
// window or document. Everything else passes unchanged, and no error in here reaches the page. The guard keeps a site's
// own code from loading trackers; it does not stop code that wants to get around it.
(() => {
  const doc = document;
  // The hosts that were stopped. Scripts of the page cannot reach this object, nor put a setter on its way.
  const stopped = { __proto__: null };
  const each = (words, work) => words.split(' ').forEach(work);

  // ---- the services of an address ----

  // The list: "id,id=pattern id=pattern ...", see notice/guard.py. The first pattern that matches decides. If it has no
  // ids, the address may load.
  const rules = [];
  // Someone who has read the page from a cache knows the keys in it, so scripts must not insert markup with a key.
  let any = 'cmw-key';
  // An element named currentScript would shadow the property of the document, if the guard is not the first element.
  each(Reflect.get(Document.prototype, 'currentScript', doc).getAttribute('data-cmw-hosts'), rule => {
    const [ids, pattern] = rule.replace(/\./g, '\\.').split(/=(.*)/);
    rules.push([ids.split(','), new RegExp(`^([^/]*\\.)?(${pattern})`)]);
    any += '|' + pattern.replace(/\[\^]\*/g, '').replace(/\//g, '/?');
  });
  // Markup that does not match this is not examined further.
  const quick = new RegExp(any, 'i');
  const anchor = doc.createElement('a');
  const PARTS = /[^\s"'`<>&;=(),]+/g;
  // Return whether code (a script, a page, a style sheet) names a held address.
  const reads = code => quick.test(code = unescape(code)) &&
    code.match(PARTS).some(part => part != code && look(part));
  // Return something true if a service must be granted before the address may load.
  const look = address => {
    anchor.href = address;
    // Without a host it may be code: data: or javascript:.
    if (!anchor.hostname) return reads(('' + address).slice(0, 1e5));
    const text = (anchor.hostname + anchor.pathname + anchor.search).replace(/\.*\//, '/');
    // The site's own host is not a third party.
    const own = location.hostname + '/';
    const id = rules.find(([, pattern]) => (pattern.exec(text) || [own])[0] != own)?.[0][0];
    return id && (stopped[anchor.hostname] = id);
  };

  // ---- elements ----

  const MARK = 'data-cmw-guard';
  const LOADING = 'src srcset srcdoc data poster href';
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
    // A link of another element leads a visitor somewhere, or to a part of a drawing.
    if (!LOADING.includes(key) || !(key in el) || key == 'href' && !/link|script|image$/i.test(el.localName)) return;
    // The space ends the last address of a list, see `reads`.
    if (el.getAttribute('data-consent') != 'necessary' && (/doc|set/.test(key) ? reads(value + ' ') : look(value))) {
      if (kept.push(el) > 999) kept.shift();
      return mark(el, key, value);
    }
    return held(el) && mark(el, key);
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

  const again = [];
  // Wrap everything in the window of the page or of a frame.
  const fit = win => {
    // An element with this id makes it a property of the window, too, but not an own one.
    if (Reflect.getOwnPropertyDescriptor(win, 'cmwGuard')) return;
    // With a choice the server learns which hosts were stopped.
    win.cmwGuard = () => Object.keys(stopped);

    // Wrap functions and accessors so that `ask` runs first. If it returns something truthy, that is the result, and
    // the original is not called. A proxy keeps the name, length, prototype and "native code" text of the original.
    const wrap = (owner, keys, ask) => each(keys, key => {
      const descriptor = Object.getOwnPropertyDescriptor(owner, key);
      const run = (that, args, native) => {
        let result;
        try {
          result = ask(that, args, key, native);
        } catch {
          // Go on as if the guard were not there.
        }
        return result || native();
      };
      for (const part in descriptor) {
        if (descriptor[part]?.call) {
          descriptor[part] = new Proxy(descriptor[part], {
            apply: (native, that, args) => run(that, args, () => Reflect.apply(native, that, args)),
            construct: (native, args, maker) => run(maker, args, () => Reflect.construct(native, args, maker)),
          });
          Object.defineProperty(owner, key, descriptor);
        }
      }
    });
    // Wrap members of an interface, or of the window if it has no such interface.
    const patch = (kind, keys, ask) => wrap(win[kind]?.prototype || win, keys, ask);

    each('Script Image IFrame Embed Source Media Video Object Link Input', kind =>
      patch(`HTML${kind}Element`, LOADING, (el, args, key) => {
        const value = held(el)?.[key];
        return args.length ? hold(el, key, args[0]) : value && '' + value;
      }));
    patch('HTMLIFrameElement', 'contentDocument contentWindow', (el, args, key, native) => {
      const inner = native();
      fit(inner.defaultView || inner);
    });
    patch('Element', 'setAttribute', (el, [key, value]) => hold(el, key, value));
    patch('Element', 'setAttributeNS', (el, [, key, value]) => hold(el, key, value));
    patch('Element', 'setAttributeNode setAttributeNodeNS', (el, [attr]) => hold(el, attr.name, attr.value));
    patch('Attr', 'value', ({ ownerElement, name }, args) => args.length && hold(ownerElement, name, args[0]));
    patch('Element', 'removeAttribute', (el, [key]) => { if (held(el)) mark(el, key); });
    each('Element ShadowRoot Document Range DOMParser', kind => [win[kind], win[kind].prototype].forEach(owner =>
      wrap(owner, Object.getOwnPropertyNames(owner)
        .filter(key => /HTML|^write|Fragment$|String$|^exec/.test(key)).join(' '), markup)));

    // Replace a held address with one for which the browser itself reports a network error: about:invalid, or a blocked
    // port for sockets.
    const fail = (index, dead = 'about:invalid') => (that, args) => {
      if (look(args[index].url || args[index])) args[index] = dead;
    };
    // The same for the addresses in a style.
    const clean = index => (that, args) => {
      if (reads(args[index])) args[index] = args[index].replace(PARTS, part => look(part) ? 'about:invalid' : part);
    };
    patch('', 'fetch EventSource Worker SharedWorker Audio', fail(0));
    patch('', 'WebSocket', fail(0, 'wss://h:9'));
    patch('', 'WebTransport fetchLater', fail(0, 'https://h:9'));
    patch('Worklet', 'addModule', fail(0));
    patch('XMLHttpRequest', 'open', fail(1));
    patch('', 'FontFace', clean(1));
    patch('CSSStyleSheet', 'insertRule replace replaceSync', clean(0));
    // An attribute map or an SVGAnimatedString does not reveal its element: drop the call, and repeat it after a grant.
    // A key stays out.
    const later = (that, [value], key) =>
      quick.test(value.name) || look(value.value || value) && again.push([that, key, value]);
    patch('NamedNodeMap', 'setNamedItem setNamedItemNS', later);
    patch('SVGAnimatedString', 'baseVal', later);
    // Return true: if told that it failed, a page would send the data in another way.
    patch('Navigator', 'sendBeacon', (that, [address]) => !!look(address));

    // A frame without its address fires load, and an object without its address fires error. Hide these events.
    each('load error', type => win.document.addEventListener(type, told => {
      if (held(told.target)) told.stopImmediatePropagation();
    }, true));
  };
  fit(window);

  // release.js takes from here what the visitor has granted.
  doc.addEventListener('cmw:change', told => told.cmw?.(rules, again, kept, held, MARK));
})();
