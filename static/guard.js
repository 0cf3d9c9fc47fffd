// consent_mw guard: what scripts of the page create towards hosts of held services is held until they are granted.
// First in head, before anything can run, in every page where something is held: every byte of it counts.
// What is not on its list passes straight through, and no error in here reaches the page.
(() => {
  const win = window;
  const doc = document;
  if (win.cmwGuard) return;
  win.cmwGuard = true;
  const each = (words, work) => words.split(' ').forEach(work);

  // ---- whose an address is ----

  // "id,id=pattern id=pattern ...", see notice/guard.py. The first pattern that fits decides; no id: it may load.
  const rules = [];
  // What marks of the server's carry is no secret to who read the page before: no script brings it in.
  let any = 'cmw-key';
  each(doc.currentScript.getAttribute('data-cmw-hosts'), rule => {
    const [ids, pattern] = rule.replace(/\./g, '\\.').split(/=(.*)/);
    rules.push([ids.split(','), new RegExp(`^([^/]*\\.)?(${pattern})`)]);
    any += '|' + pattern.replace(/\[\^]\*/g, '').replace(/\//g, '/?');
  });
  // Markup without any of these is not looked at any closer.
  const quick = new RegExp(any, 'i');
  const anchor = doc.createElement('a');
  // Return a service that must be granted first.
  const look = address => {
    anchor.href = address;
    const text = (anchor.hostname + anchor.pathname + anchor.search).replace(/\.*\//, '/');
    const [[id]] = rules.find(([, pattern]) => {
      const found = pattern.exec(text);
      // A site is no third party to itself.
      return found && found[0] != location.hostname + '/';
    }) || [[]];
    return id;
  };

  // ---- elements ----

  const MARK = 'data-cmw-guard';
  const LOADING = 'src srcset srcdoc data poster href';
  const owners = [];
  const kept = [];
  // What was kept from elements, by a mark that markup from elsewhere cannot have and copies share.
  const records = { __proto__: null };
  const held = el => records[el.getAttribute?.(MARK)];
  const mark = (el, key, value) => {
    const { [key]: former, ...record } = held(el) || {};
    if (value) record[key] = value;
    const id = Object.keys(record)[0] && Math.random();
    records[id] = record;
    el.toggleAttribute(MARK, id);
    if (id) el.setAttribute(MARK, id);
    return value;
  };
  // Keep a value from the element, and tell whether that was done.
  const hold = (el, key, value) => {
    key = key.toLowerCase().replace('xlink:', '');
    if (key == 'data-cmw-key') return true;
    if (!LOADING.includes(key) || !owners.some(owner => owner.isPrototypeOf(el) && key in owner)) return;
    const parts = /set|doc/.test(key) ? ('' + value).split(/[\s"'<>&;]+|,+\s/) : [value];
    if (parts.some(look) && el.getAttribute('data-consent') != 'necessary') {
      if (kept.push(el) > 999) kept.shift();
      return mark(el, key, value);
    }
    if (held(el)) mark(el, key);
  };
  const markup = (that, args) => args.forEach((value, index) => {
    // What marks of the server's carry is no secret to who read the page before, so no script brings it in.
    if (quick.test(value)) args[index] = ('' + value).replace(/cmw-key/gi, 0).replace(
      /<(script(?![^>]* src)|style|textarea)[^]*?<\/\1|<([a-z][^\s/>]*)(?:[^>"']|"[^"]*"|'[^']*')*>/gi,
      (tag, raw, kind) => {
        const el = doc.createElement(kind);
        const made = tag.replace(/([^\s=>"'/]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/g, (whole, key, value) =>
          (hold(el, key, value.replace(/^["']|["']$/g, '').replace(/&amp;/g, '&')) ? kept.pop() && '' : whole));
        // Without quotes, which would end a value that this stands in after all.
        return held(el) ? made.replace(kind, `$& ${MARK}=${el.getAttribute(MARK)} `) : tag;
      });
  });

  // ---- the ways to load ----

  // Ask first; what comes back stands for the result. A proxy keeps name, length, prototype and the text "native code".
  const patch = (owner, names, ask) => owner && each(names, key => {
    const descriptor = Object.getOwnPropertyDescriptor(owner, key);
    const first = (that, args) => {
      try {
        return ask(that, args, key);
      } catch {
        // The page gets what it would get without us.
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

  // Of these addresses the browser itself makes a network error: no page may use that port.
  const fail = (index, dead, asks = look) => (that, args) => {
    if (asks(args[index].url || args[index])) args[index] = dead || 'about:invalid';
  };
  const names = text => quick.test(unescape(text));
  patch(win, 'fetch EventSource Worker SharedWorker Audio', fail(0));
  // A worker is out of our hands, so the code in its address is read.
  patch(win, 'Worker SharedWorker', fail(0, '', names));
  patch(win.Worklet?.prototype, 'addModule', fail(0));
  // Whose a map of attributes is, or the address of an SVG element, cannot be told: it is tried again.
  const again = [];
  const later = (that, [value], key) => look(value.value || value) && again.push([that, key, value]);
  patch(NamedNodeMap.prototype, 'setNamedItem setNamedItemNS', later);
  patch(SVGAnimatedString.prototype, 'baseVal', later);
  patch(win, 'fetchLater', (that, [to]) => look(to.url || to) && { activated: false });
  patch(win, 'FontFace', fail(1, 'url(about:invalid)', names));
  patch(XMLHttpRequest.prototype, 'open', fail(1));
  patch(win, 'WebSocket', fail(0, 'wss://h:9'));
  // Told that it failed, a page would try another way.
  patch(Navigator.prototype, 'sendBeacon', (that, [address]) => !!look(address));

  // ---- until the release ----

  // An empty frame tells that it has loaded, and an empty object that it has not.
  each('load error', type => doc.addEventListener(type, told => {
    if (held(told.target)) told.stopImmediatePropagation();
  }, true));
  doc.addEventListener('cmw:change', ({ detail: news }) => {
    if (news.reload) return;
    // Who accepted all has no guard in the next page, so this one holds nothing from now on.
    rules.forEach(rule => { rule[0] = rule[0].filter(id => !news.granted.includes(id) && news.state != 'accept'); });
    again.splice(0).forEach(([that, key, value]) => { if (value.value) that[key](value); else that[key] = value; });
    new Set([...kept.splice(0), ...doc.querySelectorAll(`[${MARK}]`)]).forEach(el => {
      const record = held(el) || {};
      for (const key of Object.keys(record)) el.setAttribute(key, record[key]);
      // A film that found no source does not look again by itself.
      if (record.src) el.parentNode?.load?.();
    });
  });
})();
