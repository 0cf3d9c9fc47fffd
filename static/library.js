// consent_mw library: a stand-in for the library of a held service (google.maps, YT), so that the site's own code can
// use it. It is inserted before the held script.
//
// Each stand-in is a proxy. It records every operation in order (reading and setting members, calls, construction), and
// each result is another stand-in. When the service is granted, libraries.js repeats the operations on the real
// library. From then on each stand-in forwards to the real object.
//
// The attribute data-cmw-library contains the ids of the services, then the paths of the library: "google-maps
// google.maps".
(() => {
  const w = window;
  const own = Reflect.get(Document.prototype, 'currentScript', document);
  const name = Symbol.for('cmw.library');
  // real: the real object of each stand-in, once known. roots: the libraries, each with its recorded operations.
  const all = w[name] = w[name] || { real: new WeakMap(), roots: [] };
  const { real } = all;
  // The most operations that are recorded; then results are undefined, so that a loop over members ends.
  const MOST = 2000;

  const stand = root => {
    const members = new Map();
    const note = (...step) => {
      if (root.steps.length >= MOST || root.refused) return;
      const made = stand(root);
      root.steps.push([made, ...step]);
      return made;
    };
    // A function, so that the proxy can be called and constructed, and has a prototype.
    const target = function () {};
    const it = new Proxy(target, {
      get(_, key) {
        if (real.has(it)) {
          const now = real.get(it);
          const value = now == null ? now : now[key];
          return typeof value == 'function' && key !== 'prototype' ? value.bind(now) : value;
        }
        if (key == Symbol.toPrimitive) return hint => (hint == 'string' ? '' : NaN);
        if (key == Symbol.iterator) return () => [][Symbol.iterator]();
        if (typeof key == 'symbol' || key == 'prototype') return target[key];
        if (!members.has(key)) members.set(key, note('get', it, key));
        return members.get(key);
      },
      set(_, key, value) {
        if (real.has(it)) real.get(it)[key] = value;
        else {
          members.set(key, value);
          note('set', it, key, value);
        }
        return true;
      },
      has: (_, key) => (real.has(it) ? key in Object(real.get(it)) : typeof key == 'string'),
      apply(_, that, args) {
        const now = real.get(it);
        if (real.has(it)) return now && now.call ? now.apply(real.has(that) ? real.get(that) : that, args) : undefined;
        return note('apply', it, that, args);
      },
      construct(_, args) {
        return real.has(it) ? Reflect.construct(real.get(it), args) : note('construct', it, args) || {};
      },
    });
    return it;
  };

  const [ids, ...paths] = own.dataset.cmwLibrary.split(' ');
  paths.forEach(path => {
    const keys = path.split('.');
    const key = keys.pop();
    const known = all.roots.find(root => root.path == path);
    if (known) return known.ids.push(ids);
    let at = w;
    for (const part of keys) {
      if (typeof (at[part] = at[part] || {}) != 'object') return;
      at = at[part];
    }
    if (at[key]) return;
    const root = { path, ids: [ids], keys, key, steps: [] };
    root.mine = at[key] = stand(root);
    all.roots.push(root);
  });
})();
