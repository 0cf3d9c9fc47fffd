// A part of runtime.js, for sites whose caches serve one page to everybody (`caching = "shared"`). That page is made as
// for a visitor who has not decided. A cookie that scripts can read removes the banner before the first paint. But only
// the server says what may run, since any script can write that cookie.
if (setting('shared')) {
  // Apply what the page would contain if it were made for a visitor who sends the signal.
  if (navigator.globalPrivacyControl) {
    doc.querySelectorAll('[data-cmw-gpc]').forEach(el => {
      if (el.content) el.replaceWith(el.content);
      else el.remove();
    });
  }
  const told = doc.cookie.match('cmw-state=(\\w+)-' + setting('shared'));
  const shown = find();
  if (told && /^(reject|withdraw)$/.test(told[1])) {
    kit.state = told[1];
    doc.documentElement.setAttribute('data-cmw-state', kit.state);
    if (shown) shown.remove();
  } else if (told) {
    if (shown) shown.hidden = true;
    // If a choice only takes effect in the next page, do not ask the server: the next page would be this one again.
    const ask = () => (setting('release') ? Promise.resolve() : more().then(() => kit.check()).catch(() => {}))
      .then(() => {
        if (shown && kit.state === 'none') shown.hidden = false;
      });
    if (doc.prerendering) doc.addEventListener('prerenderingchange', ask, { once: true });
    else ask();
  }
}
