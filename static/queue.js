// consent_mw queues: what the snippet of a held service would leave for the site's own code to call.
// It stands before each held script whose service has such globals (the field `queue` of the catalogue) and takes the
// place of what that script would have made there: lists that can be pushed to, functions that can be called. Calls
// are noted and nothing is sent. release.js hands them to the vendor's code when the service is granted, and forgets
// them when it is refused.
// The attribute names the services, then the globals: "meta-pixel fbq", "matomo _paq[]", "x a=track,people.set". What
// a call gives back has methods too: "x a=user().rename". One that begins with "+" is a function of the site's own,
// which a held script would have defined; with "?", one that is called once at most. "x{}" is an object for settings.
(() => {
  const w = window;
  const own = Reflect.get(Document.prototype, 'currentScript', document);
  const name = Symbol.for('cmw.queue');
  // What is noted in the order of the calls, and between the calls where each held script stands. All of it may take
  // 100 kB, of which a call takes 99 bytes at least. A call is [stub, arguments, size, then, ...]: what was called on
  // what it gave back, as pairs of a path and arguments.
  const q = w[name] = w[name] || { calls: [own], stubs: {}, room: 1e5 };
  if (q.calls[0] != own) q.calls.push(own);
  // Return the bytes that a call takes, or nothing where there is no room.
  const take = (key, args) => {
    let size = 999;
    try {
      // Code that waits for the tracker before it goes on must not wait for ever.
      const finish = (at, name) => {
        if (at && (at[name] || 0).call) {
          setTimeout(at[name]);
          delete at[name];
        }
      };
      const sends = [key, args[0], args[1]].some(word => /^(track|identify|page|reachGoal|hit|event)$/.test(word));
      for (const at in args) {
        if (sends && !/^on/.test(key)) finish(args, at);
        for (const name of ['eventCallback', 'event_callback', 'hitCallback', 'callback']) finish(args[at], name);
      }
      size = 99 + JSON.stringify([...args]).length;
    } catch (error) {
      // It has no text, or cannot be changed.
    }
    if (q.room >= size) {
      q.room -= size;
      return size;
    }
  };
  const note = (stub, args) => {
    const size = !(stub.once && stub.noted) && take(stub.key, args);
    if (size) q.calls.push(stub.noted = [stub, args, size]);
    return (size || stub.once) && stub.noted;
  };
  // What a call gives back, with the methods that are known of it.
  const given = (stub, entry = []) => {
    const made = entry.made = {};
    stub.then.forEach(path => {
      const keys = path.split('.');
      const key = keys.pop();
      keys.reduce((at, part) => at[part] = at[part] || {}, made)[key] = function () {
        if (entry.live) return entry.live(path, arguments);
        const size = entry[2] && take(key, arguments);
        if (size) {
          entry[2] += size;
          entry.push([path, arguments]);
        }
        return made;
      };
    });
    return made;
  };
  const [ids, ...words] = own.dataset.cmwQueue.split(' ');
  words.forEach(word => {
    const [root, names] = word.split('=');
    (names || '').split(',').forEach(rest => {
      const [path, then] = (rest ? root + '.' + rest : root).replace(/^[?+]/, '').split('().');
      const keys = path.replace(/\[]|{}/, '').split('.');
      const key = keys.pop();
      const known = q.stubs[path];
      if (known) {
        if (then) known.then.push(then);
        return known.ids.push(ids);
      }
      let at = w;
      keys.forEach(part => { at = at[part] = at[part] || {}; });
      const found = at[key];
      const list = path != path.replace('[]', '');
      if (list ? found && !Array.isArray(found) : found) return;
      const stub = q.stubs[path] = { ids: [ids], keys, key, list, then: then ? [then] : [] };
      stub.once = word[0] == '?';
      stub.site = /^[?+]/.test(word);
      if (list) {
        const array = stub.mine = at[key] = found || [];
        const push = array.push;
        stub.from = array.length;
        stub.push = function () {
          // At the release what the site pushes waits until the vendor's snippet begins.
          return stub.open || (note(stub, arguments) && !stub.cut) ? push.apply(array, arguments) : array.length;
        };
        Object.defineProperty(array, 'push', { value: stub.push, configurable: true, writable: true });
      } else if (path != path.replace('{}', '')) {
        stub.mine = at[key] = {};
      } else {
        stub.mine = at[key] = function () {
          if (stub.live) return stub.live(arguments);
          const entry = note(stub, arguments);
          if (entry && new.target) entry.maker = stub.mine;
          if (stub.then[0]) return given(stub, entry);
        };
        Object.defineProperty(stub.mine, 'cmw', { value: stub });
      }
    });
  });
})();
