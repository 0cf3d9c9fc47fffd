// A part of release.js: hands what queue.js noted over to the vendor's code.
//
// Before a held script runs, the stubs of its services are taken away, since snippets like `if (f.fbq) return` do
// nothing where theirs seems to be there. What was noted above the script goes to the vendor before it runs, what was
// noted below it afterwards, each by the vendor's own interface: so the order is that of a page without us. While a
// script of another address is on its way, its stubs are there for everybody but that script.
const queues = (() => {
  const queue = () => win[Symbol.for('cmw.queue')] || { calls: [], stubs: {} };
  const stubs = () => Object.values(queue().stubs);
  const granted = stub => stub.ids.some(allowsAll);
  const parentOf = stub => stub.keys.reduce((at, key) => (at || 0)[key], win);
  const current = stub => (parentOf(stub) || 0)[stub.key];
  // What the vendor's code, or the site's, has put there.
  const real = stub => {
    const now = current(stub);
    return stub.list ? (now || 0).push : typeof now === 'function' && now !== stub.mine;
  };
  // What calls gave back before and after the release.
  const results = new WeakMap();
  const call = (stub, args, make) => {
    const parent = parentOf(stub);
    const now = parent[stub.key];
    const given = [...args].map(arg => (results.has(Object(arg)) ? results.get(arg) : arg));
    if (stub.list) return now.push(...given);
    return make ? new now(...given) : now.apply(parent, given);
  };
  // Call one that was noted, then what was called on what it gave back.
  const again = entry => {
    const [stub, args, , ...then] = entry;
    // A snippet in a function of the site's own does nothing where its vendor's globals seem to be there.
    if (stub.site) stubs().filter(one => !one.site && one.ids.some(id => stub.ids.includes(id))).forEach(take);
    const result = call(stub, args, entry.maker);
    entry.live = (path, more) => {
      const keys = path.split('.');
      const key = keys.pop();
      const parent = keys.reduce((at, part) => (at || 0)[part], result);
      return parent && typeof parent[key] === 'function' ? parent[key](...more) : undefined;
    };
    if (entry.made && result) results.set(entry.made, result);
    then.forEach(([path, more]) => attempt(() => entry.live(path, more)));
  };
  const live = stub => {
    if (stub.live) return;
    stub.open = true;
    stub.live = args => (real(stub) ? call(stub, args) : undefined);
    const array = stub.list && stub.mine;
    if (array && array.push === stub.push) delete array.push;
  };

  const set = (at, key, value) => Object.defineProperty(at, key, {
    value, configurable: true, enumerable: true, writable: true,
  });
  const isObject = stub => !stub.list && typeof stub.mine === 'object';
  // What the site added to settings belongs to those that the script makes. A constant or a class of it is no property
  // of the window, where calls are looked for.
  const adopt = due => {
    const { calls } = queue();
    due.forEach(stub => {
      const root = stub.keys[0] || stub.key;
      const now = current(stub);
      if (isObject(stub) && now && now !== stub.mine) Object.assign(now, stub.mine);
      if (stub.list || win[root] || !calls.some(one => one[0] === stub)) return;
      const script = doc.createElement('script');
      script.nonce = own.nonce;
      script.textContent = trust('Script', `try{self.${root}=${root}}catch(e){}`);
      doc.head.append(script);
      script.remove();
    });
  };
  // Where a stub begins: a function of the window, or an object there that has nothing in it but stubs.
  const take = stub => {
    if (stub.list) return;
    const parent = parentOf(stub);
    if (parent && parent[stub.key] === stub.mine) {
      stub.root = win[stub.keys[0]];
      const { set } = Object.getOwnPropertyDescriptor(parent, stub.key);
      delete parent[stub.key];
      // What tells vendors of the choice (signals.js) waits for what the vendor puts there.
      if (set) Object.defineProperty(parent, stub.key, { configurable: true, get() {}, set });
    }
    for (let depth = stub.keys.length; depth > 0; depth--) {
      const at = stub.keys.slice(0, depth - 1).reduce((object, key) => object[key], win);
      const value = at && at[stub.keys[depth - 1]];
      if (value && (typeof value !== 'object' || Object.keys(value).length)) return;
      if (value) delete at[stub.keys[depth - 1]];
    }
  };
  // An object that the vendor's code has put there has all that it will have.
  const made = new WeakSet();
  const put = stub => {
    const root = win[stub.keys[0]];
    if (stub.list || current(stub) || (root && root !== stub.root && !made.has(root))) return;
    const at = stub.keys.reduce((object, key) => {
      if (!object[key]) made.add(object[key] = {});
      return object[key];
    }, win);
    at[stub.key] = stub.mine;
  };
  // Hide the stubs from one script until it has run; not those that the site's own code has added something to, which
  // that script will look for.
  const veil = (script, due) => {
    const roots = new Set(due.filter(stub => !stub.list).map(stub => stub.keys[0] || stub.key));
    due.forEach(put);
    roots.forEach(root => {
      const value = win[root];
      const hidden = due.some(stub => stub.mine === value || (stub.keys[0] === root && current(stub) === stub.mine));
      if (!hidden || (typeof value === 'function' && Object.values(value).some(one => !(one || 0).cmw))) return;
      Object.defineProperty(win, root, {
        configurable: true,
        enumerable: true,
        get: () => (doc.currentScript === script ? undefined : value),
        set: next => set(win, root, next),
      });
    });
    return () => roots.forEach(root => {
      const { get } = Object.getOwnPropertyDescriptor(win, root) || {};
      if (get) set(win, root, get());
    });
  };

  // Hand over what was noted, up to the place of a script, as far as somebody is there to take it.
  let passing = false;
  const replay = (due, place) => {
    const { calls } = queue();
    const end = place ? calls.indexOf(place) : calls.length;
    const waiting = new Set(due);
    calls.splice(0, end < 0 ? 0 : end, ...calls.slice(0, Math.max(0, end)).filter(one => {
      const [stub, , size] = one.nodeType ? [] : one;
      if (!waiting.has(stub)) return true;
      if (!real(stub)) {
        waiting.delete(stub);
        return true;
      }
      queue().room += size;
      attempt(() => again(one));
      return false;
    }));
    if (!place) due.filter(real).forEach(live);
  };

  return {
    // The lists are without what was noted: what tells vendors of the choice goes in before all else.
    begin: () => stubs().filter(stub => stub.list && granted(stub) && !stub.cut).forEach(stub => {
      stub.cut = true;
      const noted = new Set(queue().calls.flatMap(one => (one[0] === stub ? [...one[1]] : [])));
      if (!stub.open) stub.mine.splice(stub.from, Infinity, ...stub.mine.slice(stub.from).filter(item => !noted.has(item)));
    }),
    // Forget what was noted for services that were refused.
    drop: () => {
      const all = queue();
      all.calls = all.calls.filter(one => {
        if (one.nodeType || granted(one[0])) return true;
        all.room += one[2];
        return false;
      });
      stubs().filter(stub => stub.list && !granted(stub) && !stub.cut).forEach(stub => stub.mine.splice(stub.from));
    },
    // Make room for a script that is about to run; the answer, called with what runs, is told when it has run.
    open: el => {
      const ids = (el.getAttribute('data-cmw-held') || '').split(',');
      const due = stubs().filter(stub => !stub.live && stub.ids.some(some => some.split(',').some(id => ids.includes(id))));
      due.forEach(stub => { stub.open = true; });
      const place = el.previousSibling;
      if (queue().calls.includes(place)) replay(due, place);
      due.forEach(take);
      return (script, inline) => {
        if (inline) {
          adopt(due);
          // Until such a function is called, that is what the page would be without us.
          return due.some(stub => stub.site) || due.forEach(put);
        }
        const reveal = script.type === 'module' ? () => {} : veil(script, due);
        settled(script).then(() => {
          reveal();
          due.forEach(put);
          if (!passing) replay(due);
        });
      };
    },
    pass: on => {
      passing = on;
      if (!on) replay(stubs().filter(granted));
    },
  };
})();
