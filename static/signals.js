// consent_mw signals: tells vendors' tags what the visitor chose, by the vendors' own interfaces, before those tags
// run and again whenever that changes. It stands first in head where such a tag may run, and comes with the release
// where something is granted in the page. The text stands in pages and nothing shortens it: hence single letters, and
// no more space than there is. ASCII only.
// w: window; d: document; s: our script; p: the plan; b: what was begun. Each vendor is told by t, with the verb v and
// a word on statistics (a), marketing (m) and preferences (e). A plan has, by vendor, the ids that let it begin, those
// that stand for each of the three, and Google's options.
(()=>{
const w=window,d=document,s=d.currentScript,b={};
const o=s.dataset.cmwOn;
const p=JSON.parse((o?s:d.querySelector('[data-cmw-root]')).dataset.cmwSignals);
const q=n=>w[n]=w[n]||[];
const t={
  google(v,a,m,e){
    function g(){q('dataLayer').push(arguments)}
    g('consent',v,{
      ad_storage:m,
      ad_user_data:m,
      ad_personalization:m,
      analytics_storage:a,
      functionality_storage:e,
      personalization_storage:e,
      security_storage:'granted'
    });
    b.google||p.google[4].map(n=>g('set',n,true))
  },
  microsoft(v,a,m){q('uetq').push('consent',v,{ad_storage:m})},
  clarity(v,a,m){
    const c=w.clarity=w.clarity||function(){(c.q=c.q||[]).push(arguments)};
    c('consentv2',{ad_Storage:m,analytics_Storage:a})
  },
  // Meta's snippet does nothing where its function is there already: wait for it, and go before what it queued.
  meta(v,a,m){
    // Of the two words, "granted" and "denied", one comes after the letter e.
    b.fbq=m>'e'?'grant':'revoke';
    const g=f=>f('consent',b.fbq);
    w.fbq?g(w.fbq):Object.defineProperty(w,'fbq',{configurable:true,set(f){
      Object.defineProperty(w,'fbq',{value:f,writable:true});
      Promise.resolve().then(()=>g(f.queue?function(){f.queue.unshift(arguments)}:f))
    }})
  }
};
const r=f=>Object.keys(p).map(n=>{
  const [y,...z]=p[n].map(i=>i.some(f)?'granted':'denied');
  if(b[n]||y>'e'){
    t[n](b[n]||'default',...z);
    b[n]='update'
  }
});
r(o?i=>o.split(',').includes(i):w.consentMw.allows);
d.addEventListener('cmw:change',e=>r(i=>e.detail.granted.concat(e.detail.purposes).includes(i)))
})();
