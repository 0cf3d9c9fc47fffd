// The placeholder of a held embed: lets its two buttons work without a reload of the page. Without this script they
// submit a form.
(() => {
  'use strict';
  const frame = window.frameElement;
  if (!frame) return;
  if (!frame.hasAttribute('data-cmw-held') && frame.src !== location.href) {
    // The embed is not held any more, but on a reload Firefox restores the frame's former address. Insert the frame
    // again, so that it loads its own address.
    frame.parentNode.insertBefore(frame, frame.nextSibling);
    return;
  }
  // A script would create this embed in an element of the page, so that is where the frame belongs. A frame that moves
  // loads again. If the element is a frame itself, it is held and has a placeholder of its own.
  const place = frame.dataset.cmwIn && parent.document.getElementById(frame.dataset.cmwIn);
  if (place && frame.parentNode !== place) {
    if (/^i?frame$/.test(place.localName)) frame.remove();
    else place.append(frame);
    return;
  }
  const form = document.forms[0];
  if (!form) return;
  const fields = form.elements;
  const ids = fields.once ? fields.once.value.split(',').filter(id => id !== '-') : [];
  const once = form.querySelector('[value=once]');
  // If the page is itself framed by another site, browsers do not store a choice. Offer a link to a new tab instead.
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
  // The page's referrer policy may keep its address from the server.
  fields.back.value = parent.location.pathname + parent.location.search;

  // A script of the page has taken this frame from noscript and inserted it. The release does not know such frames, so
  // they load with the page.
  const strange = !frame.dataset.cmwKey;
  if (strange) parent.document.addEventListener('cmw:change', ({ detail }) => {
    if (ids.every(id => detail.granted.includes(id))) renew();
  });

  // In a sandbox that allows scripts but not forms, the browser ignores this.
  const send = button => form.requestSubmit(button);
  const renew = () => parent.location.reload();

  form.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (!button || (button === once && (way === 'form' || (strange && way === 'either')))) return;
    event.preventDefault();
    if (button === once) {
      parent.postMessage('cmw:once', location.origin);
      // If the page can load the embed, it removes this frame before the time is up. Otherwise use the form.
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
