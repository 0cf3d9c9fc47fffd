// consent_mw queue: defines the globals of a held service (fbq, dataLayer), so that the site's own code can call them.
//
// A vendor's snippet defines a list or a function for the site to call, and loads the vendor's code. This script is
// inserted before a held snippet whose service has such globals (the field `queue` of the catalogue), and defines them
// in its place. Calls are recorded, and nothing is sent. When the service is granted, replay.js passes the calls on to
// the vendor's code. When it is refused, they are dropped.
//
// The attribute data-cmw-queue contains the ids of the services, then the globals, separated by spaces:
//   fbq                  a function
//   _paq[]               a list
//   x{}                  an object for settings
//   x=track,people.set   methods of x
//   x=user().rename      a method of the result of x.user()
//   +name                a function of the site's own, which the held script would have defined
//   ?name                the same, but only its first call is recorded
(() => {
  const w = window;
  const own = Reflect.get(Document.prototype, 'currentScript', document);
  const name = Symbol.for('cmw.queue');
  // The recorded calls in order, and among them this script element for the position of each held script. A call is
  // [stub, arguments, size, then, ...], where each `then` is a call on its result, as a pair of path and arguments. The
  // limit for all calls is 100 kB, where each call counts as at least 99 bytes. `made` are the objects that were made to
  // contain stubs.
  const q = w[name] = w[name] || { calls: [own], stubs: {}, room: 1e5, made: new Set() };
  if (q.calls[0] != own) q.calls.push(own);
  // Calls that send something. Code that waits until it is sent must not wait for ever.
  const SENDS = /^(.*_)?(track(Event|Views|Conversion)?|identify|page(view)?|reachGoal|hit(Callback)?|event|record|pirsch|tl)$/;
  let sends;
  // Call a completion callback soon, and only once. (A function that comes first changes what is sent.)
  const finish = (at, name, ...result) => {
    if (at && (at[name] || 0).call) {
      setTimeout(at[name], 0, ...result);
      delete at[name];
    }
  };
  // Reserve room for a call. Return its size in bytes, or undefined if there is not enough room.
  const take = (key, args) => {
    let size = 999;
    sends = 0;
    try {
      // What is pushed may be a whole call: `_kmq.push(['record', name, {}, done])`, `dataLayer.push(arguments)`.
      const call = /Arr|Arg/.test({}.toString.call(args[0])) ? args[0] : args;
      sends = [key, call[0], call[1]].some(word => SENDS.test(word));
      for (const at in call) {
        if (sends && at > 0 && !/^on/.test(key)) finish(call, at);
        for (const name of ['eventCallback', 'event_callback', 'hitCallback', 'callback']) finish(call[at], name);
      }
      size = 99 + JSON.stringify([...args]).length;
    } catch (error) {
      // The arguments cannot be serialized or changed.
    }
    if (q.room >= size) {
      q.room -= size;
      return size;
    }
  };
  const note = (stub, args) => {
    const size = !(stub.once && stub.noted) && take(stub.key, args);
    if (size) {
      q.calls.push(stub.noted = [stub, args, size]);
      stub.noted.sends = sends;
    }
    return (size || stub.once) && stub.noted;
  };
  // Return the stand-in for the result of a call, with the methods that the attribute lists.
  const given = (stub, entry = []) => {
    const made = entry.made = {};
    stub.then.forEach(path => {
      const keys = path.split('.');
      const key = keys.pop();
      keys.reduce((at, part) => at[part] = at[part] || {}, made)[key] = function () {
        if (entry.live) return entry.live(path, arguments);
        if (key == 'then' && entry.sends) finish(arguments, 0, {});
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
      keys.forEach(part => {
        if (!at[part]) q.made.add(at[part] = {});
        at = at[part];
      });
      const found = at[key];
      const list = path != path.replace('[]', '');
      if (list ? found && !Array.isArray(found) : found) return;
      const stub = q.stubs[path] = { ids: [ids], keys, key, list, then: then ? [then] : [] };
      stub.once = word[0] == '?';
      stub.site = /^[?+]/.test(word);
      if (list) {
        const array = stub.mine = at[key] = found || [];
        // An anti-flicker snippet hides the page until the vendor's code has changed it.
        const { end } = array.hide || 0;
        if ((end || 0).call) end();
        const push = array.push;
        stub.from = array.length;
        stub.push = function () {
          // During a release, items are only recorded until the vendor's snippet starts.
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
  // A page may put settings of its own in the place of an object (`goatcounter = {...}`). Add the functions to those.
  document.addEventListener('DOMContentLoaded', () => Object.values(q.stubs).forEach(({ keys, key, mine, open }) => {
    const at = keys[0] && keys.reduce((at, part) => (at || 0)[part], w);
    if (at && !open && !at[key]) at[key] = mine;
  }));
})();
