// The placeholder of a held embed: what its two buttons do without loading the page anew. Without it they are a form.
(() => {
  'use strict';
  const frame = window.frameElement;
  if (!frame) return;
  if (!frame.hasAttribute('data-cmw-held') && frame.src !== location.href) {
    // The page has its embed back, and the browser came here only since it was here before (Firefox, on a reload).
    frame.parentNode.insertBefore(frame, frame.nextSibling);
    return;
  }
  const form = document.forms[0];
  if (!form) return;
  const fields = form.elements;
  const ids = fields.once ? fields.once.value.split(',').filter(id => id !== '-') : [];
  const once = form.querySelector('[value=once]');
  // In a page that stands in somebody else's, a browser keeps no choice: it is made in a page of its own.
  let elsewhere = false;
  try {
    elsewhere = top.location.origin !== location.origin;
  } catch {
    elsewhere = true;
  }
  if (elsewhere) {
    form.querySelector('[value=save]').hidden = true;
    document.querySelector('.more a').target = '_blank';
  }
  const way = form.dataset.way;
  if (once) once.hidden = false;
  // The page may not say in its requests where it is.
  fields.back.value = parent.location.pathname + parent.location.search;

  // A frame may run scripts and still not send forms: then the browser does nothing at all.
  const send = button => form.requestSubmit(button);
  const renew = () => parent.location.reload();

  form.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button || (button === once && way === 'form')) return;
    event.preventDefault();
    if (button === once) {
      parent.postMessage('cmw:once', location.origin);
      // The page takes this frame away when it has done what was asked.
      if (way === 'either') setTimeout(send, 3000, button);
      return;
    }
    const body = new URLSearchParams(new FormData(form));
    body.append(button.name, button.value);
    fetch(form.getAttribute('action'), {
      method: 'POST', mode: 'same-origin', headers: { Accept: 'application/json' }, body,
    })
      .then(response => (response.ok ? 0 : Promise.reject()))
      .then(() => {
        setTimeout(() => {
          const { consentMw } = parent;
          if (!consentMw || !ids.every(consentMw.allows)) renew();
        }, 3000);
        new BroadcastChannel('cmw').postMessage('changed');
      }, () => send(button))
      .catch(renew);
  });
})();
