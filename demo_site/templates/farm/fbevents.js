/* Stands in for the Meta Pixel: takes over the queue of fbq, numbers the visitor, reports each event. */
(function () {
  "use strict";
  var fbq = window.fbq;
  var pixel = "";
  if (!fbq || fbq.callMethod) { return; }

  function visitor() {
    var found = document.cookie.match(/(?:^|; )_fbp=([^;]*)/);
    var value = found ? found[1] : "fb.0." + Date.now() + "." + Math.floor(Math.random() * 1e17);
    document.cookie = "_fbp=" + value + "; path=/; max-age=7776000; samesite=lax";
    return value;
  }
  fbq.callMethod = function (method, name) {
    if (method === "init") { pixel = name; }
    if (method === "track" || method === "trackCustom") {
      new Image().src = "{{ at('www.facebook.com') }}/tr/?id=" + encodeURIComponent(pixel)
        + "&ev=" + encodeURIComponent(name) + "&dl=" + encodeURIComponent(location.href) + "&fbp=" + visitor();
    }
  };
  fbq.queue.splice(0).forEach(function (call) { fbq.callMethod.apply(fbq, call); });
})();
