// consent_mw signals: tells vendors' tags what the visitor chose, by the vendors' own interfaces, before those tags
// run and again whenever that changes. It stands first in head where such a tag may run, and comes with the release
// where something is granted in the page.
// The plan has, by vendor, the ids that let it begin, those that stand for statistics, marketing and preferences, and
// Google's options.
(() => {
  const w = window;
  const d = document;
  const own = Reflect.get(Document.prototype, 'currentScript', d);
  const on = own.dataset.cmwOn;
  const plan = JSON.parse(own.dataset.cmwSignals);
  // What was said, by vendor, and the lists that are watched.
  const said = {};
  const push = (vendor, verb, name, ...items) => {
    const list = w[name] = w[name] || [];
    // What comes first goes past a queue of ours (queue.js), which would hold it back.
    (verb > 'u' ? list.push : [].push).apply(list, items);
    if (said[name]) return;
    said[name] = 1;
    const next = list.push;
    list.push = function (one) {
      const length = next.apply(this, arguments);
      // A site's own default would outlive the visitor's choice: say that once more.
      if ((one && one[0] === 'consent' ? one : arguments)[1] === 'default') {
        tellers[vendor]('update', ...said[vendor].split(','));
      }
      return length;
    };
  };
  // What tells a vendor, given the verb and a word on each of the three purposes.
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
    // Meta's snippet does nothing where its function is there already: wait for it, and go before what it queued.
    meta(verb, analytics, marketing) {
      // Of the two words, "granted" and "denied", one comes after the letter e.
      said.fbq = marketing > 'e' ? 'grant' : 'revoke';
      const tell = call => call('consent', said.fbq);
      const now = w.fbq;
      now && !now.cmw ? tell(now) : Object.defineProperty(w, 'fbq', { configurable: true, get: () => now, set(call) {
        Object.defineProperty(w, 'fbq', { value: call, writable: true, configurable: true });
        Promise.resolve().then(() => {
          const { queue } = call;
          // A site's own word to the queue, like a default, would outlive the visitor's. Where a queue of ours stood,
          // the pixel takes a grant for granted.
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
