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
  const call = (stub, args) => {
    const parent = parentOf(stub);
    const now = parent[stub.key];
    return stub.list ? now.push(...args) : now.apply(parent, args);
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
  // Where a stub begins: a function of the window, or an object there that has nothing in it but stubs.
  const take = stub => {
    if (stub.list) return;
    const parent = parentOf(stub);
    if (parent && parent[stub.key] === stub.mine) delete parent[stub.key];
    for (let depth = stub.keys.length; depth > 0; depth--) {
      const at = stub.keys.slice(0, depth - 1).reduce((object, key) => object[key], win);
      const value = at && at[stub.keys[depth - 1]];
      if (value && (typeof value !== 'object' || Object.keys(value).length)) return;
      if (value) delete at[stub.keys[depth - 1]];
    }
  };
  const put = stub => {
    if (stub.list || current(stub)) return;
    const at = stub.keys.reduce((object, key) => (object[key] = object[key] || {}), win);
    at[stub.key] = stub.mine;
  };
  // Hide the stubs from one script until it has run.
  const veil = (script, due) => {
    const roots = new Set(due.filter(stub => !stub.list).map(stub => stub.keys[0] || stub.key));
    due.forEach(put);
    roots.forEach(root => {
      const value = win[root];
      if (!due.some(stub => stub.mine === value || (stub.keys[0] === root && current(stub) === stub.mine))) return;
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
      const [stub, args, size] = one.nodeType ? [] : one;
      if (!waiting.has(stub)) return true;
      if (!real(stub)) {
        waiting.delete(stub);
        return true;
      }
      queue().room += size;
      attempt(() => call(stub, args));
      return false;
    }));
    if (!place) due.filter(real).forEach(live);
  };

  return {
    // The lists are as they were before: what tells vendors of the choice goes in before all else.
    begin: () => stubs().filter(stub => stub.list && granted(stub) && !stub.cut).forEach(stub => {
      stub.cut = true;
      if (!stub.open) stub.mine.splice(stub.from);
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
        if (inline) return due.forEach(put);
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
