// A part of runtime.js, which has a place for it: sites where caches keep one page for everybody get both as one. Such a
// page is that of somebody who has not decided. What the cookie says that scripts can read takes the banner away before it is painted;
// what may run the server says, since anybody can write that cookie.
if (setting('shared')) {
  // What a page made for this visitor alone would say about the signal.
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
    // Where a choice can only be followed in another page there is no such page: it would be this one again.
    const ask = () => (setting('release') ? Promise.resolve() : more().then(() => kit.check()).catch(() => {}))
      .then(() => {
        if (shown && kit.state === 'none') shown.hidden = false;
      });
    if (doc.prerendering) doc.addEventListener('prerenderingchange', ask, { once: true });
    else ask();
  }
}
