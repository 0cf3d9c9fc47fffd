/* Stands in for Stripe.js: mounts a card form in a frame of its own. Takes no payment. */
window.Stripe = function () {
  "use strict";
  return {
    elements: function () {
      return {
        create: function () {
          return {
            mount: function (selector) {
              var frame = document.createElement("iframe");
              frame.src = "{{ at('js.stripe.com') }}/v3/elements-inner-card.html";
              frame.title = "Card number, expiry date and security code";
              frame.style.cssText = "width:100%;height:60px;border:0;display:block;color-scheme:light dark";
              document.querySelector(selector).replaceChildren(frame);
            }
          };
        }
      };
    }
  };
};
