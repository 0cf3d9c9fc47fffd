// consent_mw signals: tells vendors' tags through the vendors' own interfaces what the visitor chose, before they run
// and whenever the choice changes. It is the first script in head if such a tag may run, and release.js loads it if one
// is granted in the page.
//
// The plan (data-cmw-signals) contains lists of ids for each vendor: those of which one must be granted before any
// signal is sent, and those that count as statistics, as marketing and as preferences. For Google it also contains
// options.
//
// A site may have consent code of its own, which makes a vendor's tag wait for somebody to agree. That somebody has
// agreed already, so each such call is answered at once. For the vendors above, the answer is the signal again. For
// other services the plan has the calls and their answers (`waits`, from the catalogue). To hear the calls, the
// vendor's global is an accessor: its value may be a list, a function, or an object that the vendor's code puts in the
// place of the list.
(() => {
  const w = window;
  const d = document;
  const own = Reflect.get(Document.prototype, 'currentScript', d);
  const on = own.dataset.cmwOn;
  // Without a prototype: a missing member must not be read from a polluted Object.prototype.
  const { waits, ...plan } = { __proto__: null, ...JSON.parse(own.dataset.cmwSignals) };
  // The last signal to each vendor, and whether a call that is heard now is our own. Vendor's code may repeat a call
  // that it finds in its queue; `own` is an argument of ours.
  const said = { own: {} };
  let busy;
  // The calls to answer, by global: their first words, and the function that answers.
  const rules = {};

  const push = (verb, name, ...items) => {
    const list = w[name] = w[name] || [];
    // The first signal bypasses the push of queue.js, which would withhold it. In a list that the site has put in the
    // place of another, it comes first.
    (verb > 'u' ? list.push : rules[name] ? [].unshift : [].push).apply(list, items)
  };
  // The function that sends a signal to each vendor. Its arguments are the verb, and "granted" or "denied" for each of
  // the three purposes.
  const tellers = {
    google(verb, analytics, marketing, preferences) {
      function gtag() { push(verb, 'dataLayer', arguments) }
      gtag('consent', verb, {
        ad_storage: marketing,
        ad_user_data: marketing,
        ad_personalization: marketing,
        analytics_storage: analytics,
        functionality_storage: preferences,
        personalization_storage: preferences,
        security_storage: 'granted'
      });
      verb > 'u' || plan.google[4].map(option => gtag('set', option, true))
    },
    microsoft(verb, analytics, marketing) {
      push(verb, 'uetq', 'consent', verb, { ad_storage: marketing })
    },
    clarity(verb, analytics, marketing) {
      let call = w.clarity;
      if (!call || call.cmw) call = w.clarity = function () { (call.q = call.q || []).push(arguments) };
      call('consentv2', said.own = { ad_Storage: marketing, analytics_Storage: analytics })
    },
    // Meta's snippet does nothing if its function exists, so wait until it defines it.
    meta(verb, analytics, marketing) {
      // True for "granted", false for "denied".
      said.fbq = marketing > 'e' ? 'grant' : 'revoke';
      w.fbq && !w.fbq.cmw ? w.fbq('consent', said.fbq) : said.wait = 1
    }
  };
  const tell = (vendor, verb) => {
    busy = 1;
    tellers[vendor](verb, ...said[vendor].split(','));
    busy = 0
  };

  // What the page's own code calls, and what to do when the global gets a new value. A new list has lost the signal.
  const again = vendor => value => { value.map && tell(vendor, 'default') };
  const families = {
    google: ['dataLayer', again('google'), ['consent']],
    microsoft: ['uetq', again('microsoft'), ['consent']],
    clarity: ['clarity', 0, ['consent'], ['consentv2']],
    // Put the signal before the calls that the snippet queues.
    meta: ['fbq', (call, before) => {
      said.wait && Promise.resolve().then(() => {
        const { queue } = call;
        said.wait = 0;
        // A consent call that the site queued would override the visitor's choice, so change it. If queue.js had
        // defined the function, the pixel needs no signal for a grant.
        if (!queue) return call('consent', said.fbq);
        queue.map(args => args[0] == 'consent' && (args[1] = said.fbq));
        before && said.fbq < 'h' || queue.unshift(['consent', said.fbq])
      })
    }, ['consent']]
  };

  // Return the value of a global, such that its calls are heard; those in a list are, unless they may be our own.
  const dress = (name, value, ours) => {
    const { call, push, cmw } = value || {};
    // Answer a call of the site's own. `say` makes a call of the same kind.
    const hear = (args, say) => {
      busy || args && args[1] !== said.own && rules[name].map(([words, answer]) => {
        if (words.every((word, at) => args[at] === word)) {
          busy = 1;
          answer(say);
          busy = 0
        }
      })
    };
    if (call && !cmw) {
      return new Proxy(value, { apply(call, self, args) {
        const result = call.apply(self, args);
        hear(args, words => call.apply(self, words));
        return result
      } })
    }
    if (push && !cmw) {
      const each = call => hear(call, words => push.call(value, words));
      value.push = function (...items) {
        const length = push.apply(this, items);
        [items, ...items].map(each);
        return length
      };
      ours || [].map.call(value, each)
    }
    return value
  };
  // Answer these calls of a global, each given by its first words.
  const listen = (answer, name, renewed, ...calls) => {
    const known = rules[name];
    (rules[name] = known || []).push(...calls.map(words => [words, answer]));
    if (known) return;
    let now = w[name];
    // What a script of the page has declared (`var dataLayer`) cannot become an accessor: only its value is dressed.
    const define = () => Reflect.defineProperty(w, name, { configurable: true, get: () => now, set(next) {
      const before = now;
      if (next === now) return;
      now = dress(name, next);
      define();
      renewed && next && !next.cmw && renewed(next, before)
    } }) || (w[name] = now);
    now = dress(name, now, renewed);
    define()
  };

  const update = holds => {
    Object.keys(plan).map(vendor => {
      const [begins, ...words] = plan[vendor].map(ids => ids.some(holds) ? 'granted' : 'denied');
      const before = said[vendor];
      if (before || begins > 'e') {
        said[vendor] = words + '';
        before == said[vendor] || tell(vendor, before ? 'update' : 'default');
        before || listen(() => tell(vendor, 'update'), ...families[vendor]);
        // A default for a region, which the site has set before, overrules ours, but no update.
        before || on || w.dataLayer?.map(args => args && args[2]?.region && tell(vendor, 'update'))
      }
    });
    Object.keys(waits || {}).filter(holds).map(id => {
      waits[id].map(([name, words, answer]) => listen(say => say(answer), name, 0, words));
      delete waits[id]
    })
  };
  update(on ? id => on.split(',').includes(id) : w.consentMw.allows);
  d.addEventListener('cmw:change', event => {
    update(id => event.detail.granted.concat(event.detail.purposes).includes(id))
  })
})();
