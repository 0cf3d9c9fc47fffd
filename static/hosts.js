// consent_mw hosts: the first part of the file that the pages of a visitor who has chosen link to; guard.js follows.
//
// The list of such a page is the same for every visitor, and stands here. It is the list of someone who has granted
// nothing, so take out what the page names as granted. A page that has its own list keeps it: it may be of another
// version of the site.
{
  const own = Reflect.get(Document.prototype, 'currentScript', document);
  const granted = (own.getAttribute('data-cmw-granted') || '').split(',');
  if (!own.getAttribute('data-cmw-hosts')) own.setAttribute('data-cmw-hosts', '(hosts)'.split(' ').map(rule => {
    const [ids, pattern] = rule.split(/=(.*)/);
    return ids.split(',').filter(id => !granted.includes(id)) + '=' + pattern;
  }).join(' '));
}
