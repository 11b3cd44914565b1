"use strict";
// SIMULATED stripe.js: the few functions a dashboard needs, against the local stand-in that served this file.
(() => {
  const base = new URL(document.currentScript.src).origin;

  function encode(value, name, into) {
    if (value === undefined || value === null) return into;
    if (typeof value === "object") {
      for (const key of Object.keys(value)) encode(value[key], name ? `${name}[${key}]` : key, into);
    } else {
      into.append(name, String(value));
    }
    return into;
  }

  function authenticate(url, intent) {
    return new Promise((resolve) => {
      const dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", "3-D Secure (simulated)");
      const frame = document.createElement("iframe");
      frame.title = "3-D Secure (simulated)";
      frame.width = "400";
      frame.height = "460";
      frame.src = url;
      dialog.append(frame);
      document.body.append(dialog);
      const end = () => {
        window.removeEventListener("message", listen);
        dialog.remove();
        resolve();
      };
      const listen = (message) => {
        const told = message.data;
        if (message.origin === base && told && told.source === "stripe-standin" && told.intent === intent) end();
      };
      window.addEventListener("message", listen);
      dialog.addEventListener("close", end);
      dialog.showModal();
    });
  }

  window.Stripe = function Stripe(key) {
    if (!/^pk_test_/.test(key || "")) throw new Error("The Stripe stand-in takes pk_test_ keys only.");

    async function call(method, path, params) {
      const form = encode(params, "", new URLSearchParams());
      const query = method === "GET" && form.size ? `?${form}` : "";
      const answer = await fetch(`${base}/v1/${path}${query}`, {
        method,
        headers: { authorization: `Bearer ${key}` },
        body: method === "GET" ? undefined : form,
      });
      const body = await answer.json();
      return answer.ok ? { object: body } : { error: body.error };
    }

    // Stripe's API takes no raw card with an intent: the card becomes a payment method first.
    async function savedMethod(method) {
      if (method === undefined || method === null || typeof method === "string") return { id: method };
      const card = method.card && method.card.read ? method.card.read() : method.card;
      const made = await call("POST", "payment_methods", {
        type: "card",
        card,
        billing_details: method.billing_details,
      });
      return made.error ? made : { id: made.object.id };
    }

    async function confirm(kind, name, secret, data, options) {
      const id = secret.split("_secret_")[0];
      const given = data || {};
      const method = await savedMethod(given.payment_method);
      if (method.error) return { error: method.error };
      const result = await call("POST", `${kind}/${id}/confirm`, {
        client_secret: secret,
        return_url: given.return_url,
        payment_method: method.id,
      });
      if (result.error) return { error: result.error };
      if (options && options.handleActions === false) return { [name]: result.object };
      return handle(kind, name, secret, result.object);
    }

    async function handle(kind, name, secret, intent) {
      const action = intent.next_action;
      if (intent.status !== "requires_action" || !action) return { [name]: intent };
      if (action.redirect_to_url) {
        window.location.assign(action.redirect_to_url.url);
        return new Promise(() => {});
      }
      await authenticate(action.use_stripe_sdk.stripe_js, intent.id);
      const after = await call("GET", `${kind}/${intent.id}`, { client_secret: secret });
      if (after.error) return { error: after.error };
      const failure = after.object.last_payment_error || after.object.last_setup_error;
      return failure ? { error: failure } : { [name]: after.object };
    }

    async function retrieve(kind, name, secret) {
      const id = secret.split("_secret_")[0];
      const result = await call("GET", `${kind}/${id}`, { client_secret: secret });
      return result.error ? { error: result.error } : { [name]: result.object };
    }

    return {
      confirmCardPayment: (secret, data, options) =>
        confirm("payment_intents", "paymentIntent", secret, data, options),
      confirmCardSetup: (secret, data, options) => confirm("setup_intents", "setupIntent", secret, data, options),
      handleNextAction: async ({ clientSecret }) => {
        const isSetup = clientSecret.startsWith("seti_");
        const kind = isSetup ? "setup_intents" : "payment_intents";
        const name = isSetup ? "setupIntent" : "paymentIntent";
        const found = await retrieve(kind, name, clientSecret);
        return found.error ? found : handle(kind, name, clientSecret, found[name]);
      },
      retrievePaymentIntent: (secret) => retrieve("payment_intents", "paymentIntent", secret),
      retrieveSetupIntent: (secret) => retrieve("setup_intents", "setupIntent", secret),
      redirectToCheckout: ({ sessionId }) => {
        window.location.assign(`${base}/c/pay/${encodeURIComponent(sessionId)}`);
        return new Promise(() => {});
      },
      createPaymentMethod: async ({ card, billing_details }) => {
        const details = card && card.read ? card.read() : card;
        const result = await call("POST", "payment_methods", { type: "card", card: details, billing_details });
        return result.error ? { error: result.error } : { paymentMethod: result.object };
      },
      elements: () => ({ create: () => cardElement() }),
    };
  };

  function cardElement() {
    const box = document.createElement("div");
    const fields = {};
    for (const [name, label, value] of [
      ["number", "Card number (test cards only)", "4242424242424242"],
      ["exp_month", "Month", "12"],
      ["exp_year", "Year", String(new Date().getFullYear() + 3)],
      ["cvc", "CVC", "123"],
    ]) {
      const field = document.createElement("input");
      field.inputMode = "numeric";
      field.value = value;
      const caption = document.createElement("label");
      caption.append(`${label} `, field);
      box.append(caption);
      fields[name] = field;
    }
    return {
      read: () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()])),
      mount: (where) => (typeof where === "string" ? document.querySelector(where) : where).replaceChildren(box),
      unmount: () => box.remove(),
      destroy: () => box.remove(),
      on: () => {},
      focus: () => fields.number.focus(),
      clear: () => (fields.number.value = ""),
    };
  }
})();
