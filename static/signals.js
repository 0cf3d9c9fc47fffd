// consent_mw signals: tells vendors' tags through the vendors' own interfaces what the visitor chose, before they run
// and whenever the choice changes. It is the first script in head if such a tag may run, and release.js loads it if one
// is granted in the page.
//
// The plan (data-cmw-signals) contains lists of ids for each vendor: those of which one must be granted before any
// signal is sent, and those that count as statistics, as marketing and as preferences. For Google it also contains
// options.
(() => {
  const w = window;
  const d = document;
  const own = Reflect.get(Document.prototype, 'currentScript', d);
  const on = own.dataset.cmwOn;
  const plan = JSON.parse(own.dataset.cmwSignals);
  // The last signal to each vendor, and the names of the lists that are watched.
  const said = {};
  const push = (vendor, verb, name, ...items) => {
    const list = w[name] = w[name] || [];
    // The first signal bypasses the push of queue.js, which would withhold it.
    (verb > 'u' ? list.push : [].push).apply(list, items);
    if (said[name]) return;
    said[name] = 1;
    const next = list.push;
    list.push = function (one) {
      const length = next.apply(this, arguments);
      // A default that the site's code sets would override the visitor's choice: send the choice again.
      if ((one && one[0] === 'consent' ? one : arguments)[1] === 'default') {
        tellers[vendor]('update', ...said[vendor].split(','));
      }
      return length;
    };
  };
  // The function that sends a signal to each vendor. Its arguments are the verb, and "granted" or "denied" for each of
  // the three purposes.
  const tellers = {
    google(verb, analytics, marketing, preferences) {
      function gtag() { push('google', verb, 'dataLayer', arguments) }
      gtag('consent', verb, {
        ad_storage: marketing,
        ad_user_data: marketing,
        ad_personalization: marketing,
        analytics_storage: analytics,
        functionality_storage: preferences,
        personalization_storage: preferences,
        security_storage: 'granted'
      });
      said.google || plan.google[4].map(option => gtag('set', option, true))
    },
    microsoft(verb, analytics, marketing) {
      push('microsoft', verb, 'uetq', 'consent', verb, { ad_storage: marketing })
    },
    clarity(verb, analytics, marketing) {
      let call = w.clarity;
      if (!call || call.cmw) call = w.clarity = function () { (call.q = call.q || []).push(arguments) };
      call('consentv2', { ad_Storage: marketing, analytics_Storage: analytics })
    },
    // Meta's snippet does nothing if its function exists. So wait until it defines it, and put the signal before the
    // calls that it has queued.
    meta(verb, analytics, marketing) {
      // True for "granted", false for "denied".
      said.fbq = marketing > 'e' ? 'grant' : 'revoke';
      const tell = call => call('consent', said.fbq);
      const now = w.fbq;
      now && !now.cmw ? tell(now) : Object.defineProperty(w, 'fbq', { configurable: true, get: () => now, set(call) {
        Object.defineProperty(w, 'fbq', { value: call, writable: true, configurable: true });
        Promise.resolve().then(() => {
          const { queue } = call;
          // A consent call that the site queued would override the visitor's choice, so change it. If queue.js had
          // defined the function, the pixel needs no signal for a grant.
          if (!queue) return tell(call);
          queue.map(args => args[0] == 'consent' && (args[1] = said.fbq));
          now && said.fbq < 'h' || tell(function () { queue.unshift(arguments) })
        })
      } })
    }
  };
  const tell = holds => Object.keys(plan).map(vendor => {
    const [begins, ...words] = plan[vendor].map(ids => ids.some(holds) ? 'granted' : 'denied');
    if (said[vendor] || begins > 'e') {
      said[vendor] == words || tellers[vendor](said[vendor] ? 'update' : 'default', ...words);
      said[vendor] = words + ''
    }
  });
  tell(on ? id => on.split(',').includes(id) : w.consentMw.allows);
  d.addEventListener('cmw:change', event => {
    tell(id => event.detail.granted.concat(event.detail.purposes).includes(id))
  })
})();
