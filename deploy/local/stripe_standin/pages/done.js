"use strict";
// Tells the page that opened the authentication (stripe.js, in a frame) how it ended.
(() => {
  const { intent, status } = document.currentScript.dataset;
  if (window.parent !== window) {
    window.parent.postMessage({ source: "stripe-standin", intent, status }, "*");
  }
})();
