/* Stands in for a Tag Manager container: brings in a tag that the page itself never mentions. */
(function () {
  "use strict";
  new Image().src = "{{ at('www.googletagmanager.com') }}/td?id={{ id }}&dl=" + encodeURIComponent(location.href);
  new Image().src = "{{ at('googleads.g.doubleclick.net') }}/pagead/viewthroughconversion/123456789/?guid=ON&en=remarketing&url="
    + encodeURIComponent(location.href);
})();
