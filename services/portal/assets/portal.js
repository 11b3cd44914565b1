"use strict";
// What the pages can't say in HTML: the live balance, adding funds, the low-balance notice, small conveniences.
(() => {
  const body = document.body;
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const token = () => one('meta[name="csrf-token"]')?.content ?? "";
  const dollars = (cents) => {
    const text = (Math.abs(cents) / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    return `${cents < 0 ? "\u2212" : ""}$${text}`;
  };
  const centsOf = (text) => {
    const plain = text.trim().replace(/^\$/, "").replaceAll(",", "");
    return /^\d{1,9}(\.\d{0,2})?$/.test(plain) ? Math.round(Number(plain) * 100) : null;
  };

  // The balance, as soon as the books say so. Stale news (a lower version) is passed over.
  let version = 0;
  body.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (!event.target.matches("[data-live]")) return;
    event.preventDefault();
    const news = JSON.parse(event.detail.data).data;
    if (news.version < version) return;
    version = news.version;
    for (const shown of all("[data-balance]")) {
      shown.textContent = dollars(news.balance_cents);
      if (shown.hasAttribute("data-tone")) shown.dataset.tone = news.balance_cents < 0 ? "bad" : "";
    }
    for (const shown of all("[data-available]")) shown.textContent = dollars(news.available_cents);
  });

  // Adding funds: our API charges; where the bank wants to ask, the provider's script shows its question.
  let attempt = null;
  const attemptKey = (body) => {
    if (attempt?.body !== body) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      attempt = { body, key: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
    }
    return attempt.key;
  };

  function loadCardScript() {
    if (window.Stripe) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = body.dataset.cardScript;
      script.onload = resolve;
      script.onerror = () => reject(new Error("Your bank’s question can’t be shown now. Please try again."));
      document.head.append(script);
    });
  }

  async function askBank(secret, card, isConfirmed) {
    if (!body.dataset.cardKey)
      throw new Error("Your bank wants to confirm this payment, which can’t be done here yet. Please use another card.");
    await loadCardScript();
    const provider = window.Stripe(body.dataset.cardKey);
    const result = isConfirmed
      ? await provider.handleNextAction({ clientSecret: secret })
      : await provider.confirmCardPayment(secret, { payment_method: card });
    if (result.error) throw new Error(result.error.message || "Your bank did not confirm the payment.");
  }

  async function charge(cents, card) {
    const sent = JSON.stringify({ amount_cents: cents, payment_method_id: card });
    const answer = await fetch("/v1/billing/top-up", {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": token(), "idempotency-key": attemptKey(sent) },
      body: sent,
    });
    const told = await answer.json();
    if (answer.status < 500) attempt = null;
    if (answer.ok && told.status === "succeeded") return "paid";
    const secret = answer.ok ? told.client_secret : told.error.client_secret;
    if (told.status === "requires_action" || told.error?.code === "authentication_required") {
      await askBank(secret, card, answer.ok);
      return "confirmed";
    }
    if (answer.ok) return "processing";
    throw new Error(told.error.message);
  }

  const TOLD = {
    paid: (cents) => `${dollars(cents)} added. Thank you.`,
    confirmed: (cents) => `Confirmed. ${dollars(cents)} will be there in a moment.`,
    processing: (cents) => `Your bank is working on it. ${dollars(cents)} will be added as soon as it is done.`,
  };

  async function topUp(form) {
    const said = one(".say", form);
    const say = (text, tone) => { said.textContent = text; said.dataset.tone = tone; };
    const typed = form.elements.amount.value;
    const cents = typed.trim() ? centsOf(typed) : Number(form.elements.quick.value) * 100;
    const least = Number(form.dataset.minimum), most = Number(form.dataset.maximum);
    if (cents === null || cents < least || cents > most) {
      say(`Enter an amount from ${dollars(least)} to ${dollars(most)}.`, "bad");
      form.elements.amount.focus();
      return;
    }
    const button = one("button.primary", form);
    button.disabled = true;
    say("One moment …", "");
    try {
      say(TOLD[await charge(cents, form.elements.card.value)](cents), "good");
      form.elements.amount.value = "";
    } catch (error) {
      say(error instanceof TypeError ? "We can’t be reached. Please try again; you won’t be charged twice." : error.message, "bad");
    } finally {
      button.disabled = false;
    }
  }

  // Auto-recharge in words, while it is typed.
  function reword(form) {
    const amounts = ["minimum", "amount", "limit"].map((name) => centsOf(form.elements[name].value));
    const [minimum, amount, limit] = amounts;
    if (minimum === null || amount === null) return;
    one("[data-buffer]", form).hidden = minimum >= Number(form.dataset.minute);
    if (!form.elements.enabled.checked) {
      one("[data-sentence]", form).textContent = "Off: nothing is charged by itself.";
      return;
    }
    const least = limit === null ? "" : `, at most ${dollars(limit)} in a calendar month`;
    one("[data-sentence]", form).textContent =
      `When your balance falls below ${dollars(minimum)}, we charge your default card ${dollars(amount)}${least}.`;
  }

  // The notice: once per browser session, for each account somebody signs in to.
  function showNotice() {
    const dialog = one("dialog[data-notice]");
    const shown = `ringfence-notice-shown ${dialog?.dataset.notice}`;
    if (!dialog || dialog.open || one("dialog[open]") || sessionStorage.getItem(shown)) return;
    sessionStorage.setItem(shown, "yes");
    dialog.showModal();
  }

  // Operators: one dialog for every action; what is chosen is named in it.
  function openAction(button) {
    const form = one("#settle-form");
    const { act, only, allOf, title, label } = button.dataset;
    form.elements.action.value = act;
    form.elements.only.value = only;
    form.elements.all_of.value = allOf;
    const count = all("input[name=letter]:checked").length;
    const chosen = count === 1 ? "the chosen letter" : `${count} chosen letters`;
    one("#settle-title").textContent = "chosen" in button.dataset ? `${title} ${chosen}` : title;
    const doing = one("[data-act-label]", form);
    doing.textContent = label;
    doing.className = act === "discard" ? "danger" : "primary";
    one("#settle").showModal();
    form.elements.reason.focus();
  }
  function countChosen() {
    const count = all("input[name=letter]:checked").length;
    for (const button of all("[data-chosen]")) {
      button.disabled = !count;
      button.textContent = count ? `${button.dataset.label} (${count})` : button.dataset.label;
    }
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-top-up]")) return;
    event.preventDefault();
    topUp(event.target);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-words]");
    if (form) reword(form);
    if (event.target.id === "amount" && event.target.value) for (const radio of all("[name=quick]")) radio.checked = false;
    if (event.target.name === "quick") one("#amount").value = "";
    if (event.target.name === "letter") countChosen();
  });
  document.addEventListener("click", (event) => {
    const fill = event.target.closest("[data-fill]");
    if (fill) {
      const field = document.getElementById(fill.dataset.fill);
      field.value = fill.dataset.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    event.target.closest("[data-close]")?.closest("dialog").close();
    const action = event.target.closest("[data-act]");
    if (action) openAction(action);
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    for (const menu of all("details[data-menu][open]"))
      if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details[data-menu][open]")) {
      menu.open = false;
      one("summary", menu).focus();
    }
    document.activeElement?.closest(".tip")?.setAttribute("data-dismissed", "");
  });
  document.addEventListener("focusout", (event) => event.target.closest?.(".tip")?.removeAttribute("data-dismissed"));
  body.addEventListener("htmx:afterSettle", showNotice);
  body.addEventListener("htmx:responseError", (event) => {
    one("#said").textContent = event.detail.xhr.status === 401 ? "Please sign in again." : "That did not work. Please try again.";
  });
  // Live sections are not swapped away under somebody's hands, nor before what somebody asked of them has come. What
  // was put off is caught up with when they are let go of.
  const putOff = new Set();
  const sectionOf = (asking) => document.getElementById(asking.dataset.refreshes);
  const isInUse = (section) =>
    "still" in section.dataset ||
    section.contains(document.activeElement) ||
    one("details[open], dialog[open], .htmx-request", section);
  const waits = (asking) => {
    if (!asking.dataset.refreshes || !isInUse(sectionOf(asking))) return false;
    putOff.add(asking);
    return true;
  };
  body.addEventListener("htmx:beforeRequest", (event) => {
    if (waits(event.detail.elt)) event.preventDefault();
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    if (waits(event.detail.requestConfig.elt)) event.detail.shouldSwap = false;
  });
  const catchUp = () =>
    setTimeout(() => {
      for (const asking of putOff) {
        if (isInUse(sectionOf(asking))) continue;
        putOff.delete(asking);
        window.htmx.trigger(asking, "refresh");
      }
    }, 150);
  document.addEventListener("focusout", catchUp);
  document.addEventListener("toggle", catchUp, true);
  document.addEventListener("close", catchUp, true);
  showNotice();
})();
