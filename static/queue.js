// consent_mw queues: what the snippet of a held service would leave for the site's own code to call.
// It stands before each held script whose service has such globals (the field `queue` of the catalogue) and takes the
// place of what that script would have made there: lists that can be pushed to, functions that can be called. Calls
// are noted and nothing is sent. release.js hands them to the vendor's code when the service is granted, and forgets
// them when it is refused.
// The attribute names the services, then the globals: "meta-pixel fbq", "matomo _paq[]", "x a=track,people.set". One
// that begins with "?" is called once at most: a function of the site's own, which a held script would have defined.
(() => {
  const w = window;
  const own = Reflect.get(Document.prototype, 'currentScript', document);
  const name = Symbol.for('cmw.queue');
  // What is noted in the order of the calls, and between the calls where each held script stands. All of it may take
  // 100 kB, of which a call takes 99 bytes at least.
  const q = w[name] = w[name] || { calls: [own], stubs: {}, room: 1e5 };
  if (q.calls[0] != own) q.calls.push(own);
  const note = (stub, args) => {
    let size = 999;
    try {
      // Code that waits for the tracker before it goes on must not wait for ever.
      for (const arg of args) {
        for (const key of ['eventCallback', 'event_callback', 'hitCallback']) {
          if (arg && (arg[key] || 0).call) {
            setTimeout(arg[key]);
            delete arg[key];
          }
        }
      }
      size = 99 + JSON.stringify([...args]).length;
    } catch (error) {
      // It has no text, or cannot be changed.
    }
    if (q.room < size || (stub.once && stub.noted)) return;
    q.room -= size;
    stub.noted = true;
    return q.calls.push([stub, args, size]);
  };
  const [ids, ...words] = own.dataset.cmwQueue.split(' ');
  words.forEach(word => {
    const [root, names] = word.split('=');
    (names || '').split(',').forEach(rest => {
      const path = (rest ? root + '.' + rest : root).replace('?', '');
      const keys = path.replace('[]', '').split('.');
      const key = keys.pop();
      const known = q.stubs[path];
      if (known) return known.ids.push(ids);
      let at = w;
      keys.forEach(part => { at = at[part] = at[part] || {}; });
      const found = at[key];
      const list = path != path.replace('[]', '');
      if (list ? found && !Array.isArray(found) : found) return;
      const stub = q.stubs[path] = { ids: [ids], keys, key, list, once: word[0] == '?' };
      if (list) {
        const array = stub.mine = at[key] = found || [];
        const push = array.push;
        stub.from = array.length;
        stub.push = function () {
          // At the release what the site pushes waits until the vendor's snippet begins.
          return stub.open || (note(stub, arguments) && !stub.cut) ? push.apply(array, arguments) : array.length;
        };
        Object.defineProperty(array, 'push', { value: stub.push, configurable: true, writable: true });
      } else {
        stub.mine = at[key] = function () {
          if (stub.live) return stub.live(arguments);
          note(stub, arguments);
        };
        stub.mine.cmw = stub;
      }
    });
  });
})();
