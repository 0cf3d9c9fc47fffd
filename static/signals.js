// consent_mw signals: tells vendors' tags what the visitor chose, by the vendors' own interfaces, before those tags
// run and again whenever that changes. It stands first in head where such a tag may run, and comes with the release
// where something is granted in the page.
// b: what was said to whom; t: what tells a vendor, given the verb v and a word on statistics (a), marketing (m) and
// preferences (e). The plan has, by vendor, the ids that let it begin, those that stand for each of the three, and
// Google's options.
(() => {
  const w = window;
  const d = document;
  const own = d.currentScript;
  const on = own.dataset.cmwOn;
  const plan = JSON.parse((on ? own : d.querySelector('[data-cmw-root]')).dataset.cmwSignals);
  const b = {};
  const q = n => w[n] = w[n] || [];
  const t = {
    google(v, a, m, e) {
      function g() { q('dataLayer').push(arguments) }
      g('consent', v, {
        ad_storage: m,
        ad_user_data: m,
        ad_personalization: m,
        analytics_storage: a,
        functionality_storage: e,
        personalization_storage: e,
        security_storage: 'granted'
      });
      b.google || plan.google[4].map(n => g('set', n, true))
    },
    microsoft(v, a, m) { q('uetq').push('consent', v, { ad_storage: m }) },
    clarity(v, a, m) {
      const c = w.clarity = w.clarity || function() { (c.q = c.q || []).push(arguments) };
      c('consentv2', { ad_Storage: m, analytics_Storage: a })
    },
    // Meta's snippet does nothing where its function is there already: wait for it, and go before what it queued.
    meta(v, a, m) {
      // Of the two words, "granted" and "denied", one comes after the letter e.
      b.fbq = m > 'e' ? 'grant' : 'revoke';
      const g = f => f('consent', b.fbq);
      w.fbq ? g(w.fbq) : Object.defineProperty(w, 'fbq', { configurable: true, set(f) {
        Object.defineProperty(w, 'fbq', { value: f, writable: true });
        Promise.resolve().then(() => g(f.queue ? function() { f.queue.unshift(arguments) } : f))
      } })
    }
  };
  const tell = f => Object.keys(plan).map(n => {
    const [y, ...z] = plan[n].map(i => i.some(f) ? 'granted' : 'denied');
    if (b[n] || y > 'e') {
      b[n] == z || t[n](b[n] ? 'update' : 'default', ...z);
      b[n] = z + ''
    }
  });
  tell(on ? i => on.split(',').includes(i) : w.consentMw.allows);
  d.addEventListener('cmw:change', e => tell(i => e.detail.granted.concat(e.detail.purposes).includes(i)))
})();
