// A part of release.js: passes the calls that queue.js recorded on to the vendor's code.
//
// Before a held script runs, the stubs of its services are removed, since snippets such as `if (f.fbq) return` do
// nothing if their global exists. Calls that were recorded above the script are replayed before it runs, those below it
// afterwards, each through the vendor's own interface. So their order is that of a page without us. While an external
// script is loading, its stubs remain visible to every script except that one.
const queues = (() => {
  const queue = () => win[Symbol.for('cmw.queue')] || { calls: [], stubs: {}, made: new Set() };
  const stubs = () => Object.values(queue().stubs);
  const granted = stub => stub.ids.some(allowsAll);
  const parentOf = stub => stub.keys.reduce((at, key) => (at || 0)[key], win);
  const current = stub => (parentOf(stub) || 0)[stub.key];
  // Return whether the vendor's code, or the site's, has replaced the stub; for a list, whether it can be pushed to.
  const real = stub => {
    const now = current(stub);
    return stub.list ? (now || 0).push : typeof now === 'function' && now !== stub.mine;
  };
  // The real results of calls, by the stand-ins that they returned before the release.
  const results = new WeakMap();
  const call = (stub, args, make) => {
    const parent = parentOf(stub);
    const now = parent[stub.key];
    const given = [...args].map(arg => (results.has(Object(arg)) ? results.get(arg) : arg));
    if (stub.list) return now.push(...given);
    return make ? new now(...given) : now.apply(parent, given);
  };
  // Replay one recorded call, then the calls on its result.
  const again = entry => {
    const [stub, args, , ...then] = entry;
    // A function of the site's own may contain a snippet, which does nothing if the vendor's globals exist.
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
  // After an inline script has run, copy what the site added to a settings object into the object that the script
  // created. A global that the script declared with const, let or class is not a property of the window, where replay
  // looks for it, so create that property.
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
  // Remove a property, but keep the setter of signals.js, which waits for the vendor's value.
  const clear = (at, key) => {
    const { set, configurable } = Object.getOwnPropertyDescriptor(at, key);
    // The site's own code has declared it with var.
    if (!configurable) {
      at[key] = undefined;
      return;
    }
    delete at[key];
    if (set) Object.defineProperty(at, key, { configurable: true, get() {}, set });
  };
  // Remove a stub, and the objects on its path that were made for it and are empty then.
  const take = stub => {
    if (stub.list) return;
    const parent = parentOf(stub);
    if (parent && parent[stub.key] === stub.mine) {
      stub.root = win[stub.keys[0]];
      clear(parent, stub.key);
    }
    for (let depth = stub.keys.length; depth > 0; depth--) {
      const at = stub.keys.slice(0, depth - 1).reduce((object, key) => object[key], win);
      const value = at && at[stub.keys[depth - 1]];
      if (value && (!queue().made.has(value) || Object.keys(value).length)) return;
      if (value) clear(at, stub.keys[depth - 1]);
    }
  };
  // Put a stub back. Do not add it to an object that the vendor's code has created, which is complete.
  const put = stub => {
    const root = win[stub.keys[0]];
    if (stub.list || current(stub) || (root && root !== stub.root && !queue().made.has(root))) return;
    const at = stub.keys.reduce((object, key) => {
      if (!object[key]) queue().made.add(object[key] = {});
      return object[key];
    }, win);
    at[stub.key] = stub.mine;
  };
  // Return whether the site's own code has added something to an object or a function of ours.
  const hasMore = (value, depth = 4) => Object.values(value).some(one => !(one || 0).cmw &&
    (!one || typeof one !== 'object' || (depth && hasMore(one, depth - 1))));
  // Hide the stubs from one script until it has run; return a function that undoes it. What the site's own code has
  // added something to stays visible, since the script will look for it. An object of its own settings stays without
  // our stubs.
  const veil = (script, due) => {
    const roots = new Set(due.filter(stub => !stub.list).map(stub => stub.keys[0] || stub.key));
    const settings = [...roots].filter(root => win[root] && typeof win[root] === 'object' && hasMore(win[root]));
    due.filter(stub => !settings.includes(stub.keys[0])).forEach(put);
    const veils = new Map();
    roots.forEach(root => {
      const value = win[root];
      const prior = Object.getOwnPropertyDescriptor(win, root) || {};
      const hidden = due.some(stub => stub.mine === value || (stub.keys[0] === root && current(stub) === stub.mine));
      if (!hidden || hasMore(value)) return;
      const lift = next => {
        // The setter of signals.js.
        if (!prior.set) return set(win, root, next);
        Object.defineProperty(win, root, prior);
        if (next !== value) win[root] = next;
      };
      const get = () => (doc.currentScript === script ? undefined : value);
      Object.defineProperty(win, root, { configurable: true, enumerable: true, get, set: lift });
      veils.set(root, [get, () => lift(value)]);
    });
    return () => veils.forEach(([get, lift], root) => {
      if ((Object.getOwnPropertyDescriptor(win, root) || {}).get === get) lift();
    });
  };

  // Replay the calls of these stubs, up to the position of a script. A stub that has not been replaced keeps its calls
  // from there on.
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
    // Take the recorded items out of the lists, so that consent signals become the first items.
    begin: () => stubs().filter(stub => stub.list && granted(stub) && !stub.cut).forEach(stub => {
      stub.cut = true;
      const noted = new Set(queue().calls.flatMap(one => (one[0] === stub ? [...one[1]] : [])));
      if (!stub.open) stub.mine.splice(stub.from, Infinity, ...stub.mine.slice(stub.from).filter(item => !noted.has(item)));
    }),
    // Drop the recorded calls of services that were refused.
    drop: () => {
      const all = queue();
      all.calls = all.calls.filter(one => {
        if (one.nodeType || granted(one[0])) return true;
        all.room += one[2];
        return false;
      });
      stubs().filter(stub => stub.list && !granted(stub) && !stub.cut).forEach(stub => stub.mine.splice(stub.from));
    },
    // Prepare for a script that is about to run. Call the returned function with the running copy.
    open: el => {
      const ids = (el.getAttribute('data-cmw-held') || '').split(',');
      const due = stubs().filter(stub => !stub.live && stub.ids.some(some => some.split(',').some(id => ids.includes(id))));
      due.forEach(stub => { stub.open = true; });
      const place = el.previousSibling;
      if (queue().calls.includes(place)) replay(due, place);
      // What is inside an object of ours first, so that adopt() does not copy it.
      [...due].reverse().forEach(take);
      return (script, inline) => {
        if (inline) {
          adopt(due);
          // A function of the site's own may define the globals later. Until it is called they do not exist, as in a
          // page without us.
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
