// A page that takes trusted values only, and wraps what the guard has wrapped.
const NOTES = {};
const note = (name, what) => {
  (NOTES[name] = NOTES[name] || []).push(what);
  document.getElementById('out').textContent = JSON.stringify(NOTES);
};
const attempt = (name, work) => {
  try {
    note(name, work());
  } catch (error) {
    note(name, error.name);
  }
};
const add = el => document.getElementById('place').appendChild(el);

function strict() {
  const same = text => text;
  const policy = trustedTypes.createPolicy('site', { createHTML: same, createScript: same, createScriptURL: same });

  attempt('again', () => {
    const guard = document.querySelector('script[data-cmw-hosts]');
    const script = document.createElement('script');
    script.setAttribute('data-cmw-hosts', guard.getAttribute('data-cmw-hosts'));
    script.textContent = policy.createScript(guard.textContent);
    const before = window.fetch;
    add(script);
    return window.fetch === before;
  });
  attempt('plain', () => {
    document.createElement('script').src = 'https://free.example/plain.js';
    return 'set';
  });
  attempt('trusted', () => {
    const script = document.createElement('script');
    script.onload = () => note('trusted', 'load');
    script.src = policy.createScriptURL('https://held.example/trusted.js');
    return add(script).src;
  });
  attempt('markup', () => {
    const box = add(document.createElement('div'));
    box.innerHTML = policy.createHTML('<b>text</b>');
    return box.innerHTML;
  });

  let called = 0;
  const inner = window.fetch;
  window.fetch = (...args) => {
    called++;
    return inner.apply(window, args);
  };
  fetch('https://held.example/wrapped').catch(error => note('wrapped', error.name + ' ' + called));
  const { setAttribute } = Element.prototype;
  Element.prototype.setAttribute = function set(name, value) {
    return setAttribute.call(this, name, value);
  };
  attempt('wrapped attribute', () => {
    const image = document.createElement('img');
    image.setAttribute('src', 'https://held.example/wrapped.gif');
    return image.src;
  });
  attempt('odd values', () => {
    const image = document.createElement('img');
    image.setAttribute('src', null);
    image.srcset = undefined;
    image.src = { toString: () => '/own.gif' };
    document.createElement('a').setAttribute('href', 'https://held.example/link');
    return [image.getAttribute('src'), image.srcset].join();
  });
  attempt('no receiver', () => setAttribute.call(undefined, 'src', 'https://held.example/x'));
  attempt('no address', () => new WebSocket('mailto:held'));
  window.onerror = message => note('errors', message);
  attempt('odd event', () => {
    document.dispatchEvent(new Event('load'));
    document.dispatchEvent(new CustomEvent('cmw:change', { detail: { granted: [], purposes: [], state: 'none' } }));
    return 'told';
  });
}
