/* Stands in for the Google tag: numbers the visitor in a cookie and reports what the page asks it to. */
(function () {
  "use strict";
  var tag = "{{ id }}";
  var queue = (window.dataLayer = window.dataLayer || []);

  function cookie(name, make) {
    var found = document.cookie.match(new RegExp("(?:^|; )" + name + "=([^;]*)"));
    var value = found ? found[1] : make();
    document.cookie = name + "=" + value + "; path=/; max-age=34128000; samesite=lax";
    return value;
  }
  function number() {
    return Math.floor(Math.random() * 2147483647) + "." + Math.floor(Date.now() / 1000);
  }
  function send(url, fields) {
    var text = Object.keys(fields).map(function (key) {
      return key + "=" + encodeURIComponent(fields[key]);
    });
    new Image().src = url + (url.indexOf("?") < 0 ? "?" : "&") + text.join("&");
  }

  function collect(name) {
    var visitor = cookie("_ga", function () { return "GA1.1." + number(); });
    cookie("_ga_" + tag.slice(2), function () { return "GS2.1.s" + Math.floor(Date.now() / 1000); });
    send("{{ at('www.google-analytics.com') }}/g/collect", {
      v: 2, tid: tag, cid: visitor.slice(6), en: name, dl: location.href, dt: document.title
    });
  }
  function convert(name, label) {
    var click = cookie("_gcl_au", function () { return "1.1." + number(); });
    send("{{ at('www.googleadservices.com') }}/pagead/conversion/" + tag.slice(3) + "/", {
      label: label || "", en: name, auid: click, url: location.href
    });
  }

  function handle(entry) {
    var kind = entry && entry[0];
    if (kind === "config" && entry[1] === tag) {
      if (tag.slice(0, 2) === "G-") { collect("page_view"); } else { convert("page_view"); }
    }
    if (kind === "event" && entry[1] === "conversion" && tag.slice(0, 3) === "AW-") {
      convert("conversion", String(entry[2].send_to).split("/")[1]);
    }
    if (kind === "event" && entry[1] !== "conversion" && tag.slice(0, 2) === "G-") {
      collect(entry[1]);
    }
  }

  var push = queue.push;
  queue.forEach(handle);
  queue.push = function (entry) {
    push.call(queue, entry);
    handle(entry);
  };
})();
