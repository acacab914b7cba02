// Passkeys in forms [WebAuthn Level 3]. A form says what it is for and brings the options that the server made:
//   <form data-passkey="create" data-options="{...}">  or  data-passkey="get", with data-passkey-autofill for autofill
// In it: <input type="hidden" name="passkey">, <button data-passkey-button hidden> and <p data-passkey-error hidden
// role="alert">. What is marked data-without-passkey is for browsers that cannot do this, or have no scripts.

(() => {
  "use strict";

  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const WORDS = {
    NotAllowedError: "The request was cancelled, or took too long. Nothing was changed; you can try again.",
    TimeoutError: "It took too long. Nothing was changed; you can try again.",
    SecurityError: "The browser allows no passkeys at this address. Open the site at its usual address, over https.",
    NotSupportedError: "This device cannot make the kind of passkey that is needed here. Try another device.",
    ConstraintError: "This device cannot check that it is you. Set up a screen lock or a PIN, then try again.",
    SyntaxError: "The options on this page cannot be read. Reload the page and try again.",
  };
  const MADE_ALREADY = "This device already has a passkey for your account. There is nothing to do.";

  function toBytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  function toText(buffer) {
    let plain = "";
    for (const byte of new Uint8Array(buffer)) plain += String.fromCharCode(byte);
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  const withBytes = (known) => ({ ...known, id: toBytes(known.id) });

  function creationOptions(json) {
    if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(json);
    return {
      ...json,
      challenge: toBytes(json.challenge),
      user: withBytes(json.user),
      excludeCredentials: (json.excludeCredentials || []).map(withBytes),
    };
  }

  function requestOptions(json) {
    if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(json);
    return {
      ...json,
      challenge: toBytes(json.challenge),
      allowCredentials: (json.allowCredentials || []).map(withBytes),
    };
  }

  // Some password managers put an object of their own in place of the browser's, whose toJSON is missing or throws.
  function answerText(credential) {
    try {
      if (credential.toJSON) return JSON.stringify(credential.toJSON());
    } catch {
      // by hand, then
    }
    const given = credential.response;
    const response = { clientDataJSON: toText(given.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (given[part]) response[part] = toText(given[part]);
    }
    if (given.attestationObject) response.transports = given.getTransports ? given.getTransports() : [];
    const id = toText(credential.rawId);
    return JSON.stringify({ id, rawId: id, type: credential.type, response, clientExtensionResults: {} });
  }

  let waiting = null; // the request for autofill, which must end before another begins
  let busy = false;

  function stopWaiting() {
    if (waiting) waiting.abort();
    waiting = null;
  }

  function say(form, sentence) {
    const place = form.querySelector("[data-passkey-error]") || document.querySelector("[data-passkey-error]");
    if (!place) return;
    place.textContent = sentence;
    place.hidden = sentence === "";
  }

  function explain(form, error) {
    if (error.name === "AbortError") return;
    if (error.name === "InvalidStateError" && form.dataset.passkey === "create") say(form, MADE_ALREADY);
    else say(form, WORDS[error.name] || `The browser could not use a passkey (${error.name}). Reload the page and try again.`);
  }

  function send(form, credential) {
    form.querySelector('input[name="passkey"]').value = answerText(credential);
    HTMLFormElement.prototype.submit.call(form); // without another submit event; a field may be named "submit"
  }

  async function ask(form, button) {
    if (busy) return;
    busy = true;
    button.disabled = true;
    say(form, "");
    stopWaiting();
    try {
      const json = JSON.parse(form.dataset.options);
      const credential =
        form.dataset.passkey === "create"
          ? await navigator.credentials.create({ publicKey: creationOptions(json) })
          : await navigator.credentials.get({ publicKey: requestOptions(json) });
      send(form, credential);
    } catch (error) {
      explain(form, error);
      busy = false;
      button.disabled = false;
      startAutofill();
    }
  }

  async function offerAutofill(form) {
    const able = PublicKeyCredential.isConditionalMediationAvailable;
    if (!able || !(await able.call(PublicKeyCredential)) || busy) return;
    const mine = new AbortController();
    waiting = mine;
    try {
      const publicKey = requestOptions(JSON.parse(form.dataset.options));
      const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal: mine.signal });
      if (waiting === mine && credential) send(form, credential);
    } catch {
      // nobody asked for it: the form and the button are there all the same
    }
  }

  function startAutofill() {
    const form = document.querySelector("form[data-passkey-autofill]");
    if (form) offerAutofill(form);
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!button || !button.hasAttribute("data-passkey-button")) return;
      event.preventDefault();
      ask(form, button);
    });
    for (const button of form.querySelectorAll("[data-passkey-button]")) button.hidden = false;
  }
  startAutofill();
  for (const other of document.querySelectorAll("[data-without-passkey]")) other.hidden = true;

  // A page that comes back from the browser's cache can be used again.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    busy = false;
    for (const button of document.querySelectorAll("[data-passkey-button]")) button.disabled = false;
  });
})();
