// Plant setters wherever the guard could stumble over them, and then ask for held resources.
const met = {};
const note = (name, what) => {
  (met[name] ||= []).push(what);
  document.getElementById('out').textContent = JSON.stringify(met);
};
const planted = { get() { throw Error('get'); }, set() { throw Error('set'); } };
for (const owner of [Object.prototype, Array.prototype, Function.prototype, cmwGuard, cmwGuard()]) {
  for (const host of ['held.example', 'a.held.example', 'other.example']) Object.defineProperty(owner, host, planted);
}
for (const key of ['src', 'srcset', 'href']) Object.defineProperty(Object.prototype, key, planted);
cmwGuard().length = 0;
fetch('https://held.example/a').catch(() => note('fetch', 'failed'));
fetch('https://a.held.example/b').catch(() => note('fetch', 'failed'));
new Image().src = 'https://other.example/c.gif';
document.body.insertAdjacentHTML('beforeend', '<img src="https://held.example/d.gif">');
note('told', cmwGuard().sort().join());
cmwGuard = () => { throw Error('replaced'); };
