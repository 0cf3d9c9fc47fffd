// A part of release.js: repeats the operations that library.js recorded, on the real library.
const libraries = (() => {
  const all = () => win[Symbol.for('cmw.library')] || { roots: [], real: new WeakMap() };
  const granted = root => root.ids.some(allowsAll);
  const parentOf = root => root.keys.reduce((at, key) => (at || 0)[key], win);
  const current = root => (parentOf(root) || 0)[root.key];
  // Replace stand-ins with the real objects, in plain objects and lists, too.
  const swap = (value, depth = 4) => {
    const { real } = all();
    if (real.has(Object(value))) return real.get(value);
    const plain = value && typeof value === 'object' && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);
    if (plain && depth) {
      Object.keys(value).forEach(key => {
        const next = swap(value[key], depth - 1);
        if (next !== value[key]) value[key] = next;
      });
    }
    return value;
  };
  const perform = ([made, what, it, ...rest]) => {
    const { real } = all();
    const now = real.get(it);
    let result;
    attempt(() => {
      if (what === 'get') {
        result = now == null ? undefined : now[rest[0]];
        // The page awaits something that is not a promise: it is available already.
        if (rest[0] === 'then' && result === undefined) result = go => go(now);
      } else if (what === 'set') {
        if (now != null) now[rest[0]] = swap(rest[1]);
      } else if (typeof now === 'function') {
        result = what === 'apply' ? now.apply(swap(rest[0]), swap(rest[1])) : Reflect.construct(now, swap(rest[0]));
      }
    });
    real.set(made, result);
  };
  const replay = root => {
    const now = current(root);
    if (root.done || !now || now === root.mine) return;
    // A library that loads in parts is ready when it has the first member that the page used.
    const [first] = root.steps;
    if (first && first[1] === 'get' && now[first[3]] === undefined && Date.now() < root.until) return;
    root.done = true;
    all().real.set(root.mine, now);
    root.steps.splice(0).forEach(perform);
  };
  return {
    drop: () => all().roots.filter(root => !granted(root)).forEach(root => {
      root.steps = [];
      root.refused = true;
    }),
    // Remove the stand-ins before a script runs, and poll until the library exists.
    open: el => {
      const ids = (el.getAttribute('data-cmw-held') || '').split(',');
      const due = all().roots.filter(root => !root.done && granted(root) && root.ids.some(some => some.split(',').some(id => ids.includes(id))));
      due.forEach(root => {
        const parent = parentOf(root);
        if (!parent || parent[root.key] !== root.mine) return;
        delete parent[root.key];
        if (root.keys[0] && !Object.keys(parent).length) delete win[root.keys[0]];
        root.until = Date.now() + LIMIT;
        const timer = setInterval(() => {
          replay(root);
          if (root.done || Date.now() > root.until + 100) clearInterval(timer);
        }, 20);
      });
    },
  };
})();
